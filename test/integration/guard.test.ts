/**
 * A guard as a process of its own, on the real stack: what it starts outlives it and is taken over, is stopped from outside
 * when no guard is left, and ends at a closing with a promise that the cloud has.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { addGuard } from '../../src/app/guards.ts';
import { groupKind } from '../../src/documents/group.ts';
import type { GroupDocument } from '../../src/documents/group.ts';
import { bound, closed } from '../../src/health/term.ts';
import { parseGroup } from '../../src/kernel/ids.ts';
import { documents as names } from '../../src/kernel/names.ts';
import { newGuardAccess, serializeGuardAccess } from '../../src/site/guard/access.ts';
import { makeFolder } from '../../src/system/durable-file.ts';
import { GuardFiles } from '../../src/system/guard/files.ts';
import type { ProcessMark } from '../../src/system/processes.ts';
import { writePrivateFile } from '../../src/system/private-file.ts';
import { endAll, runningHandle } from '../support/guard-folder.ts';
import { QUIET } from '../support/integration/doors.ts';
import { register } from '../support/integration/live-site.ts';
import { LiveStack, until as untilThere } from '../support/integration/live-stack.ts';

const GROUP = parseGroup('acme/berlin/erp');
const NODE = 'north';
const RUN = 't1-unplanned-1';
const LEASE_MS = 8000;
/** Longer than anything here takes, on the slowest machine. */
const LIMIT_MS = 60_000;
const COMMAND = join(import.meta.dirname, '../../src/cli/main.ts');

async function until<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
  return untilThere(() => what, LIMIT_MS, ask);
}

describe('a guard', () => {
  let stack: LiveStack;
  let files: GuardFiles;
  const guards: ChildProcess[] = [];

  before(async () => {
    stack = await LiveStack.up(QUIET);
    await register(stack, 'acme/berlin/erp/data', { volumeBytes: 512 * 8, leaseMs: LEASE_MS });
    const key = await addGuard(stack.storage, GROUP, NODE);
    const folder = join(stack.folder, 'sites', 'acme', 'berlin', 'guards', NODE);
    await makeFolder(folder);
    const access = newGuardAccess({ key, node: NODE, functionsUrl: stack.facts.functionsUrl });
    await writePrivateFile(join(folder, 'access.json'), serializeGuardAccess(access));
    files = new GuardFiles(join(folder, GROUP.group));
  });

  after(async () => {
    for (const guard of guards) guard.kill('SIGKILL');
    await endAll(files);
    await stack.close();
  });

  function begin(): ChildProcess {
    const application = `while :; do echo beat; sleep 0.1; done`;
    const guard = spawn(
      process.execPath,
      [
        ...[COMMAND, '--state', stack.folder, 'guard', 'run', 'acme/berlin/erp', '--node', NODE],
        ...['--application', application, '--stop', '1', '--kill', '1', '--arm', 'process'],
      ],
      { stdio: 'inherit' },
    );
    guards.push(guard);
    return guard;
  }

  async function kill(guard: ChildProcess): Promise<void> {
    guard.kill('SIGKILL');
    await once(guard, 'exit');
  }

  /** What runs: undefined for nothing. */
  async function leader(): Promise<ProcessMark | undefined> {
    return (await runningHandle(files, 'main'))?.leader;
  }

  async function beats(): Promise<number> {
    return (await readFile(files.path('log'), 'utf8')).length;
  }

  async function group(): Promise<GroupDocument> {
    return (await stack.storage.documents.need(groupKind, names.group(GROUP))).value;
  }

  test('starts the application under the lease, and killing the guard stops nothing that the next one takes over', async () => {
    const first = begin();
    const begun = await until('the application runs', leader);
    await kill(first);
    const beaten = await beats();
    begin();
    const renewals = (await group()).renewals;
    await until('the next guard renews', async () => ((await group()).renewals >= renewals + 4 ? true : undefined));
    assert.deepEqual(await leader(), begun, 'it was neither stopped nor started again');
    assert.ok((await beats()) > beaten);
  });

  test('without any guard it is stopped from outside at the end of the lease, and the next guard starts it anew', async () => {
    const running = await leader();
    assert(running);
    for (const guard of guards) if (guard.exitCode === null && guard.signalCode === null) await kill(guard);
    assert.deepEqual(await leader(), running, 'it goes on for a while');
    await until('it is stopped', async () => ((await leader()) === undefined ? true : undefined));
    begin();
    const anew = await until('it runs again', leader);
    assert.notDeepEqual(anew, running);
  });

  test('at a closing it stops, and the cloud has its promise', async () => {
    await stack.storage.documents.update(groupKind, names.group(GROUP), (found, { lastModifiedMs }) => {
      const taken = bound(found, RUN, lastModifiedMs) ?? found;
      return closed(taken, { run: RUN, actor: { kind: 'by-hand' }, lastModifiedMs });
    });
    await until('the promise is there', async () =>
      (await group()).closing?.stopped?.includes(NODE) === true ? true : undefined,
    );
    assert.equal(await leader(), undefined);
    assert.equal((await files.read('record'))?.promisedTerm, 1);
  });
});
