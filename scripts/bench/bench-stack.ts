/**
 * The real local stack that is measured: Azurite, pinned by package-lock.json, and the functions in the local host, in
 * which nothing runs by a timer, so that what is counted was caused by what is measured.
 */
import { statusOfStack } from '../../src/local/stack/stack.ts';
import { LiveStack } from '../../test/support/integration/live-stack.ts';
import type { BenchContext } from './benchmark.ts';

/** The first of the month that is farthest away. A day that never comes, such as 31 February, is no schedule for a host. */
const FAR_AWAY = `0 0 0 1 ${((new Date().getUTCMonth() + 6) % 12) + 1} *`;

const QUIET = {
  LEEWARD_MONITOR_SCHEDULE: FAR_AWAY,
  LEEWARD_SWEEP_SCHEDULE: FAR_AWAY,
  LEEWARD_NOTIFY_SCHEDULE: FAR_AWAY,
  LEEWARD_UPKEEP_SCHEDULE: FAR_AWAY,
} as const;

export interface BenchStack {
  readonly stack: LiveStack;
  /** Process of the functions host. */
  readonly hostPid: number;
  readonly close: () => Promise<void>;
}

/** A stack of its own for one benchmark; ended by `close`, and at the latest with the bench. */
async function openStack(context: BenchContext, settings: Readonly<Record<string, string>>): Promise<BenchStack> {
  const stack = await LiveStack.up({ ...QUIET, ...settings });
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    closing ??= stack.close();
    await closing;
  };
  context.atEnd(close);
  const pid = (await statusOfStack(stack.facts.stateDir))?.parts.find(({ part }) => part === 'host')?.pid;
  if (pid === undefined) throw new Error('the functions host does not run');
  return { stack, hostPid: pid, close };
}

/** What `measure` finds on a stack of its own, which is ended after it. */
export async function onStack<T>(
  context: BenchContext,
  measure: (bench: BenchStack) => Promise<T>,
  settings: Readonly<Record<string, string>> = {},
): Promise<T> {
  const bench = await openStack(context, settings);
  try {
    return await measure(bench);
  } finally {
    await bench.close();
  }
}
