/**
 * Everything that runs at the demo's site, whoever started it: agent, guard, what stops the application from outside, the
 * application. They are known by an entry of their environment, which each inherits.
 */
import { readFileSync, readdirSync } from 'node:fs';

const NAME = 'LEEWARD_DEMO_SITE';

/** What a process of the site has in its environment. */
export function markOfSite(demo: string): Readonly<Record<string, string>> {
  return { [NAME]: demo };
}

/** Ends all of it at once, as a power cut would. How many processes there were. */
export function killEverythingOf(demo: string): number {
  // Whatever is started meanwhile is found by the next look.
  for (let killed = 0; ;) {
    const found = processesOf(demo);
    if (found.length === 0) return killed;
    for (const pid of found) {
      try {
        process.kill(pid, 'SIGKILL');
        killed += 1;
      } catch {
        // It has just ended by itself.
      }
    }
  }
}

function processesOf(demo: string): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && pid !== process.pid && environmentOf(pid).includes(`${NAME}=${demo}`));
}

/** Empty for what has ended, and for what is not ours to look at. Source: proc_pid_environ(5). */
function environmentOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
  } catch {
    return [];
  }
}
