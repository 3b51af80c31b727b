/**
 * What a volume needs beside its chain, and what may take long: a next generation, its base, a comparison.
 *
 * Invariants: each step is read from the state and written into it, so that any worker goes on where another stopped;
 * a call ends with its budget, and the sweep, which finds the volume by its label, calls again; no step begins after the
 * caller's deadline.
 */
import { hasChores, volumeKind } from '../../documents/volume.ts';
import type { Clock } from '../../kernel/clock.ts';
import { LeewardError } from '../../kernel/errors.ts';
import { volumeId } from '../../kernel/ids.ts';
import type { VolumeRef } from '../../kernel/ids.ts';
import { documents as names } from '../../kernel/names.ts';
import { Semaphore } from '../../kernel/semaphore.ts';
import { stepBase } from './base.ts';
import type { BasePorts } from './base.ts';
import { WINDOW_RANGES } from '../compare/compare.ts';
import { begin, mayBegin } from './generations.ts';
import { stepVerification } from '../compare/verify.ts';

export interface ChorePorts extends BasePorts {
  readonly clock: Clock;
}

/** Volumes whose chores one process does at once: each may hold 16 MiB of a replica's ranges. */
export const CHORES_AT_ONCE = 2;

/** How soon a server-side copy is looked at again, and how often before that is left to the sweep. */
const COPY_LOOK_MS = 500;
const COPY_LOOKS = 10;

export interface ChoreOptions {
  /** How long one call goes on before it leaves the rest to the next, in milliseconds. */
  readonly budgetMs: number;
  /** Ranges that are compared between two writes of the state; divides a list's segment. */
  readonly windowRanges?: number;
}

export class Chores {
  readonly #ports: ChorePorts;
  readonly #running = new Semaphore(CHORES_AT_ONCE);
  readonly #budgetMs: number;
  readonly #windowRanges: number;

  constructor(ports: ChorePorts, options: ChoreOptions) {
    this.#ports = ports;
    this.#budgetMs = options.budgetMs;
    this.#windowRanges = options.windowRanges ?? WINDOW_RANGES;
  }

  /**
   * Does what there is to do, for its budget, and not beyond `untilBootMs` but for the step that is under way. Idempotent; any
   * number of workers may call it at once. 'more' when time ran out first. Errors: UNAVAILABLE, VERSION_TOO_NEW,
   * NOT_FOUND for an unknown volume. What was done stands.
   */
  async run(volume: VolumeRef, untilBootMs = Infinity): Promise<'caught-up' | 'more'> {
    const { clock } = this.#ports;
    return this.#running.run(async () => {
      if (clock.bootMs() >= untilBootMs) return 'more';
      const deadlineBootMs = Math.min(untilBootMs, clock.bootMs() + this.#budgetMs);
      let looksLeft = COPY_LOOKS;
      do {
        const step = await this.#step(volume);
        if (step === 'nothing' || (step === 'copying' && looksLeft === 0)) return 'caught-up';
        if (step === 'copying') {
          looksLeft -= 1;
          await clock.sleep(COPY_LOOK_MS);
        }
      } while (clock.bootMs() < deadlineBootMs);
      return 'more';
    });
  }

  /** One step; 'more' when another may follow at once, 'nothing' when none can be made now. */
  async #step(volume: VolumeRef): Promise<'more' | 'copying' | 'nothing'> {
    const { documents } = this.#ports;
    const { held, serviceNowMs: nowMs } = await documents.readWithTime(volumeKind, names.volume(volume));
    if (!held) throw new LeewardError('NOT_FOUND', `volume ${volumeId(volume)} is not registered`);
    const document = held.value;
    if (!hasChores(document)) return 'nothing';
    if (mayBegin(document)) {
      await documents.update(volumeKind, held.name, (now) => (mayBegin(now) ? begin(now, nowMs) : undefined));
      return 'more';
    }
    const at = { document, nowMs, windowRanges: this.#windowRanges };
    const base = await stepBase(this.#ports, volume, at);
    return base === 'nothing' ? stepVerification(this.#ports, volume, at) : base;
  }
}
