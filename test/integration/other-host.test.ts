/**
 * The deployable package in a host that the local stack did not start: a process of its own, with nothing but the settings
 * of local.settings.json as its environment. It stands for Azure's own host, which cannot be had here: nothing in the
 * functions may know which host runs them, and nothing in the stack may need its own.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { z } from 'zod';
import { packageApp } from '../../scripts/package.ts';
import { readSettings, settingsSchema } from '../../src/app/settings.ts';
import { openStorage } from '../../src/app/storage.ts';
import { currentGeneration, volumeKind } from '../../src/documents/volume.ts';
import { parseVolume } from '../../src/kernel/ids.ts';
import { documents as names } from '../../src/kernel/names.ts';
import { MIB } from '../../src/kernel/units.ts';
import { downStack } from '../../src/local/stack/stack.ts';
import { spawnHost } from '../local/host/host-process.ts';
import type { HostProcess } from '../local/host/host-process.ts';
import { assertSameBytes } from '../support/bytes.ts';
import { Leeward, assertRefused } from '../support/command.ts';
import { assertNoCredential } from '../support/credentials.ts';

const VOLUME = 'acme/paris/shop/data';

const localSettings = z.strictObject({ IsEncrypted: z.literal(false), Values: z.record(z.string(), z.string()) });

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  assert.ok(typeof address === 'object' && address);
  return address.port;
}

describe('a host that is not the stack’s', () => {
  let folder = '';
  let app = '';
  let url = '';
  let leeward: Leeward;
  let host: HostProcess | undefined;
  let settings: Record<string, string>;
  const image = randomBytes(MIB);

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'leeward-other-host-'));
    app = join(folder, 'dist', 'app');
    url = `http://127.0.0.1:${await freePort()}`;
    leeward = new Leeward(folder);
    await writeFile(join(folder, 'disk.img'), image);
    await packageApp(app);
  });

  after(async () => {
    await host?.dispose();
    await downStack(join(folder, '.leeward/local'));
    await rm(folder, { recursive: true, force: true });
  });

  test('local up --without-host writes the settings for it, twice, for their owner alone', async () => {
    const facts = await leeward.json(['local', 'up', '--without-host', '--functions', `${url}/`]);
    assert.partialDeepStrictEqual(facts, { functionsUrl: url, settingsFile: join(folder, 'local.settings.json') });
    assert.partialDeepStrictEqual(await leeward.json(['local', 'status']), {
      parts: [
        { part: 'azurite', state: 'running' },
        { part: 'arm', state: 'running' },
      ],
    });
    const texts: string[] = [];
    for (const file of [join(folder, 'local.settings.json'), join(app, 'local.settings.json')]) {
      assert.equal((await stat(file)).mode & 0o777, 0o600);
      texts.push(await readFile(file, 'utf8'));
    }
    assert.equal(texts[0], texts[1]);
    settings = localSettings.parse(JSON.parse(texts[0] ?? '')).Values;
    assert.equal(settings['LEEWARD_PUBLIC_URL'], url);
    // Plain environment variables, each of them one that docs/settings.md or Azure's host describes.
    const known = ['FUNCTIONS_WORKER_RUNTIME', 'AzureWebJobsStorage', ...Object.keys(settingsSchema.shape)];
    assert.deepEqual(
      Object.keys(settings).filter((name) => !known.includes(name)),
      [],
    );
  });

  test('before it runs, the site is told that the functions do not answer', async () => {
    await leeward.json(['volume', 'add', VOLUME, '--source', 'disk.img']);
    assertRefused(await leeward.run('heartbeat'), 5, /heartbeat: no answer from 127\.0\.0\.1:\d+ \(ECONNREFUSED\)/);
  });

  test('heartbeat, replicate and status work against it', async () => {
    host = await spawnHost(app, settings, ['--port', new URL(url).port]);
    assert.equal(await host.ready(), url);
    assert.partialDeepStrictEqual(await leeward.json(['heartbeat']), { volumes: [{ volume: VOLUME, queue: 'bulk' }] });
    const ran = await leeward.run('--json', 'replicate', '--wait', '60');
    assert.equal(ran.code, 0, ran.stderr);
    assert.partialDeepStrictEqual(JSON.parse(ran.stdout), [{ volume: VOLUME, acknowledgedNumber: 1 }]);
    assert.partialDeepStrictEqual(await leeward.json(['status']), {
      groups: [{ volumes: [{ volume: VOLUME, tipNumber: 1 }] }],
    });
    assert.equal((await fetch(`${url}/api/status/acme/paris`)).status, 401);
    await host.line(/\[ingest-bulk \S+\] acme\/paris\/shop\/data: delta 1 applied/);

    const storage = openStorage(readSettings(settings));
    const { value } = await storage.documents.need(volumeKind, names.volume(parseVolume(VOLUME)));
    const { replica, applied } = currentGeneration(value);
    assert.equal(applied.number, 1);
    assertSameBytes(await storage.replicas.read(replica, { offset: 0, lengthBytes: MIB }), image, 'replica');
  });

  test('its timers run, and it ends when it is told to', async () => {
    assert.ok(host);
    for (const name of ['sweep', 'monitor']) await host.line(new RegExp(`\\[${name} \\S+\\] succeeded after`));
    host.signal('SIGTERM');
    assert.equal(await host.ended(), 0);
  });

  test('neither it nor the command said a credential', async () => {
    const account = /AccountKey=([^;]+)/.exec(settings['LEEWARD_STORAGE'] ?? '')?.[1] ?? '';
    const secrets = [account, settings['LEEWARD_KEY_SECRET'] ?? ''];
    assertNoCredential(leeward.said, 'the command', secrets);
    assertNoCredential((host?.lines ?? []).join('\n'), "the host's log", secrets);
  });
});
