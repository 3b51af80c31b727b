/**
 * The act in which the last recovery point is made before the failure: the volume stands still for it and is copied, so that
 * every byte of the replica can be compared.
 */
import { join } from 'node:path';
import type { Written } from './application-control.ts';
import { folderOf } from './application-volume.ts';
import { newestNote } from './notes.ts';
import type { Note } from './notes.ts';
import { intervalLimitMs } from './replicate.ts';
import { showBytes } from './show.ts';
import type { Interval, Site } from './site.ts';
import type { Stage } from './stage.ts';
import { endStay, stay } from './stillness.ts';
import { systemTool } from './tools.ts';

/** How long the application goes on after the last point, before the failure. */
const GOING_ON_MS = 1500;

export interface LastPoint {
  readonly intervals: readonly Interval[];
  /** The interval in which nothing was written. */
  readonly unchanged: { readonly deltas: number; readonly sentBytes: number };
  /** The volume as it stood at the last point. */
  readonly keptPath: string;
  /** What the application had written by then; undefined where there is none that writes. */
  readonly written: Written | undefined;
  /** The newest of its files then. */
  readonly lastFile: Note | null;
}

/**
 * Returns with the agent stopped (SIGSTOP), so that no later interval reaches the cloud, and the application going on: what
 * it writes from here on is lost.
 */
export async function makeLastPoint(stage: Stage, site: Site): Promise<LastPoint> {
  const { clock, progress, signal, volume } = stage;
  const before = await site.intervalCount();
  const written = site.opened && (await stay(site.control, signal));
  // Of these three the first may have been under way, and the second is the one that stays: the third finds nothing new.
  const intervals = await site.intervals(before + 3, intervalLimitMs(stage));
  const [second, third] = intervals.slice(-2);
  const unchanged = {
    deltas: third?.numbers.length ?? -1,
    sentBytes: (third?.sentBytes ?? 0) - (second?.sentBytes ?? -1),
  };
  const found = unchanged.deltas === 0 ? 'no change, nothing sent' : `${showBytes(unchanged.sentBytes)} sent`;
  progress.line(`an interval more, while nothing is written: ${found}`);
  if (!site.opened) return { intervals, unchanged, keptPath: volume.path, written, lastFile: null };
  const keptPath = join(stage.folder, 'kept.img');
  await systemTool('cp', ['--sparse=always', volume.path, keptPath]);
  const lastFile = await newestNote(folderOf(site.opened));
  progress.line(
    `the last point: ${written?.rows ?? 0} rows, ${written?.files ?? 0} files; the volume as it stands is copied, to compare with`,
  );
  site.signalAgent('SIGSTOP');
  await endStay(site.control);
  await clock.sleep(GOING_ON_MS, signal);
  return { intervals, unchanged, keptPath, written, lastFile };
}
