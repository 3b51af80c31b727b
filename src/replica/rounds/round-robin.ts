/**
 * Round robin over the volumes, round after round, each round with a deadline.
 *
 * Invariants: nothing begins after the deadline; each volume has a share of the time that is left, so that the first do not
 * take all of it; a round begins behind the last volume that the one before came to, so that all get their turn.
 */
import type { Clock } from '../../kernel/clock.ts';

/** What a volume's turn has at least, so that it is worth its beginning. */
const TURN_MS = 5000;

export class RoundRobin {
  readonly #clock: Clock;
  readonly #atOnce: number;
  #last: string | undefined;

  constructor(clock: Clock, atOnce: number) {
    this.#clock = clock;
    this.#atOnce = atOnce;
  }

  /**
   * A round over `volumes`, in ascending order as a listing gives them: `work` on each, a few at once, which is to end at
   * the time that it is given. A process that is new begins where its clock happens to point.
   */
  async run(
    volumes: readonly string[],
    untilBootMs: number,
    work: (volume: string, untilBootMs: number) => Promise<void>,
  ): Promise<void> {
    const clock = this.#clock;
    const start = this.#startOf(volumes);
    const waiting = [...volumes.slice(start), ...volumes.slice(0, start)].toReversed();
    const worker = async (): Promise<void> => {
      for (let nowMs = clock.bootMs(); nowMs < untilBootMs; nowMs = clock.bootMs()) {
        const shareMs = ((untilBootMs - nowMs) * this.#atOnce) / waiting.length;
        const volume = waiting.pop();
        if (volume === undefined) return;
        this.#last = volume;
        await work(volume, Math.min(untilBootMs, nowMs + Math.max(TURN_MS, shareMs)));
      }
    };
    await Promise.all(Array.from({ length: this.#atOnce }, worker));
  }

  #startOf(volumes: readonly string[]): number {
    const last = this.#last;
    if (last === undefined) return Math.floor(this.#clock.wallMs() / 1000) % Math.max(1, volumes.length);
    return Math.max(
      0,
      volumes.findIndex((volume) => volume > last),
    );
  }
}
