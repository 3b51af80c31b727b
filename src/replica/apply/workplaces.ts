/**
 * Who works when, within this process: one at a time on each volume, few at once in all, and one that reads ahead while
 * its volume is still worked on.
 *
 * Invariants: all that is read of deltas is read in one of these places, so that their number bounds the memory; whoever
 * reads ahead keeps that place until its turn has begun, and its turn waits for nobody who reads ahead: so all go on; who
 * has a place does not keep others waiting for long: it asks {@link Workplaces.isDue} and comes again.
 */
import type { Clock } from '../../kernel/clock.ts';
import { KeyedLock } from '../../kernel/keyed-lock.ts';
import { Semaphore } from '../../kernel/semaphore.ts';

/**
 * What somebody works for: deltas of a running replication, first copies, or what no message will mention again. They take
 * turns at the places, so that a small delta waits for one delta of a first copy, not for all of them.
 */
export type Line = 'deltas' | 'bulk' | 'sweep';

/** How long somebody keeps a place while others of its own line wait. */
const KEPT_MS = 5000;

export class Workplaces {
  readonly #clock: Clock;
  readonly #volumes = new KeyedLock();
  readonly #places: Semaphore;
  readonly #ahead = new Semaphore(1);

  /**
   * `count` is how many deltas this process works on at once, whatever the host hands it; messages that wait hold no more
   * than themselves. So this number bounds the memory of all of them (docs/design.md, invariant 8). What one holds at the
   * most, in MiB:
   *
   * - while it is taken in and applied: its encoded bytes (18), its literal bytes (16, none where they are not compressed),
   *   its tables (3), and five writes and two reads (22) where gaps are bridged, or the planner's passes (50) before that;
   * - while it is made whole: its encoded bytes and what it refers to (34 together), and a source, the result or four reads
   *   of the replica (18).
   *
   * What Node has not collected yet comes on top, for all of them together.
   */
  constructor(count: number, clock: Clock) {
    this.#places = new Semaphore(count);
    this.#clock = clock;
  }

  /** Whether anybody works on the volume, or waits to. */
  isHeld(volume: string): boolean {
    return this.#volumes.isHeld(volume);
  }

  /** Whether somebody of `line`, who has had a place since `sinceBootMs`, is to leave it for others: after each delta. */
  isDue(line: Line, sinceBootMs: number): boolean {
    const isLong = this.#clock.bootMs() - sinceBootMs >= KEPT_MS;
    return this.#places.isWanted(isLong ? undefined : line);
  }

  /**
   * Runs `work` when it is its turn on the volume and a place is free. Where it has to wait for others on the volume,
   * `readAhead` is called meanwhile, once there is room for that, and `work` is given what it brought; undefined where
   * there was no time or no room for it, or it failed: whatever that was, `work` meets it again.
   */
  async run<T, A>(
    volume: string,
    line: Line,
    work: (ahead: A | undefined) => Promise<T>,
    readAhead?: () => Promise<A | undefined>,
  ): Promise<T> {
    let isWaiting = this.#volumes.isHeld(volume);
    let ahead: Promise<A | undefined> = Promise.resolve(undefined);
    const { promise: turn, resolve: begin } = Promise.withResolvers<undefined>();
    if (isWaiting && readAhead) {
      void this.#ahead.run(async () => {
        if (!isWaiting) return;
        ahead = readAhead().catch(() => undefined);
        await turn;
      });
    }
    return this.#volumes.run(volume, async () =>
      this.#places.run(
        async () => {
          isWaiting = false;
          const read = await ahead;
          begin(undefined);
          return work(read);
        },
        { line },
      ),
    );
  }
}
