/** The local stack as real processes: up, found again, damaged, down. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { BlobSASPermissions, BlobServiceClient } from '@azure/storage-blob';
import { QueueServiceClient } from '@azure/storage-queue';
import { z } from 'zod';
import { isLeewardError } from '../../../src/kernel/errors.ts';
import { CONTAINERS, QUEUES } from '../../../src/kernel/names.ts';
import { isRunning, markOf } from '../../../src/system/processes.ts';
import {
  countRequests,
  downStack,
  readFunctionKeys,
  readStorageConnection,
  startPart,
  statusOfStack,
  stopPart,
  upStack,
} from '../../../src/local/stack/stack.ts';
import type { StackFacts, UpOptions } from '../../../src/local/stack/stack.ts';
import { APP, APP_SETTINGS, fixture, makeRoom, pidsOf, statesOf } from './stacks.ts';

type Room = Awaited<ReturnType<typeof makeRoom>>;

const stackFile = z.looseObject({
  accountKey: z.string(),
  keySecret: z.string(),
  parts: z.record(z.string(), z.any()),
});

async function readStackFile(stateDir: string) {
  return stackFile.parse(JSON.parse(await readFile(join(stateDir, 'stack.json'), 'utf8')));
}

async function valuesOf(settingsFile: string): Promise<Record<string, string>> {
  const schema = z.object({ IsEncrypted: z.literal(false), Values: z.record(z.string(), z.string()) });
  return schema.parse(JSON.parse(await readFile(settingsFile, 'utf8'))).Values;
}

async function modeOf(file: string): Promise<number> {
  return (await stat(file)).mode & 0o777;
}

async function hostStatus(facts: StackFacts): Promise<number> {
  const { master } = await readFunctionKeys(facts);
  return (await fetch(`${facts.functionsUrl}/admin/host/status`, { headers: { 'x-functions-key': master } })).status;
}

describe('a whole stack', () => {
  let room: Room;
  let facts: StackFacts;

  before(async () => {
    room = await makeRoom();
    facts = await upStack(room.options);
  });

  after(() => room.remove());

  test('the storage has what infra/ makes in Azure', async () => {
    const connection = await readStorageConnection(facts);
    const containers = new Set<string>();
    for await (const { name } of BlobServiceClient.fromConnectionString(connection).listContainers()) {
      containers.add(name);
    }
    const queues = new Set<string>();
    for await (const { name } of QueueServiceClient.fromConnectionString(connection).listQueues()) queues.add(name);
    for (const name of Object.values(CONTAINERS)) assert.ok(containers.has(name), name);
    for (const name of Object.values(QUEUES)) assert.ok(queues.has(name), name);
  });

  test('the ARM answers for what a plan names, and so does the host', async () => {
    for (const id of [facts.subnetId, facts.imageId]) {
      const answer = await fetch(`${facts.armUrl}${id}?api-version=2024-07-01`);
      assert.equal(answer.status, 200, id);
    }
    assert.equal(await hostStatus(facts), 200);
  });

  test('the settings are the example with every place filled in', async () => {
    const values = await valuesOf(facts.settingsFile);
    const example = await valuesOf(join(import.meta.dirname, '..', '..', '..', 'local.settings.example.json'));
    for (const name of Object.keys(example)) assert.notEqual(values[name] ?? '', '', name);
    assert.equal(values['LEEWARD_PUBLIC_URL'], facts.functionsUrl);
    assert.equal(values['LEEWARD_ARM_ENDPOINT'], facts.armUrl);
    assert.equal(values['ECHO_QUEUE'], APP_SETTINGS.ECHO_QUEUE);
    assert.equal(Buffer.from(values['LEEWARD_KEY_SECRET'] ?? '', 'base64').length, 32);
  });

  test('what holds a secret is its owner’s alone', async () => {
    const secret = [facts.settingsFile, facts.connectionStringFile, join(facts.stateDir, 'stack.json')];
    for (const file of secret) assert.equal(await modeOf(file), 0o600, file);
    for (const log of await readdir(facts.logFolder))
      assert.equal(await modeOf(join(facts.logFolder, log)), 0o600, log);
  });

  test('a running stack is found again', async () => {
    const pids = await pidsOf(facts.stateDir);
    assert.deepEqual(await upStack(room.options), facts);
    assert.deepEqual(await pidsOf(facts.stateDir), pids);
    assert.deepEqual(await statesOf(facts.stateDir), ['azurite running', 'arm running', 'host running']);
  });

  test('a host that died is told, and it alone is started again', async () => {
    const { host: dead, ...others } = await pidsOf(facts.stateDir);
    assert.ok(dead !== undefined);
    const mark = markOf(dead);
    assert.ok(mark);
    process.kill(dead, 'SIGKILL');
    while (isRunning(mark)) await new Promise((resolve) => setTimeout(resolve, 10));
    assert.deepEqual(await statesOf(facts.stateDir), ['azurite running', 'arm running', 'host died']);
    assert.deepEqual(await upStack(room.options), facts);
    const { host, ...same } = await pidsOf(facts.stateDir);
    assert.deepEqual(same, others);
    assert.notEqual(host, dead);
    assert.equal(await hostStatus(facts), 200);
  });

  test('a part can be killed and started by itself, on its port', async () => {
    const { host: first } = await pidsOf(facts.stateDir);
    assert.equal(await stopPart(facts.stateDir, 'host', 'SIGKILL'), 'stopped');
    assert.deepEqual(await statesOf(facts.stateDir), ['azurite running', 'arm running', 'host stopped']);
    await assert.rejects(fetch(facts.functionsUrl));
    await startPart(facts.stateDir, 'host');
    assert.equal(await hostStatus(facts), 200);
    assert.notEqual((await pidsOf(facts.stateDir)).host, first);
  });

  test('a port that somebody takes between its choice and its use is given up for another', async () => {
    const taker = createServer();
    const takes: string[] = [];
    const options: UpOptions = {
      ...room.options,
      stateDir: join(room.folder, 'two'),
      // Asked for once the storage is up, and before the host is.
      settings: ({ functionsUrl }) => {
        if (takes.length === 0) taker.listen(Number(new URL(functionsUrl).port), '127.0.0.1');
        takes.push(functionsUrl);
        return APP_SETTINGS;
      },
    };
    try {
      const up = await upStack(options);
      assert.equal(await hostStatus(up), 200);
      assert.deepEqual([takes.length, takes[0] === takes[1], takes[1]], [2, false, up.functionsUrl]);
    } finally {
      taker.close();
      await downStack(options.stateDir, { wipe: true });
    }
  });

  test('other settings reach a running host', async () => {
    const { host: first, azurite } = await pidsOf(facts.stateDir);
    await upStack({ ...room.options, settings: () => ({ ...APP_SETTINGS, LEEWARD_CLAIM_MS: '1000' }) });
    const second = await pidsOf(facts.stateDir);
    assert.notEqual(second.host, first);
    assert.equal(second.azurite, azurite);
  });

  test('requests are counted, and no signature or key is in any log', async () => {
    const connection = await readStorageConnection(facts);
    const container = BlobServiceClient.fromConnectionString(connection).getContainerClient(CONTAINERS.replicas);
    const blob = container.getPageBlobClient('t/s/g/v/00000001.vhd');
    const sinceMs = Date.now();
    await blob.create(1024);
    await blob.uploadPages(Buffer.alloc(512, 1), 0, 512);
    await blob.clearPages(512, 512);
    const url = await blob.generateSasUrl({
      permissions: BlobSASPermissions.parse('r'),
      expiresOn: new Date(sinceMs + 3600_000),
    });
    const signature = new URL(url).searchParams.get('sig') ?? '';
    assert.equal((await fetch(url)).status, 200);
    // The log is written behind the answers.
    let counts = await countRequests(facts.stateDir, { sinceMs });
    for (let look = 0; look < 200 && !counts.has('get blob'); look++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      counts = await countRequests(facts.stateDir, { sinceMs });
    }
    assert.equal(counts.get('put page'), 2);
    assert.ok(counts.has('get blob'));
    assert.deepEqual(await countRequests(facts.stateDir, { untilMs: 0 }), new Map());

    const { accountKey, keySecret } = await readStackFile(facts.stateDir);
    const { master, functions } = await readFunctionKeys(facts);
    for (const log of await readdir(facts.logFolder)) {
      const text = await readFile(join(facts.logFolder, log), 'utf8');
      for (const secret of [signature, encodeURIComponent(signature), accountKey, keySecret, master, functions]) {
        assert.ok(!text.includes(secret), log);
      }
      assert.doesNotMatch(text, /sig=/i);
    }
    assert.ok(!JSON.stringify(await statusOfStack(facts.stateDir)).includes(accountKey));
  });

  test('two commands at once do not meet', async () => {
    const outcomes = await Promise.allSettled([upStack(room.options), upStack(room.options)]);
    const refused = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []));
    assert.equal(refused.length, 1);
    assert.ok(isLeewardError(refused[0], 'CONFLICT'));
  });

  test('down ends every process; up again has the same data, keys and addresses', async () => {
    const connection = await readStorageConnection(facts);
    const state = BlobServiceClient.fromConnectionString(connection).getContainerClient(CONTAINERS.state);
    await state.getBlockBlobClient('kept').upload('kept', 4);
    const keys = await readFunctionKeys(facts);
    const marks = Object.values(await pidsOf(facts.stateDir)).map((pid) => markOf(pid));
    assert.deepEqual(await downStack(facts.stateDir), { host: 'stopped', arm: 'stopped', azurite: 'stopped' });
    assert.equal(marks.length, 3);
    for (const mark of marks) assert.ok(mark && !isRunning(mark));
    assert.deepEqual(await statesOf(facts.stateDir), ['azurite stopped', 'arm stopped', 'host stopped']);
    await downStack(facts.stateDir);

    assert.deepEqual(await upStack(room.options), facts);
    assert.equal(String(await state.getBlockBlobClient('kept').downloadToBuffer()), 'kept');
    assert.deepEqual(await readFunctionKeys(facts), keys);
  });

  test('a wipe leaves nothing', async () => {
    await downStack(facts.stateDir, { wipe: true });
    assert.equal(existsSync(facts.stateDir), false);
    assert.equal(await statusOfStack(facts.stateDir), undefined);
    assert.deepEqual(await downStack(facts.stateDir), {});
  });
});

describe('stacks for another host', () => {
  let room: Room;

  before(async () => {
    room = await makeRoom();
  });

  after(() => room.remove());

  test('two stand side by side, outlive their commands, and write the settings where Core Tools look', async () => {
    const [project, stack] = [
      join(room.folder, 'project'),
      new URL('../../../src/local/stack/stack.ts', import.meta.url),
    ];
    await mkdir(join(project, 'dist', 'app'), { recursive: true });
    const options = { ...room.options, settings: undefined, withoutHost: { projectFolder: project } };
    const script = `const { upStack } = await import(${JSON.stringify(stack.href)});
      await upStack(${JSON.stringify(options)});`;
    // Resolves once the command has ended, and with it every pipe that a child could hold.
    await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
    const functionsUrl = 'http://127.0.0.1:7999';
    const second = await upStack({
      ...room.options,
      stateDir: join(room.folder, 'two'),
      withoutHost: { projectFolder: room.folder, functionsUrl },
    });

    const status = await statusOfStack(room.options.stateDir);
    assert.ok(status);
    const first = status.facts;
    assert.deepEqual(await statesOf(first.stateDir), ['azurite running', 'arm running']);
    assert.deepEqual(await statesOf(second.stateDir), ['azurite running', 'arm running']);
    for (const facts of [first, second]) assert.ok((await fetch(`${facts.blobEndpoint}?comp=list`)).status >= 400);
    assert.equal(new Set([first.blobEndpoint, first.queueEndpoint, second.blobEndpoint, second.queueEndpoint]).size, 4);
    assert.notEqual(await readStorageConnection(first), await readStorageConnection(second));

    for (const file of [join(project, 'local.settings.json'), join(project, 'dist', 'app', 'local.settings.json')]) {
      assert.equal(await modeOf(file), 0o600);
      const values = await valuesOf(file);
      assert.equal(values['LEEWARD_PUBLIC_URL'], 'http://127.0.0.1:7071');
      assert.equal(values['AzureWebJobsStorage'], await readStorageConnection(first));
    }
    assert.equal((await valuesOf(second.settingsFile))['LEEWARD_PUBLIC_URL'], functionsUrl);
    assert.equal(second.functionsUrl, functionsUrl);
    await assert.rejects(readFunctionKeys(second), (error) => isLeewardError(error, 'REFUSED'));
    await assert.rejects(startPart(second.stateDir, 'host'), (error) => isLeewardError(error, 'REFUSED'));
  });

  test('a port that somebody took meanwhile is replaced, the others stay', async () => {
    const { stateDir } = room.options;
    const options = { ...room.options, withoutHost: { projectFolder: room.folder } };
    const facts = await upStack(options);
    await downStack(stateDir);
    const squatter = createServer().listen(Number(new URL(facts.armUrl).port), '127.0.0.1');
    await once(squatter, 'listening');
    try {
      const again = await upStack(options);
      assert.notEqual(again.armUrl, facts.armUrl);
      assert.equal(again.blobEndpoint, facts.blobEndpoint);
      assert.equal((await fetch(`${again.armUrl}${again.subnetId}?api-version=2024-07-01`)).status, 200);
    } finally {
      squatter.close();
    }
  });
});

describe('what goes wrong', () => {
  let room: Room;

  before(async () => {
    room = await makeRoom();
  });

  after(() => room.remove());

  test('a host that does not come up is told with its log and last words, and mended by the next up', async () => {
    await assert.rejects(upStack({ ...room.options, appDir: fixture('throws') }), (error) => {
      assert.ok(isLeewardError(error, 'PLATFORM_FAILED'));
      assert.match(error.message, /host ended before it was ready; its log \S+host\.log ends with: \S+/);
      assert.doesNotMatch(error.message, /\n/);
      return true;
    });
    assert.deepEqual(await statesOf(room.options.stateDir), ['azurite running', 'arm running', 'host died']);
    const facts = await upStack(room.options);
    assert.equal(await hostStatus(facts), 200);
  });

  test('a process that got the id of a dead part is left alone', async () => {
    const { stateDir } = room.options;
    await downStack(stateDir);
    const stranger = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
    try {
      const file = await readStackFile(stateDir);
      file.parts['host'] = { pid: stranger.pid, started: 'before', logFrom: 0, startedWith: '' };
      await writeFile(join(stateDir, 'stack.json'), JSON.stringify(file));
      assert.deepEqual(await statesOf(stateDir), ['azurite stopped', 'arm stopped', 'host died']);
      assert.equal((await downStack(stateDir)).host, 'was not running');
      assert.ok(stranger.pid !== undefined && markOf(stranger.pid));
    } finally {
      stranger.kill('SIGKILL');
    }
  });

  test('the lock of a command that died is taken over', async () => {
    const { stateDir } = room.options;
    await writeFile(join(stateDir, 'lock'), JSON.stringify({ pid: process.pid, started: 'before' }));
    await downStack(stateDir);
    assert.equal(existsSync(join(stateDir, 'lock')), false);
  });

  test('a part of no stack', async () => {
    await assert.rejects(startPart(join(room.folder, 'two'), 'arm'), (error) => isLeewardError(error, 'NOT_FOUND'));
  });

  test('a damaged document is named', async () => {
    const { stateDir } = room.options;
    await writeFile(join(stateDir, 'stack.json'), '{"version": 1}');
    await assert.rejects(statusOfStack(stateDir), /stack\.json: accountKey/);
    await writeFile(join(stateDir, 'stack.json'), '{');
    await assert.rejects(upStack(room.options), (error) => isLeewardError(error, 'DOCUMENT_INVALID'));
    // Nothing runs by now: the room can be removed as it is.
    await writeFile(join(stateDir, 'stack.json'), JSON.stringify({ version: 2 }));
    await assert.rejects(statusOfStack(stateDir), (error) => isLeewardError(error, 'DOCUMENT_INVALID'));
    await rm(stateDir, { recursive: true });
  });

  test('an app that is none', async () => {
    await assert.rejects(upStack({ ...room.options, appDir: join(APP, 'missing') }), /host ended before it was ready/);
  });
});
