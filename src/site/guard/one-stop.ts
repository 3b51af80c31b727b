/**
 * The way of arming a stop that is used now, of those that an earlier guard may have used.
 *
 * Invariant: what an earlier guard has armed another way counts until the new way is armed, and is taken away only then: a
 * guard that arms otherwise than the one before it stops nothing.
 */
import type { ArmedStop } from '../../ports/armed-stop.ts';

export class OneStop implements ArmedStop {
  readonly #used: ArmedStop;
  readonly #others: readonly ArmedStop[];
  /** Whether one of the other ways may still be armed. */
  #isMixed = true;

  constructor(used: ArmedStop, others: readonly ArmedStop[]) {
    this.#used = used;
    this.#others = others;
  }

  async arm(untilBootMs: number): Promise<void> {
    await this.#used.arm(untilBootMs);
    if (!this.#isMixed) return;
    for (const other of this.#others) await other.disarm();
    this.#isMixed = false;
  }

  async disarm(): Promise<void> {
    for (const one of [this.#used, ...this.#others]) await one.disarm();
  }

  async armedBootMs(): Promise<number> {
    const armed = await Promise.all([this.#used, ...this.#others].map(async (one) => one.armedBootMs()));
    const ahead = armed.filter((ms) => ms > 0);
    return ahead.length === 0 ? 0 : Math.min(...ahead);
  }
}
