/**
 * The command from `local up` to `local down --wipe`, over one real stack: what it prints, what it sends, and what it does
 * when the volumes or the cloud are not as it left them.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { readSettings } from '../../src/app/settings.ts';
import { openStorage } from '../../src/app/storage.ts';
import type { Storage } from '../../src/app/storage.ts';
import { currentGeneration, volumeKind } from '../../src/documents/volume.ts';
import type { Generation } from '../../src/documents/volume.ts';
import { parseVolume } from '../../src/kernel/ids.ts';
import { documents as names, journalPrefix } from '../../src/kernel/names.ts';
import { KIB, MIB } from '../../src/kernel/units.ts';
import { countRequests, downStack } from '../../src/local/stack/stack.ts';
import { replicaBlobBytes } from '../../src/vhd/footer.ts';
import { assertSameBytes } from '../support/bytes.ts';
import { assertNoCredential } from '../support/credentials.ts';
import { Leeward, assertRefused } from '../support/command.ts';

const SITE = 'acme/paris';
const GROUP = `${SITE}/shop`;
const DATA = `${GROUP}/data`;
const FILES = `${SITE}/web/files`;

const factsSchema = z.looseObject({ settingsFile: z.string(), stateDir: z.string(), logFolder: z.string() });
const settingsSchema = z.looseObject({ Values: z.record(z.string(), z.string()) });
const replicatedSchema = z.array(
  z.looseObject({ volume: z.string(), storedNumber: z.int(), acknowledgedNumber: z.int(), sentBytes: z.int() }),
);
const orderedSchema = z.strictObject({ group: z.string(), ordered: z.literal(true), by: z.string(), run: z.string() });
const runsSchema = z.array(
  z.looseObject({ run: z.string(), state: z.string(), actor: z.looseObject({}), steps: z.array(z.looseObject({})) }),
);
const accessSchema = z.looseObject({ key: z.looseObject({ secret: z.string() }) });

describe('a session', () => {
  let folder = '';
  let leeward: Leeward;
  let facts: z.infer<typeof factsSchema>;
  let settings: Record<string, string>;
  let storage: Storage;
  const secrets: string[] = [];
  const file = (name: string): string => join(folder, name);
  const accessFile = (): string => file('.leeward/sites/acme/paris/access.json');

  async function generation(volume: string): Promise<Generation> {
    return currentGeneration((await storage.documents.need(volumeKind, names.volume(parseVolume(volume)))).value);
  }

  async function entriesOf(volume: string): Promise<string[]> {
    const { journal, generation: number } = await generation(volume);
    const prefix = journalPrefix(parseVolume(volume), number);
    const found: string[] = [];
    for await (const { name } of storage.entries.list(journal, prefix)) found.push(name);
    return found;
  }

  /** Everything of a volume that sending anything would change. */
  async function traces(volume: string): Promise<unknown> {
    const { etag } = await storage.documents.need(volumeKind, names.volume(parseVolume(volume)));
    return {
      etag,
      entries: await entriesOf(volume),
      replica: await storage.replicas.properties((await generation(volume)).replica),
    };
  }

  /** Acknowledged is what is durable; it is applied a moment later. */
  async function untilApplied(volume: string, number: number): Promise<void> {
    for (let look = 0; look < 300; look += 1) {
      const { applied, claim } = await generation(volume);
      if (applied.number === number && claim === null) return;
      await sleep(100);
    }
    assert.fail(`delta ${number} of ${volume} was not applied`);
  }

  async function messagesSince(sinceMs: number): Promise<number> {
    // The log is written some milliseconds behind the answers.
    await sleep(100);
    return (await countRequests(facts.stateDir, { sinceMs })).get('put message') ?? 0;
  }

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'leeward-session-'));
    leeward = new Leeward(folder);
    await writeFile(file('data.img'), randomBytes(200 * KIB + 100));
    await writeFile(file('files.img'), randomBytes(MIB));
  });

  after(async () => {
    await downStack(file('.leeward/local'), { wipe: true });
    await rm(folder, { recursive: true, force: true });
  });

  test('local up says where everything is, and as JSON', async () => {
    facts = factsSchema.parse(await leeward.json(['local', 'up']));
    settings = settingsSchema.parse(JSON.parse(await readFile(facts.settingsFile, 'utf8'))).Values;
    storage = openStorage(readSettings(settings));
    const account = /AccountKey=([^;]+)/.exec(settings['LEEWARD_STORAGE'] ?? '')?.[1];
    secrets.push(account ?? '', settings['LEEWARD_KEY_SECRET'] ?? '');
    const { code, stdout, stderr } = await leeward.run('local', 'status');
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
    for (const part of ['azurite', 'arm', 'host']) assert.match(stdout, new RegExp(`^${part} +running `, 'm'));
  });

  test('volume add registers, and may be repeated', async () => {
    const add = ['volume', 'add', DATA, '--source', 'data.img', '--lease', '6', '--stop', '1', '--window', '10'];
    const volumeBytes = 200 * KIB + 512;
    const told = { volume: DATA, volumeBytes, isNew: true, mode: 'report' };
    assert.deepEqual(await leeward.json(add), told);
    assert.deepEqual(await leeward.json(add), { ...told, isNew: false });
    assert.match(
      (await leeward.run('volume', 'add', FILES, '--source', 'files.img')).stdout,
      /next: leeward replicate/,
    );
    const elsewhere = ['volume', 'add', FILES, '--source', file('files.img'), '--bytes', '5000'];
    assert.partialDeepStrictEqual(await leeward.json(elsewhere), { volumeBytes: 5120, isNew: false });
    assert.match((await leeward.run(...elsewhere)).stdout, /next: \S*access\.json, a secret, goes to where/);
  });

  test('plan set gives consents, leaves them where nothing is said of them, and takes them back', async () => {
    const group = DATA.split('/').slice(0, 3).join('/');
    const consents = ['applications stop when their lease runs out'];
    const set = async (...args: string[]) => leeward.json(['plan', 'set', group, ...args]);
    assert.partialDeepStrictEqual(await set('--consent', ...consents), { consents });
    assert.partialDeepStrictEqual(await set('--answer', '60'), { consents });
    const { consents: left } = z.object({ consents: z.array(z.string()) }).parse(await set('--no-consent'));
    assert.deepEqual(left, []);
  });

  test("the site's access is its owner's alone, and its key is refused where others may read it", async () => {
    secrets.push(accessSchema.parse(JSON.parse(await readFile(accessFile(), 'utf8'))).key.secret);
    assert.equal((await stat(accessFile())).mode & 0o777, 0o600);
    await chmod(accessFile(), 0o640);
    for (const command of ['replicate', 'heartbeat']) {
      assertRefused(await leeward.run(command), 2, /access\.json holds a secret and others may read it: chmod 600/);
    }
    await chmod(accessFile(), 0o600);
  });

  test('an access file that is damaged is told without its content', async () => {
    const text = await readFile(accessFile(), 'utf8');
    for (const [damaged, form] of [
      [text.slice(0, -20), /access file is not JSON/],
      [text.replace('"secret": "', '"secret": "AA'), /access file: key\.secret: /],
    ] as const) {
      await writeFile(accessFile(), damaged);
      assertRefused(await leeward.run('heartbeat'), 1, form);
    }
    await writeFile(accessFile(), text);
  });

  test('replicate sends the first copies and waits until the cloud has them', async () => {
    const ran = await leeward.run('--json', 'replicate', '--wait', '60');
    assert.equal(ran.code, 0, ran.stderr);
    const told = replicatedSchema.parse(JSON.parse(ran.stdout));
    assert.partialDeepStrictEqual(told, [
      { volume: DATA, storedNumber: 1, acknowledgedNumber: 1, waitingBytes: 0 },
      { volume: FILES, storedNumber: 1, acknowledgedNumber: 1 },
    ]);
    assert.ok(told.every(({ sentBytes }) => sentBytes > 200 * KIB));
    assert.match(ran.stderr, /^acme\/paris\/shop\/data: deltas 1 acknowledged$/m);
    for (const volume of [DATA, FILES]) await untilApplied(volume, 1);
  });

  test('without a change, replicate sends nothing', async () => {
    const [before, sinceMs] = [[await traces(DATA), await traces(FILES)], Date.now()];
    for (const args of [['replicate'], ['replicate', FILES]]) {
      const told = replicatedSchema.parse(await leeward.json(args));
      for (const { sentBytes } of told) assert.equal(sentBytes, 0);
    }
    assert.equal(await messagesSince(sinceMs), 0);
    assert.deepEqual([await traces(DATA), await traces(FILES)], before);
  });

  test('status, volume list and heartbeat tell the same', async () => {
    assert.deepEqual(await leeward.json(['volume', 'list']), [
      { volume: DATA, volumeBytes: 200 * KIB + 512, tip: 1, applied: 1, points: 1, trouble: '' },
      { volume: FILES, volumeBytes: MIB, tip: 1, applied: 1, points: 1, trouble: '' },
    ]);
    assert.partialDeepStrictEqual(await leeward.json(['heartbeat']), {
      volumes: [
        { volume: DATA, acknowledged: { number: 1 }, appliedNumber: 1, writable: true, queue: 'deltas' },
        { volume: FILES, acknowledged: { number: 1 } },
      ],
      groups: [
        { group: GROUP, term: 1, phase: 'open', holder: 'site' },
        { group: `${SITE}/web`, term: 1 },
      ],
    });
    assert.partialDeepStrictEqual(await leeward.json(['status']), {
      site: SITE,
      groups: [{ group: GROUP, run: null, volumes: [{ volume: DATA, tipNumber: 1, appliedNumber: 1, points: 1 }] }, {}],
    });
    assertRefused(await leeward.run('status', '--site', 'acme/rome'), 3, /nothing is known of a site acme\/rome/);
    const people = await Promise.all(['status', 'heartbeat'].map((command) => leeward.run(command)));
    for (const { code, stdout, stderr } of people) {
      assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
      assert.match(stdout, /^acme\/paris\/shop\/data +1 +1 +1/m);
    }
  });

  test('rules of a site are added behind each other, listed, and taken away', async () => {
    const rules = [{ match: 'web-*/*', group: 'shop' }];
    assert.deepEqual(await leeward.json(['site', 'rules', SITE]), []);
    assert.deepEqual(await leeward.json(['site', 'admit', GROUP, 'web-*/*']), rules);
    const both = [...rules, { match: '*', group: 'web' }];
    assert.deepEqual(await leeward.json(['site', 'admit', `${SITE}/web`, '*']), both);
    assert.match((await leeward.run('site', 'rules', SITE)).stdout, /^web-\*\/\* +shop\n\* +web$/m);
    assertRefused(await leeward.run('site', 'admit', `${SITE}/none`, '*'), 3, /there is no group/);
    assertRefused(await leeward.run('site', 'admit', GROUP, 'two words'), 2, /rule: match/);
    assert.deepEqual(await leeward.json(['site', 'admit', `${SITE}/web`, '*', '--remove']), rules);
  });

  test('the same from elsewhere, by the settings in the environment', async () => {
    const operator = leeward.with(settings);
    assert.partialDeepStrictEqual(await operator.json(['--state', 'elsewhere', 'volume', 'list']), [{ tip: 1 }, {}]);
    const add = ['--state', 'elsewhere', 'volume', 'add', DATA, '--source', 'data.img'];
    assertRefused(await operator.run(...add), 2, /say where to recover: --image, --subnet and --location/);
  });

  test('a volume that vanished or became a folder: told, not sent, and the others go on', async () => {
    const [before, sinceMs] = [await traces(DATA), Date.now()];
    const source = file('data.img');
    const refused = async (form: RegExp): Promise<void> => {
      const { code, stdout, stderr } = await leeward.run('replicate');
      assert.equal(code, 1, stderr);
      assert.match(stderr, form);
      assert.match(stderr, /^acme\/paris\/web\/files: no change$/m);
      assert.equal(stderr.trim().split('\n').length, 2, stderr);
      assert.match(stdout, /^acme\/paris\/shop\/data +1 +1 +0 B +0 B$/m);
    };
    await rename(source, file('aside.img'));
    await refused(/shop\/data: volume \S+data\.img cannot be opened for reading/);
    assert.equal((await leeward.run('heartbeat')).code, 0, 'the site lives');
    await mkdir(source);
    await refused(/shop\/data: volume \S+data\.img: neither a file nor a block device/);
    assert.equal(await messagesSince(sinceMs), 0);
    assert.deepEqual(await traces(DATA), before);
    await rm(source, { recursive: true });
  });

  test('replicate --every goes on with a volume that comes back larger, and ends well when it is told to', async () => {
    const running = leeward.start('--json', 'replicate', DATA, '--every', '0.5');
    await running.said(/data\.img cannot be opened for reading/);
    const restored = Buffer.concat([randomBytes(3 * MIB), Buffer.alloc(100)]);
    await writeFile(file('new.img'), restored);
    await rename(file('new.img'), file('data.img'));
    await running.said(/deltas 2 acknowledged/);
    running.signal('SIGTERM');
    const { code, stdout } = await running.ended;
    assert.equal(code, 0);
    assert.partialDeepStrictEqual(JSON.parse(stdout), [{ volume: DATA, acknowledgedNumber: 2 }]);
    await untilApplied(DATA, 2);
    assert.equal((await generation(DATA)).volumeBytes, 3 * MIB + 512);
  });

  test('inspect vhd of the replica: sound, cut short, and another size than its footer says', async () => {
    const { replica, volumeBytes } = await generation(DATA);
    const lengthBytes = replicaBlobBytes(volumeBytes);
    const bytes = await storage.replicas.read(replica, { offset: 0, lengthBytes });
    assertSameBytes(bytes.subarray(0, 3 * MIB + 100), await readFile(file('data.img')), 'replica');
    await writeFile(file('replica.vhd'), bytes);
    assert.partialDeepStrictEqual(await leeward.json(['inspect', 'vhd', 'replica.vhd']), { valid: true, problems: [] });
    const people = await leeward.run('inspect', 'vhd', 'replica.vhd');
    assert.deepEqual({ code: people.code, stderr: people.stderr }, { code: 0, stderr: '' });
    assert.match(people.stdout, /^replica\.vhd: valid\n/);

    for (const broken of [bytes.subarray(0, 100), bytes.subarray(0, -512), Buffer.concat([Buffer.alloc(MIB), bytes])]) {
      await writeFile(file('broken.vhd'), broken);
      const told = z.looseObject({ valid: z.literal(false), problems: z.array(z.string()).min(1) });
      told.parse(await leeward.json(['inspect', 'vhd', 'broken.vhd'], 1));
    }
  });

  test('inspect delta of a journal entry: sound, one bit flipped, cut short', async () => {
    const [entry = ''] = await entriesOf(DATA);
    const { journal } = await generation(DATA);
    const bytes = Buffer.from((await storage.entries.read({ ...journal, blob: entry }, 18 * MIB)) ?? []);
    await writeFile(file('sound.delta'), bytes);
    assert.partialDeepStrictEqual(await leeward.json(['inspect', 'delta', 'sound.delta']), {
      valid: true,
      problems: [],
      head: { volume: DATA, number: 1, term: 1 },
    });
    const flipped = Buffer.from(bytes);
    flipped[bytes.length - 10] = (flipped[bytes.length - 10] ?? 0) ^ 1;
    for (const [broken, form] of [
      [flipped, /CRC|checksum/i],
      [bytes.subarray(0, bytes.length / 2), /bytes/],
    ] as const) {
      await writeFile(file('broken.delta'), broken);
      const { code, stdout, stderr } = await leeward.run('inspect', 'delta', 'broken.delta');
      assert.deepEqual({ code, stderr }, { code: 1, stderr: '' });
      assert.match(stdout, /^broken\.delta: not valid\n/);
      assert.match(stdout, form);
    }
  });

  test('failover start orders a run, failover status follows it to its end', async () => {
    assertRefused(await leeward.run('failover', 'start', `${SITE}/none`), 3, /there is no group/);
    assertRefused(await leeward.run('failover', 'status', `${SITE}/none`), 3, /there is no group/);
    assert.deepEqual(await leeward.json(['failover', 'status', GROUP]), []);
    const start = ['failover', 'start', GROUP, '--as', 'alice', '--reason', 'a test'];
    const { by, run } = orderedSchema.parse(await leeward.json(start));
    assert.equal(by, 'operator/alice');
    // Closed, so that nothing is sent in the term any more.
    const runs = await untilRun(run, ({ steps }) => steps.some(({ step }) => step === 'wait'));
    assert.partialDeepStrictEqual(runs, { actor: { kind: 'key', signer: 'operator/alice' }, reason: 'a test' });
    assertRefused(await leeward.run(...start), 4, new RegExp(`run ${run} moves it already`));
    const add = ['volume', 'add', `${GROUP}/more`, '--source', 'files.img'];
    assertRefused(await leeward.run(...add), 4, /is being moved or runs in the cloud/);

    assert.partialDeepStrictEqual(await untilRun(run, ({ state }) => state !== 'running'), { state: 'done' });
    const { code, stdout } = await leeward.run('failover', 'status', GROUP);
    assert.equal(code, 0);
    assert.match(stdout, new RegExp(`^run ${run} of ${GROUP}: done, ordered by operator/alice, key k1: a test\n`));
    for (const step of ['reserve', 'close', 'wait', 'end', 'drain', 'point', 'disk', 'machine', 'health']) {
      assert.match(stdout, new RegExp(`^${step} `, 'm'));
    }
    assert.partialDeepStrictEqual(await leeward.json(['status']), { groups: [{ runs: [{ run, state: 'done' }] }, {}] });
  });

  async function untilRun(run: string, fits: (run: z.infer<typeof runsSchema>[number]) => boolean) {
    for (let look = 0; look < 60; look += 1) {
      const runs = runsSchema.parse(await leeward.json(['failover', 'status', GROUP]));
      const found = runs.find((other) => other.run === run);
      if (found && fits(found)) return found;
      await sleep(1000);
    }
    assert.fail(`run ${run} did not come so far`);
  }

  test('the site that was failed over is on standby: told, kept, not sent', async () => {
    const sinceMs = Date.now();
    await writeFile(file('data.img'), randomBytes(200 * KIB + 100));
    const { code, stderr } = await leeward.run('replicate', DATA);
    assert.equal(code, 4, stderr);
    assert.match(stderr, /^acme\/paris\/shop\/data: term 1 has ended for this site: on standby$/m);
    assert.equal(await messagesSince(sinceMs), 0);
  });

  test('local down: what needs the cloud says that it cannot be reached', async () => {
    assert.deepEqual(await leeward.json(['local', 'down']), { host: 'stopped', arm: 'stopped', azurite: 'stopped' });
    const unreachable = [['volume', 'list'], ['status'], ['failover', 'status', GROUP], ['heartbeat']];
    for (const ran of await Promise.all(unreachable.map((args) => leeward.run(...args)))) {
      assertRefused(ran, 5, /ECONNREFUSED/);
    }
    const { code, stdout, stderr } = await leeward.run('--json', 'replicate', FILES, '--wait', '0.1');
    assert.equal(code, 0, 'nothing had changed, so nothing is missing');
    assert.match(stderr, /web\/files: no change/);
    assert.doesNotThrow(() => JSON.parse(stdout));
    await writeFile(file('files.img'), randomBytes(MIB));
    const changed = await leeward.run('--json', 'replicate', FILES, '--wait', '0.1');
    assert.equal(changed.code, 5, changed.stderr);
    assert.match(changed.stderr, /delta 2 was not acknowledged within 100 ms: heartbeat: no answer/);
    assert.partialDeepStrictEqual(JSON.parse(changed.stdout), [{ storedNumber: 2, acknowledgedNumber: 1 }]);
  });

  test('nothing that it said, and no log, holds a credential', async () => {
    assert.equal(secrets.length, 3);
    assertNoCredential(leeward.said, 'the command', secrets);
    for (const part of ['host', 'arm', 'azurite', 'requests']) {
      assertNoCredential(await readFile(join(facts.logFolder, `${part}.log`), 'utf8'), `${part}.log`, secrets);
    }
  });

  test('local down --wipe leaves the site, and nothing else', async () => {
    await leeward.json(['local', 'down', '--wipe']);
    assert.equal(await leeward.json(['local', 'status']), null);
    await assert.rejects(stat(file('.leeward/local')), { code: 'ENOENT' });
    assert.equal((await stat(accessFile())).isFile(), true);
  });
});
