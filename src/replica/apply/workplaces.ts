/**
 * Who works when, within this process: one at a time on each volume, few at once in all, and one that reads ahead while
 * its volume is still worked on.
 *
 * Invariants: all that is read of deltas is read in one of these places, so that their number bounds the memory; whoever
 * reads ahead keeps that place until its turn has begun, and its turn waits for nobody who reads ahead: so all go on.
 */
import { KeyedLock } from './keyed-lock.ts';
import { Slots } from './slots.ts';

export class Workplaces {
  readonly #volumes = new KeyedLock();
  readonly #places: Slots;
  readonly #ahead = new Slots(1);

  constructor(count: number) {
    this.#places = new Slots(count);
  }

  /**
   * Runs `work` when it is its turn on the volume and a place is free. Where it has to wait for others on the volume,
   * `readAhead` is called meanwhile, once there is room for that, and `work` is given what it brought; undefined where
   * there was no time or no room for it, or it failed: whatever that was, `work` meets it again.
   */
  async run<T, A>(
    volume: string,
    work: (ahead: A | undefined) => Promise<T>,
    readAhead: () => Promise<A | undefined>,
  ): Promise<T> {
    let isWaiting = this.#volumes.isHeld(volume);
    let ahead: Promise<A | undefined> = Promise.resolve(undefined);
    const { promise: turn, resolve: begin } = Promise.withResolvers<undefined>();
    if (isWaiting) {
      void this.#ahead.run(async () => {
        if (!isWaiting) return;
        ahead = readAhead().catch(() => undefined);
        await turn;
      });
    }
    return this.#volumes.run(volume, async () =>
      this.#places.run(async () => {
        isWaiting = false;
        const read = await ahead;
        begin(undefined);
        return work(read);
      }),
    );
  }
}
