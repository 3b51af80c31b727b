/** The act in which the volume is copied and then kept up with, while its application goes on writing. */
import { join } from 'node:path';
import { showBytes } from './show.ts';
import type { Written } from './application-control.ts';
import type { Interval } from './site-messages.ts';
import type { Site } from './site.ts';
import type { Stage } from './stage.ts';
import { systemTool } from './tools.ts';

/** Intervals in which the application wrote. */
const CHANGED_INTERVALS = 4;
/** After which of them one follows in which it did not. */
const UNCHANGED_AFTER = 2;
const EVERY_MS = 2000;

export interface Replicated {
  readonly beganWallMs: number;
  readonly intervals: readonly Interval[];
  /** The interval in which nothing was written. */
  readonly unchanged: { readonly deltas: number; readonly sentBytes: number };
  /** The volume as it stood at the last point. */
  readonly keptPath: string;
  /** The application at the last point. */
  readonly application: { readonly how: string; readonly atPoint: Written } | undefined;
}

/**
 * The first copy, then intervals. Returns once the last of them was acknowledged; the application waits since then, so
 * that what it wrote last before the failure is in the last point. Whoever calls wakes it.
 */
export async function replicate(stage: Stage, site: Site): Promise<Replicated> {
  const beganWallMs = stage.clock.wallMs();
  const first = await site.tell(stage.volume.own ? 'interval-at-rest' : 'interval', stage.signal);
  const { number } = await site.tell('acknowledged', stage.signal);
  stage.progress.line(
    `first copy: ${showBytes(first.readBytes)} read, ${showBytes(first.sentBytes)} sent as ${number} delta(s), acknowledged`,
  );
  const rest = stage.volume.own ? await followApplication(stage, site, first) : await lookAgain(stage, site, first);
  return { beganWallMs, ...rest };
}

type Followed = Omit<Replicated, 'beganWallMs'>;

/** A volume that nobody writes to: one more interval finds nothing. */
async function lookAgain({ progress, signal, volume }: Stage, site: Site, first: Interval): Promise<Followed> {
  const second = await site.tell('interval', signal);
  const unchanged = { deltas: second.numbers.length, sentBytes: second.sentBytes - first.sentBytes };
  progress.line(tellUnchanged(unchanged, 'nobody writes to the volume'));
  await site.tell('acknowledged', signal);
  return { intervals: [first, second], unchanged, keptPath: volume.path, application: undefined };
}

async function followApplication(stage: Stage, site: Site, first: Interval): Promise<Followed> {
  const { clock, progress, signal } = stage;
  const { how } = await site.tell('start-application', signal);
  progress.line(`an application writes to the volume, ${how}`);
  const intervals = [first];
  const keptPath = join(stage.folder, 'kept.img');
  let unchanged = { deltas: -1, sentBytes: -1 };
  let atPoint: Written = { rows: 0, files: 0 };
  for (let turn = 1; turn <= CHANGED_INTERVALS; turn += 1) {
    await clock.sleep(EVERY_MS, signal);
    atPoint = await site.tell('rest', signal);
    const before = intervals.at(-1)?.sentBytes ?? 0;
    const changed = await site.tell('interval-at-rest', signal);
    intervals.push(changed);
    const sent = `${showBytes(changed.changedBytes)} changed, ${showBytes(changed.sentBytes - before)} sent`;
    progress.line(`interval ${turn}: ${sent}; ${atPoint.rows} rows and ${atPoint.files} files so far`);
    if (turn === UNCHANGED_AFTER) {
      const again = await site.tell('interval-at-rest', signal);
      intervals.push(again);
      unchanged = { deltas: again.numbers.length, sentBytes: again.sentBytes - changed.sentBytes };
      progress.line(tellUnchanged(unchanged, 'the application is still paused'));
    }
    if (turn === CHANGED_INTERVALS) {
      await systemTool('cp', ['--sparse=always', stage.volume.path, keptPath]);
      progress.line('a copy of the volume as it stands now is kept, to compare with; the application stays paused');
      // Not frozen any longer than it is read: nobody could stop an application that meets a frozen volume.
      await site.tell('thaw', signal);
    } else {
      await site.tell('wake', signal);
    }
    await site.tell('acknowledged', signal);
  }
  return { intervals, unchanged, keptPath, application: { how, atPoint } };
}

function tellUnchanged({ deltas, sentBytes }: Followed['unchanged'], why: string): string {
  const found = deltas === 0 ? 'no change, nothing sent' : `${deltas} deltas, ${showBytes(sentBytes)} sent`;
  return `an interval more, while ${why}: ${found}`;
}
