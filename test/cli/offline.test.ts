/** `leeward site|group offline|online`: whatever runs at the site, the cloud has heard of it before the command says so. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { z } from 'zod';
import { marksOf } from '../../src/app/offline.ts';
import { readSettings } from '../../src/app/settings.ts';
import { openStorage } from '../../src/app/storage.ts';
import { heartbeatKind } from '../../src/documents/site.ts';
import { parseSite } from '../../src/kernel/ids.ts';
import { documents as names } from '../../src/kernel/names.ts';
import { setMark } from '../../src/site/agent/marks.ts';
import { Leeward } from '../support/command.ts';

const SITE = 'acme/paris';
const GROUP = `${SITE}/shop`;
const factsSchema = z.looseObject({ settingsFile: z.string() });
const settingsSchema = z.looseObject({ Values: z.record(z.string(), z.string()) });
const toldSchema = z.looseObject({ until: z.iso.datetime() });

suite('offline on purpose', () => {
  let folder = '';
  let leeward: Leeward;
  let settings: Record<string, string> = {};
  const siteFolder = (): string => join(folder, '.leeward', 'sites', 'acme', 'paris');

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'leeward-offline-'));
    leeward = new Leeward(folder);
    await writeFile(join(folder, 'disk.img'), Buffer.alloc(1024 * 1024, 'a'));
    const up = await leeward.run('--json', 'local', 'up');
    assert.equal(up.code, 0, up.stderr);
    const { settingsFile } = factsSchema.parse(JSON.parse(up.stdout));
    settings = settingsSchema.parse(JSON.parse(await readFile(settingsFile, 'utf8'))).Values;
    assert.equal((await leeward.run('volume', 'add', `${GROUP}/data`, '--source', 'disk.img')).code, 0);
    const run = {
      node: 'north',
      run: { command: 'sleep 1000' },
      monitors: [{ name: 'port', kind: 'tcp', host: '127.0.0.1', port: 9 }],
    };
    await writeFile(
      join(siteFolder(), 'leeward.yaml'),
      JSON.stringify({ intervalMs: 3_600_000, groups: { shop: { applications: { till: run } } } }),
    );
  });
  after(async () => {
    await leeward.run('local', 'down', '--wipe');
    await rm(folder, { recursive: true, force: true });
  });

  /** What the cloud goes by now. */
  async function recorded() {
    const { documents } = openStorage(readSettings(settings));
    const { heartbeat } = (await documents.need(heartbeatKind, names.heartbeat(parseSite(SITE)))).value;
    return {
      site: heartbeat.offlineUntilMs,
      group: heartbeat.groups?.find(({ group }) => group === GROUP)?.offlineUntilMs,
    };
  }

  /** Marks it, and says until when. */
  async function offline(what: 'site' | 'group', name: string): Promise<number> {
    const { code, stdout, stderr } = await leeward.run('--json', what, 'offline', name, '--until', '4h');
    assert.equal(code, 0, stderr);
    return Date.parse(toldSchema.parse(JSON.parse(stdout)).until);
  }

  async function online(what: 'site' | 'group', name: string): Promise<void> {
    const { code, stderr } = await leeward.run(what, 'online', name);
    assert.equal(code, 0, stderr);
  }

  test('is told by the command itself where no agent runs, and no other command takes it back', async () => {
    const siteMs = await offline('site', SITE);
    assert.deepEqual(await recorded(), { site: siteMs, group: undefined });
    const groupMs = await offline('group', GROUP);
    assert.deepEqual(await recorded(), { site: siteMs, group: groupMs });
    assert.equal((await leeward.run('heartbeat')).code, 0);
    assert.equal((await leeward.run('replicate')).code, 0);
    assert.deepEqual(await recorded(), { site: siteMs, group: groupMs });
    await online('site', SITE);
    assert.deepEqual(await recorded(), { site: undefined, group: groupMs });
    await online('group', GROUP);
    assert.deepEqual(await recorded(), { site: undefined, group: undefined });
  });

  test('is told by the agent where it runs, at once; and what it was not asked to tell, before it ends', async (t) => {
    const agent = leeward.start('agent');
    t.after(() => {
      agent.signal('SIGKILL');
    });
    await agent.said(/deltas? .*acknowledged|no change/);
    const siteMs = await offline('site', SITE);
    assert.equal((await recorded()).site, siteMs);
    await online('site', SITE);
    assert.equal((await recorded()).site, undefined);
    const groupMs = await offline('group', GROUP);
    assert.equal((await recorded()).group, groupMs);
    const untilWallMs = Date.now() + 3_600_000;
    await setMark(marksOf(siteFolder()), { what: 'site', name: SITE, untilWallMs }, Date.now());
    agent.signal('SIGTERM');
    assert.equal((await agent.ended).code, 0);
    assert.deepEqual(await recorded(), { site: untilWallMs, group: groupMs });
  });

  test('is told by a replication that goes on, where that has the folder', async (t) => {
    const loop = leeward.start('replicate', '--every', '600');
    t.after(() => {
      loop.signal('SIGKILL');
    });
    await loop.said(/acknowledged|no change/);
    await online('site', SITE);
    assert.equal((await recorded()).site, undefined);
    loop.signal('SIGTERM');
    assert.equal((await loop.ended).code, 0);
  });

  test('where the cloud cannot be told, the command says what may follow, and fails; the mark stays', async () => {
    const path = join(siteFolder(), 'access.json');
    const access = await readFile(path, 'utf8');
    await writeFile(path, access.replace(/"functionsUrl":\s*"[^"]*"/, '"functionsUrl":"http://127.0.0.1:9"'));
    const { code, stdout, stderr } = await leeward.run('--json', 'site', 'offline', SITE, '--until', '4h');
    assert.deepEqual([code, stdout], [5, '']);
    assert.match(stderr, /the cloud does not know that: a failover may follow/);
    assert.ok((await readdir(join(siteFolder(), 'offline'))).includes('site.json'));
    await writeFile(path, access);
    const until = await offline('site', SITE);
    assert.equal((await recorded()).site, until);
  });
});
