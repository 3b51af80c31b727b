/** What the functions host says of each call in its log: the one place that is asked without a request to the storage. */
import type { LiveStack } from '../../test/support/integration/live-stack.ts';
import { until } from '../../test/support/integration/live-stack.ts';

export interface EndedCall {
  /** Name of the function. */
  readonly name: string;
  readonly succeeded: boolean;
  /** From the function's start to its end. */
  readonly tookMs: number;
  /** What the function said itself. */
  readonly said: readonly string[];
}

const LINE = /^\S+ \w+ \[(\S+) ([0-9a-f-]{36})\] (.*)$/;
const END = /^(succeeded|failed) after (\d+) ms/;

/** The calls that ended, in the order of their ends. */
export function endedCalls(log: string): EndedCall[] {
  const said = new Map<string, string[]>();
  const ended: EndedCall[] = [];
  for (const line of log.split('\n')) {
    const [, name = '', id, text = ''] = LINE.exec(line) ?? [];
    if (id === undefined) continue;
    const [, how, ms] = END.exec(text) ?? [];
    if (how === undefined) said.set(id, [...(said.get(id) ?? []), text]);
    else ended.push({ name, succeeded: how === 'succeeded', tookMs: Number(ms), said: said.get(id) ?? [] });
  }
  return ended;
}

const LIMIT_MS = 600_000;
const LOOK_MS = 25;

/** Waits until `count` calls that `fits` have ended since the log had `from` bytes. Throws when one of them failed. */
export async function callsEnded(
  stack: LiveStack,
  of: { from: number; count: number; fits: (call: EndedCall) => boolean },
): Promise<EndedCall[]> {
  const { count, fits, from } = of;
  const calls = await until(
    () => `${count} calls ended`,
    LIMIT_MS,
    async () => {
      const found = endedCalls(stack.hostLog(from)).filter(fits);
      return found.length >= count ? found : undefined;
    },
    LOOK_MS,
  );
  const failed = calls.find(({ succeeded }) => !succeeded);
  if (failed) throw new Error(`${failed.name} failed: ${failed.said.join('; ')}`);
  return calls;
}

/** Where the log ends now, in bytes. */
export function logEnd(stack: LiveStack): number {
  return Buffer.byteLength(stack.hostLog());
}

/** Whether a call took `number` of `volume` and brought the replica to it. */
export function applied(volume: string, number: number): (call: EndedCall) => boolean {
  return ({ said }) => said.includes(`${volume}: delta ${number} applied`);
}
