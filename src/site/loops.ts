/**
 * A site at work: its heartbeats, and the intervals of its volumes, each in a loop of its own.
 *
 * Invariants: heartbeats go out as often as the cloud asks for them, whatever a volume does; no volume's interval waits for
 * another's, however long its first copy takes; what fails is told, and ends neither its own loop nor another; once the
 * signal is aborted everything ends soon, and nothing is under way any more when it has.
 */
import type { Clock } from '../kernel/clock.ts';
import { describeError, isLeewardError } from '../kernel/errors.ts';
import { sideBySide } from '../kernel/together.ts';
import { Troubles } from '../kernel/troubles.ts';
import type { IntervalReport } from './chain/interval.ts';
import type { Replicator } from './replicator.ts';
import type { SiteLink } from './send/site-link.ts';

/** The parts of a site. */
export interface WorkingSite {
  readonly siteLink: Pick<SiteLink, 'run'>;
  readonly replicators: readonly Pick<Replicator, 'volume' | 'replicateOnce' | 'waitUntilAcknowledged' | 'status'>[];
  readonly clock: Clock;
}

/** What there is to tell: an interval that the cloud has acknowledged, or what failed. */
export type SiteNews =
  | {
      readonly volume: string;
      /** Numbers of the interval's deltas; none where nothing had changed. */
      readonly acknowledged: readonly number[];
      readonly readBytes: number;
      readonly changedBytes: number;
      /** Bytes of the volume's deltas that were sent since this process began, repeats included. */
      readonly sentBytes: number;
    }
  /** Of the site as a whole, its heartbeats above all, where no volume is named. */
  | { readonly volume?: string; readonly error: unknown };

export interface SiteWorkOptions {
  /** How long an interval waits until the cloud has acknowledged everything. */
  readonly waitMs: number;
  readonly signal: AbortSignal;
  readonly tell: (news: SiteNews) => void;
}

/**
 * One interval of each volume, all side by side, with heartbeats meanwhile. Errors: what went wrong that no part of the
 * program foresees, after all have come to their end; everything else is told.
 */
export async function workOnce(site: WorkingSite, options: SiteWorkOptions): Promise<void> {
  const done = new AbortController();
  // Why the cloud cannot be reached is told by the volumes.
  const beats = site.siteLink.run(AbortSignal.any([options.signal, done.signal]), () => undefined);
  const unforeseen: unknown[] = [];
  await Promise.all(
    site.replicators.map(async (replicator) => {
      await interval(replicator, options).catch((error: unknown) => unforeseen.push(error));
    }),
  );
  done.abort();
  await beats;
  if (unforeseen.length > 0) throw unforeseen[0];
}

/**
 * Heartbeats and intervals until the signal is aborted. `everyMs` says how long after the beginning of one interval of a
 * volume its next one begins, at the earliest. What fails again in the same words, with nothing well in between, is told once.
 */
export async function workForEver(
  site: WorkingSite,
  options: SiteWorkOptions & { readonly everyMs: (volume: string) => number },
): Promise<void> {
  const { everyMs } = options;
  const { clock } = site;
  const troubles = new Troubles();
  const tell = (news: SiteNews): void => {
    const what = news.volume ?? '';
    if (!('error' in news)) troubles.isOver(what);
    else if (!troubles.isNews(what, describeError(news.error))) return;
    options.tell(news);
  };
  const loop = async (replicator: WorkingSite['replicators'][number], signal: AbortSignal): Promise<void> => {
    const { volume } = replicator;
    while (!signal.aborted) {
      const nextBootMs = clock.bootMs() + everyMs(volume);
      await interval(replicator, { ...options, signal, tell }).catch((error: unknown) => {
        if (!signal.aborted) tell({ volume, error });
      });
      await clock.sleep(Math.max(0, nextBootMs - clock.bootMs()), signal).catch(() => undefined);
    }
  };
  const beats = async (signal: AbortSignal): Promise<void> => {
    await site.siteLink.run(signal, (error) => {
      tell({ error });
    });
  };
  const loops = site.replicators.map((replicator) => async (signal: AbortSignal) => loop(replicator, signal));
  await sideBySide(options.signal, [beats, ...loops]);
}

/** One interval of a volume, and the wait until the cloud has all of it. Errors: none of ours, which are told. */
async function interval(
  replicator: WorkingSite['replicators'][number],
  { waitMs, signal, tell }: SiteWorkOptions,
): Promise<void> {
  const { volume } = replicator;
  const failed = (error: unknown): void => {
    if (signal.aborted) return;
    if (!isLeewardError(error)) throw error;
    tell({ volume, error });
  };
  let made: IntervalReport | undefined;
  try {
    made = await replicator.replicateOnce({ signal });
    if (made.restless) failed(made.restless);
  } catch (error) {
    failed(error);
    // What was stored before a volume vanished is the newest that there is: it is sent all the same.
    if (!isLeewardError(error, 'SOURCE_CHANGED')) return;
  }
  try {
    await replicator.waitUntilAcknowledged(waitMs, signal);
    if (made === undefined) return;
    const { numbers: acknowledged, readBytes, changedBytes } = made;
    tell({ volume, acknowledged, readBytes, changedBytes, sentBytes: replicator.status().sentBytes });
  } catch (error) {
    failed(error);
  }
}
