/**
 * Agent, guard and application as processes of their own on the real stack: what dies is restarted through the guard, what
 * stays failed is decided about at the site, and people take an application offline while the agent is dead.
 */
import assert from 'node:assert/strict';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { z } from 'zod';
import { addGuard } from '../../src/app/registered-guards.ts';
import { heartbeatKind } from '../../src/documents/site.ts';
import { parseGroup } from '../../src/kernel/ids.ts';
import { documents as names } from '../../src/kernel/names.ts';
import type { GroupWord } from '../../src/protocol/heartbeat.ts';
import { newGuardAccess, serializeGuardAccess } from '../../src/site/guard/access.ts';
import { serializeSiteAccess, withVolume } from '../../src/site/send/access.ts';
import { makeFolder } from '../../src/system/durable-file.ts';
import { GuardFiles } from '../../src/system/guard/files.ts';
import { GuardSocket } from '../../src/system/guard/guard-socket.ts';
import { writePrivateFile } from '../../src/system/private-file.ts';
import { Leeward } from '../support/command.ts';
import type { Running } from '../support/command.ts';
import { endAll } from '../support/guard-folder.ts';
import { QUIET } from '../support/integration/doors.ts';
import { register } from '../support/integration/live-site.ts';
import { LiveStack, until as untilThere } from '../support/integration/live-stack.ts';

const GROUP = parseGroup('acme/berlin/erp');
const NODE = 'north';
/** Longer than anything here takes, on the slowest machine. */
const LIMIT_MS = 60_000;

const listedSchema = z.array(z.looseObject({ application: z.string(), state: z.string(), starts: z.int().nullable() }));

async function until<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
  return untilThere(() => what, LIMIT_MS, ask);
}

describe('agent and guard', () => {
  let stack: LiveStack;
  let leeward: Leeward;
  let files: GuardFiles;
  let agent: Running;
  let guard: Running;
  /** The application is well while this file is there. */
  let wellFile = '';

  before(async () => {
    stack = await LiveStack.up({ ...QUIET, LEEWARD_HEARTBEAT_MS: '500' });
    leeward = new Leeward(stack.folder);
    const volume = 'acme/berlin/erp/data';
    const image = join(stack.folder, 'data.img');
    await writeFile(image, Buffer.alloc(512 * 8, 'a'));
    const registered = await register(stack, volume, { volumeBytes: 512 * 8, leaseMs: 30_000 });
    const access = withVolume(registered, volume, image);
    const site = join(stack.folder, 'sites', 'acme', 'berlin');
    const node = join(site, 'guards', NODE);
    await makeFolder(node);
    await writePrivateFile(join(site, 'access.json'), serializeSiteAccess(access));
    const key = await addGuard(stack.storage, GROUP, NODE);
    const own = newGuardAccess({ key, node: NODE, functionsUrl: stack.facts.functionsUrl });
    await writePrivateFile(join(node, 'access.json'), serializeGuardAccess(own));
    wellFile = join(stack.folder, 'well');
    await writeFile(wellFile, '');
    const pidFile = join(stack.folder, 'pid');
    const often = { intervalMs: 200, timeoutMs: 200, failures: 2 };
    const config = {
      groups: {
        erp: {
          stopMs: 1000,
          killMs: 500,
          applications: {
            shop: {
              node: NODE,
              run: { command: `echo $$ > ${pidFile}; while :; do sleep 0.05; done` },
              monitors: [
                { ...often, name: 'lives', kind: 'process', pidFile },
                { ...often, name: 'well', kind: 'command', command: '/usr/bin/test', args: ['-e', wellFile] },
              ],
              restarts: { attempts: 1, startMs: 500 },
            },
          },
        },
      },
      machines: { north: { node: NODE, steps: { 'restart-application': { countMax: 0 } } } },
    };
    await writeFile(join(site, 'leeward.yaml'), JSON.stringify(config));
    files = new GuardFiles(join(node, GROUP.group));
    guard = run('guard', 'run', 'acme/berlin/erp', '--node', NODE, '--arm', 'process');
    agent = run('agent');
  });

  after(async () => {
    for (const one of [agent, guard]) one.signal('SIGKILL');
    await endAll(files);
    await stack.close();
  });

  function run(...args: string[]): Running {
    return leeward.start('--state', stack.folder, ...args);
  }

  /** What its guard says of it. */
  async function guarded() {
    const desk = new GuardSocket(files.path('socket'));
    return (await desk.status(AbortSignal.timeout(LIMIT_MS))).applications[0];
  }

  async function listed() {
    const [shop] = listedSchema.parse(await leeward.json(['--state', stack.folder, 'app', 'list']));
    return shop;
  }

  /** What the cloud has heard of the application last. */
  async function word() {
    const held = await stack.storage.documents.read(heartbeatKind, names.heartbeat(GROUP));
    const group: GroupWord | undefined = held?.value.heartbeat.groups?.[0];
    return { group, shop: group?.applications?.[0], volume: held?.value.heartbeat.volumes[0] };
  }

  test('the heartbeat says what runs, and what dies is restarted through the guard', async () => {
    await until('the cloud hears that it runs', async () => {
      const { group, shop } = await word();
      return group?.lease === 'held' && shop?.state === 'running' && shop.responseMs !== undefined ? true : undefined;
    });
    assert.partialDeepStrictEqual(await listed(), { application: 'erp/shop', state: 'running' });
    // A machine that is slow may have lost the lease once, and started it again.
    const before = (await guarded())?.starts ?? 0;
    assert(before > 0);
    const pid = Number(await readFile(join(stack.folder, 'pid'), 'utf8'));
    process.kill(pid, 'SIGKILL');
    await until('it was restarted', async () => (((await guarded())?.starts ?? 0) > before ? true : undefined));
    await until('and is well', async () => ((await word()).shop?.state === 'running' ? true : undefined));
  });

  test('with the agent dead it is taken offline and started again by people, and the next agent finds it so', async () => {
    agent.signal('SIGKILL');
    await agent.ended;
    const app = (...args: string[]): string[] => ['--state', stack.folder, 'app', ...args];
    await leeward.json(app('offline', 'shop', '--until', '2h'));
    assert.equal((await guarded())?.state, 'offline');
    agent = run('agent');
    await until('the cloud hears of it', async () => {
      const { shop } = await word();
      return shop?.state === 'offline' && shop.offlineUntilMs !== undefined ? true : undefined;
    });
    await leeward.json(app('start', 'erp/shop'));
    assert.equal((await guarded())?.state, 'running');
    await until('the cloud hears of that, too', async () =>
      (await word()).shop?.state === 'running' ? true : undefined,
    );
    assert.equal((await leeward.run(...app('offline', 'none'))).code, 3);
  });

  test('what stays failed is decided about at the site, and the cloud hears what the site wants', async () => {
    await rm(wellFile);
    const wants = await until('the site wants a failover', async () => (await word()).group?.wants);
    assert.equal((await word()).shop?.state, 'failed');
    const { stdout } = await leeward.run('--state', stack.folder, 'explain', wants.decision);
    assert.match(stdout, /Application shop \(priority 1\): failed, its restarts used up, for .*well: exit code 1/);
    assert.match(stdout, /Replayed from its history, the decision is the same\./);
    const machine = ['--state', stack.folder, 'machine'];
    await leeward.json([...machine, 'offline', 'north', '--until', '1d']);
    await until('it is left alone then', async () =>
      (await word()).group?.wants === undefined && (await word()).shop?.state === 'offline' ? true : undefined,
    );
    await leeward.json([...machine, 'online', 'north']);
    await until('and no longer', async () => ((await word()).shop?.state === 'failed' ? true : undefined));
  });
});
