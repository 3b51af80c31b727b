/**
 * A guard as a process of its own, on the real stack, with two applications from leeward.yaml: they start in order, outlive it
 * and are taken over, are restarted and taken offline by orders, are stopped from outside when no guard is left, and end in
 * order at a closing, with a promise that the cloud has.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { addGuard } from '../../src/app/registered-guards.ts';
import { groupKind } from '../../src/documents/group.ts';
import type { GroupDocument } from '../../src/documents/group.ts';
import { bound, closed } from '../../src/health/term/term.ts';
import { parseGroup } from '../../src/kernel/ids.ts';
import { documents as names } from '../../src/kernel/names.ts';
import { newGuardAccess, serializeGuardAccess } from '../../src/site/guard/access.ts';
import { makeFolder } from '../../src/system/durable-file.ts';
import type { GuardOrder } from '../../src/ports/guard-desk.ts';
import { GuardFiles } from '../../src/system/guard/files.ts';
import { GuardSocket } from '../../src/system/guard/guard-socket.ts';
import type { ProcessMark } from '../../src/system/processes.ts';
import { writePrivateFile } from '../../src/system/private-file.ts';
import { endAll, runningHandle } from '../support/guard-folder.ts';
import { QUIET } from '../support/integration/doors.ts';
import { register } from '../support/integration/live-site.ts';
import { LiveStack, until as untilThere } from '../support/integration/live-stack.ts';

const GROUP = parseGroup('acme/berlin/erp');
const NODE = 'north';
const RUN = 't1-unplanned-1';
const LEASE_MS = 12_000;
/** Longer than anything here takes, on the slowest machine. */
const LIMIT_MS = 60_000;
/** Says when it begins and ends. */
const application = (name: string): string =>
  `trap 'echo ${name} ends; exit 0' TERM; echo ${name} begins; while :; do sleep 0.05; done`;
const CONFIG = {
  groups: {
    erp: {
      stopMs: 2000,
      killMs: 500,
      applications: {
        shop: {
          node: NODE,
          dependsOn: ['database'],
          run: { command: application('shop') },
          monitors: [{ kind: 'tcp', name: 'web', host: '127.0.0.1', port: 80 }],
        },
        database: {
          node: NODE,
          run: { command: application('database') },
          monitors: [{ kind: 'tcp', name: 'sql', host: '127.0.0.1', port: 5432 }],
        },
        elsewhere: {
          node: 'south',
          run: { command: 'false' },
          monitors: [{ kind: 'tcp', name: 'web', host: '127.0.0.1', port: 81 }],
        },
      },
    },
  },
};
const COMMAND = join(import.meta.dirname, '../../src/cli/main.ts');

async function until<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
  return untilThere(() => what, LIMIT_MS, ask);
}

describe('a guard', () => {
  let stack: LiveStack;
  let files: GuardFiles;
  let desk: GuardSocket;
  let said = '';
  let heardCount = 0;
  const guards: ChildProcess[] = [];

  before(async () => {
    stack = await LiveStack.up(QUIET);
    await register(stack, 'acme/berlin/erp/data', { volumeBytes: 512 * 8, leaseMs: LEASE_MS });
    const key = await addGuard(stack.storage, GROUP, NODE);
    const folder = join(stack.folder, 'sites', 'acme', 'berlin', 'guards', NODE);
    await makeFolder(folder);
    const access = newGuardAccess({ key, node: NODE, functionsUrl: stack.facts.functionsUrl });
    await writePrivateFile(join(folder, 'access.json'), serializeGuardAccess(access));
    // JSON is YAML.
    await writeFile(join(stack.folder, 'sites', 'acme', 'berlin', 'leeward.yaml'), JSON.stringify(CONFIG));
    files = new GuardFiles(join(folder, GROUP.group));
    desk = new GuardSocket(files.path('socket'));
  });

  after(async () => {
    for (const guard of guards) guard.kill('SIGKILL');
    await endAll(files);
    await stack.close();
  });

  function begin(): ChildProcess {
    const guard = spawn(
      process.execPath,
      [COMMAND, '--state', stack.folder, 'guard', 'run', 'acme/berlin/erp', '--node', NODE, '--arm', 'process'],
      { stdio: ['ignore', 'inherit', 'pipe'] },
    );
    guard.stderr.setEncoding('utf8').on('data', (text: string) => {
      process.stderr.write(text);
      said += text;
    });
    guards.push(guard);
    return guard;
  }

  async function kill(guard: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    guard.kill(signal);
    await once(guard, 'exit');
  }

  /** Who leads what runs of an application: undefined for nothing. */
  async function leader(name: string): Promise<ProcessMark | undefined> {
    return (await runningHandle(files, name))?.leader;
  }

  /** Who leads each of the two, once both run. */
  async function both(): Promise<readonly ProcessMark[]> {
    return until('both run', async () => {
      const [database, shop] = [await leader('database'), await leader('shop')];
      return database && shop ? [database, shop] : undefined;
    });
  }

  async function states(): Promise<Record<string, string>> {
    const { applications } = await desk.status(AbortSignal.timeout(LIMIT_MS));
    return Object.fromEntries(applications.map(({ name, state }) => [name, state]));
  }

  async function order(one: GuardOrder): Promise<void> {
    await desk.order(one, AbortSignal.timeout(LIMIT_MS));
  }

  /** What the applications have said since the last time, as soon as it is so much. */
  async function heard(count: number): Promise<string[]> {
    return until(`${count} words of the applications`, async () => {
      const log = await readFile(files.path('log'), 'utf8');
      const words = log.split('\n').filter((line) => / (?:begins|ends)$/.test(line));
      if (words.length < heardCount + count) return undefined;
      return words.slice(heardCount, (heardCount = words.length));
    });
  }

  async function group(): Promise<GroupDocument> {
    return (await stack.storage.documents.need(groupKind, names.group(GROUP))).value;
  }

  test('starts in order under the lease, and killing the guard stops nothing that the next one takes over', async () => {
    const first = begin();
    const begun = await both();
    assert.deepEqual(await heard(2), ['database begins', 'shop begins']);
    await kill(first);
    begin();
    const renewals = (await group()).renewals;
    await until('the next guard renews', async () => ((await group()).renewals >= renewals + 2 ? true : undefined));
    assert.deepEqual(await both(), begun, 'nothing was stopped or started again');
    assert.deepEqual(await states(), { database: 'running', shop: 'running' });
  });

  test('a second guard of the same group and node is refused, and the first one goes on', async () => {
    const second = begin();
    assert.notEqual((await once(second, 'exit'))[0], 0);
    assert.match(said, /in use by process \d+: one guard of a group runs on a node at a time/);
    assert.deepEqual(await states(), { database: 'running', shop: 'running' });
  });

  test('an order restarts one with what depends on it, and what is taken offline stays so over the guard', async () => {
    const before = await both();
    await order({ do: 'restart', name: 'database' });
    assert.deepEqual(await heard(4), ['shop ends', 'database ends', 'database begins', 'shop begins']);
    assert.notDeepEqual((await both())[0], before[0]);
    await order({ do: 'offline', name: 'shop', untilWallMs: undefined });
    assert.equal((await states())['shop'], 'offline');
    // On a machine so slow that the lease runs out it is stopped for a while.
    await until('the other one runs', async () => ((await states())['database'] === 'running' ? true : undefined));
    assert.equal((await states())['shop'], 'offline');
    for (const guard of guards) if (guard.exitCode === null && guard.signalCode === null) await kill(guard);
    begin();
    await until('the next guard renews', async () => states().catch(() => undefined));
    await until('and may start', async () =>
      order({ do: 'start', name: 'shop' }).then(
        () => true,
        () => undefined,
      ),
    );
    const words = await heard(2);
    while (words.at(-1) !== 'shop begins') words.push(...(await heard(1)));
    // A machine that is slow may have stopped the other one meanwhile: that is another test's.
    assert.deepEqual(
      words.filter((word) => word.startsWith('shop')),
      ['shop ends', 'shop begins'],
    );
  });

  test('without any guard it is stopped from outside at the end of the lease, and the next guard starts it anew', async () => {
    const running = await both();
    // Told to end, it does so at once, and leaves what it has started as it is.
    for (const guard of guards) if (guard.exitCode === null && guard.signalCode === null) await kill(guard, 'SIGTERM');
    assert.deepEqual(await leader('shop'), running[1], 'it goes on for a while');
    await until('it is stopped', async () =>
      (await leader('shop')) === undefined && (await leader('database')) === undefined ? true : undefined,
    );
    assert.deepEqual(await heard(0), [], 'nobody asked it to');
    begin();
    const anew = await both();
    assert.notDeepEqual(anew, running);
    assert.deepEqual(await heard(2), ['database begins', 'shop begins']);
  });

  test('at a closing it stops in order, and the cloud has its promise', async () => {
    await stack.storage.documents.update(groupKind, names.group(GROUP), (found, { lastModifiedMs }) => {
      const taken = bound(found, RUN, lastModifiedMs) ?? found;
      return closed(taken, { run: RUN, actor: { kind: 'by-hand' }, lastModifiedMs });
    });
    await until('the promise is there', async () =>
      (await group()).closing?.stopped?.includes(NODE) === true ? true : undefined,
    );
    assert.deepEqual(await heard(2), ['shop ends', 'database ends']);
    assert.equal((await files.read('record'))?.promisedTerm, 1);
  });
});
