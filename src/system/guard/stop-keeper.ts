/**
 * What stops a group's applications from outside the guard: `node stop-keeper.ts FOLDER`, a process of its own, which needs
 * nothing but the folder's files (docs/safety.md).
 *
 * Invariants: it reads what is armed again and again, and says what it has taken over; at that time on boot time it kills
 * everything that runs, until nothing is left; it kills nothing earlier, and nothing of another boot. A watchdog is fed only
 * so long that it bites by then, should this process be held up, too; it is let go only when nothing is left. It ends when
 * nothing has run and nothing was armed for a while, and when it was asked to, but not before nothing runs and nobody is there
 * who could start anything: a machine that shuts down would wait for it otherwise.
 */
import { existsSync, readFileSync } from 'node:fs';
import { describeError, isLeewardError } from '../../kernel/errors.ts';
import { SystemClock } from '../clock.ts';
import { isLocked } from '../folder-lock.ts';
import { bootId, markOf } from '../processes.ts';
import { GuardFiles } from './files.ts';
import { isThere, killThing, lookAt } from './handle.ts';
import type { Handle } from './handle.ts';
import { Watchdog } from './watchdog.ts';

const LOOK_MS = 50;
/** How often it is looked whether it may end, once it was asked to: a look may take one at every process of the machine. */
const ASKED_LOOK_MS = 500;
/** The name of process 1, where this process may see it. Source: proc_pid_comm(5). */
const FIRST_NAME = '/proc/1/comm';
/** Without anything to watch over. A guard that arms again starts another. */
const IDLE_MS = 60_000;

const files = new GuardFiles(process.argv[2] ?? '');
const clock = new SystemClock();
const keeper = markOf(process.pid);
const boot = bootId();
if (!keeper) throw new Error('this process has no mark');
// Whoever stops the guard, by its group or its terminal, must not stop this while something runs.
const asked = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => {
    asked.abort();
  });

let watchdog: Watchdog | undefined;
let takenBootMs = -1;
let killedBootMs = -1;
let busyBootMs = clock.bootMs();
let lookedBootMs = -Infinity;
let armed: Awaited<ReturnType<typeof readArmed>>;
for (;;) {
  // What cannot be read now is as it was.
  armed = await orElse(readArmed, armed);
  const untilBootMs = armed?.boot === boot ? armed.untilBootMs : 0;
  if (untilBootMs !== takenBootMs) {
    const problem = untilBootMs > clock.bootMs() ? problemOf(armed?.watchdog, untilBootMs) : undefined;
    const said = { keeper, untilBootMs, ...(problem !== undefined && { problem }) };
    if (await orElse(async () => wrote(said), false)) takenBootMs = untilBootMs;
  }
  const nowBootMs = clock.bootMs();
  watchdog?.feed({ nowBootMs, untilBootMs });
  if (nowBootMs < untilBootMs) busyBootMs = nowBootMs;
  else {
    // Only now, since finding out what runs may take a look at every process of the machine.
    const handles = await orElse(readHandles, undefined);
    // Zero is nothing armed: what runs then is the guard's to end.
    const isFirst = handles !== undefined && untilBootMs > 0 && killedBootMs !== untilBootMs;
    // At first without asking whether they are there: an answer may take its time.
    if (isFirst) for (const handle of handles) await kill(handle);
    if (isFirst) killedBootMs = untilBootMs;
    // As long as nobody knows what there is, there may be something.
    let isAny = handles === undefined;
    for (const handle of handles ?? []) {
      if (!(await isThere(handle))) continue;
      isAny = true;
      if (untilBootMs > 0) await kill(handle);
    }
    if (isAny) busyBootMs = nowBootMs;
    else {
      watchdog?.letGo();
      watchdog = undefined;
    }
  }
  if (nowBootMs - busyBootMs > IDLE_MS) break;
  if (asked.signal.aborted && nowBootMs - lookedBootMs >= ASKED_LOOK_MS) {
    lookedBootMs = nowBootMs;
    if (!(await orElse(async () => (await mayRun()) || isLocked(files.folder), true))) break;
  }
  await clock.sleep(LOOK_MS);
}
watchdog?.letGo();

/** What it gives; what fails is tried again at the next look, and must not end what stops from outside. */
async function orElse<T>(work: () => Promise<T>, otherwise: T): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isLeewardError(error)) throw error;
    return otherwise;
  }
}

async function readArmed(): ReturnType<typeof files.read<'armed'>> {
  return files.read('armed');
}

async function readHandles(): Promise<readonly Handle[]> {
  return (await files.read('running'))?.handles ?? [];
}

async function wrote(said: Parameters<typeof files.write<'keeper'>>[1]): Promise<boolean> {
  await files.write('keeper', said);
  return true;
}

async function kill(handle: Handle): Promise<void> {
  await orElse(async () => {
    killThing(handle);
    return Promise.resolve();
  }, undefined);
}

/** Whether anything runs, or may: nothing is started by a service manager that has ended, and asks what is left to. */
async function mayRun(): Promise<boolean> {
  for (const handle of await readHandles()) {
    const look = await lookAt(handle);
    if (look === 'running' || (look === 'unknown' && !isShuttingDown())) return true;
  }
  return false;
}

/** Source: systemd, src/shutdown: process 1 becomes it once all units are stopped; the kernel keeps 15 characters of a name. */
function isShuttingDown(): boolean {
  return existsSync(FIRST_NAME) && readFileSync(FIRST_NAME, 'utf8').startsWith('systemd-shutdow');
}

/** Takes the watchdog, where one is asked for; gives why it cannot be counted on. */
function problemOf(device: string | undefined, endBootMs: number): string | undefined {
  if (device === undefined) return undefined;
  try {
    watchdog ??= new Watchdog(device);
    if (!watchdog.isTooSlowFor(endBootMs - clock.bootMs())) return undefined;
    const { timeoutMs } = watchdog;
    watchdog.letGo();
    watchdog = undefined;
    return `the watchdog ${device} bites only after ${timeoutMs} ms, which is too long for a lease of this length`;
  } catch (error) {
    return describeError(error);
  }
}
