/**
 * Where volumes stood when this process left them at rest. A state may have changed since: all that can be decided by it
 * is what to try under its ETag, which saves the reading where a volume's deltas come one by one.
 */
import type { Held } from '../../documents/store.ts';
import type { VolumeDocument } from '../../documents/volume.ts';
import type { Clock } from '../../kernel/clock.ts';

/** A volume's state as somebody saw it, and how late it was then at the least, on the service's clock. */
export interface Seen {
  readonly held: Held<VolumeDocument>;
  readonly nowMs: number;
}

/** Volumes whose state is kept in memory: a document has some 10 KiB. */
const VOLUMES_MAX = 500;

export class RecalledStates {
  readonly #clock: Clock;
  /** The one that was left longest ago first. */
  readonly #left = new Map<string, Seen & { readonly bootMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The state as it was left, with the time that has passed since; undefined where nothing is remembered. */
  recall(volume: string): Seen | undefined {
    const left = this.#left.get(volume);
    return left && { held: left.held, nowMs: left.nowMs + this.#clock.bootMs() - left.bootMs };
  }

  leave(volume: string, { held, nowMs }: Seen): void {
    this.#left.delete(volume);
    this.#left.set(volume, { held, nowMs, bootMs: this.#clock.bootMs() });
    const [oldest] = this.#left.keys();
    if (this.#left.size > VOLUMES_MAX && oldest !== undefined) this.#left.delete(oldest);
  }
}
