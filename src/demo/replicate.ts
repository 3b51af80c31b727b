/** The act in which the volume is copied and then kept up with, while its application goes on writing. */
import { MIB } from '../kernel/units.ts';
import { describeVolume } from './application-volume.ts';
import { showBytes } from './show.ts';
import type { Interval, Site } from './site.ts';
import type { Stage } from './stage.ts';

/** Intervals in which the application writes, before anything happens to the site. */
const CHANGED_INTERVALS = 3;

/** How long an interval may take on a machine that is busy with other things. */
const INTERVAL_MS = 60_000;
const ACKNOWLEDGED_BYTES_PER_MS = (2 * MIB) / 1000;

/** How long an interval of the volume may take, until the cloud has acknowledged it. */
export function intervalLimitMs({ volume }: Pick<Stage, 'volume'>): number {
  return Math.ceil(INTERVAL_MS + volume.sizeBytes / ACKNOWLEDGED_BYTES_PER_MS);
}

/** The first copy, then intervals. Returns once the last of them was acknowledged. */
export async function replicate(stage: Stage, site: Site): Promise<readonly Interval[]> {
  const { progress } = stage;
  const limitMs = intervalLimitMs(stage);
  await site.startAgent();
  progress.line('the agent is a process of its own: heartbeats, and the volume every two seconds');
  const [first] = await site.intervals(1, limitMs);
  if (first) progress.line(`first copy: ${tellInterval(first, undefined)} as ${first.numbers.length} delta(s)`);
  await site.startGuard();
  progress.line('the guard is another, and starts the application under a lease of its own');
  await site.applicationStarted(limitMs);
  if (site.opened) progress.line(`the application writes to the volume, ${describeVolume(site.opened)}`);
  else progress.line('nobody writes to the volume: what stands for its application leaves it alone');
  const before = await site.intervalCount();
  let intervals: readonly Interval[] = [];
  for (let turn = 1; turn <= CHANGED_INTERVALS; turn += 1) {
    intervals = await site.intervals(before + turn, limitMs);
    const [last, newest] = intervals.slice(-2);
    if (newest) progress.line(`interval ${before + turn}: ${tellInterval(newest, last)}, acknowledged`);
  }
  return intervals;
}

/** In words. `before` is the interval before, of the same agent. */
export function tellInterval({ readBytes, changedBytes, sentBytes }: Interval, before: Interval | undefined): string {
  const sent = sentBytes - (before?.sentBytes ?? 0);
  return `${showBytes(readBytes)} read, ${showBytes(changedBytes)} changed, ${showBytes(sent)} sent`;
}
