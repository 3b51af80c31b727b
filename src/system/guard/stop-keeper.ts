/**
 * What stops a group's applications from outside the guard: `node stop-keeper.ts FOLDER`, a process of its own, which needs
 * nothing but the folder's files (docs/safety.md).
 *
 * Invariants: it reads what is armed again and again, and says what it has taken over; at that time on boot time it kills
 * everything that runs, until nothing is left; it kills nothing earlier, and nothing of another boot. It ends when nothing
 * has run and nothing was armed for a while.
 */
import { SystemClock } from '../clock.ts';
import { isGroupThere, signalGroup } from '../process-group.ts';
import { bootId, markOf } from '../processes.ts';
import { GuardFiles } from './files.ts';

const LOOK_MS = 50;
/** Without anything to watch over. A guard that arms again starts another. */
const IDLE_MS = 60_000;

const files = new GuardFiles(process.argv[2] ?? '');
const clock = new SystemClock();
const keeper = markOf(process.pid);
const boot = bootId();
if (!keeper) throw new Error('this process has no mark');
// Whoever stops the guard, by its group or its terminal, must not stop this.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);

let takenBootMs = -1;
let busyBootMs = clock.bootMs();
for (;;) {
  const armed = await files.read('armed');
  const untilBootMs = armed?.boot === boot ? armed.untilBootMs : 0;
  if (untilBootMs !== takenBootMs) {
    takenBootMs = untilBootMs;
    await files.write('keeper', { keeper, untilBootMs });
  }
  const nowBootMs = clock.bootMs();
  if (nowBootMs < untilBootMs) busyBootMs = nowBootMs;
  else {
    // Only now, since finding out what runs may take a look at every process of the machine.
    const leader = (await files.read('running'))?.leader;
    if (leader !== undefined && isGroupThere(leader)) {
      busyBootMs = nowBootMs;
      // Zero is nothing armed: what runs then is the guard's to end.
      if (untilBootMs > 0) signalGroup(leader, 'SIGKILL');
    }
  }
  if (nowBootMs - busyBootMs > IDLE_MS) break;
  await clock.sleep(LOOK_MS);
}
