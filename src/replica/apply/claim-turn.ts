/**
 * One worker's turn at a claim: from the claim's write to the change that ends it.
 *
 * Invariants: a turn is over as soon as anybody else has the claim, which its end time tells: each adoption and renewal
 * moves it, only up. While a worker writes it renews, so that only a claim whose worker died or stalls is adopted, and
 * two workers never rewrite one delta against each other for ever. Safety hangs on the fence, not on this.
 */
import type { Documents, Held } from '../../documents/store.ts';
import { currentGeneration, volumeKind } from '../../documents/volume.ts';
import type { Claim, VolumeDocument } from '../../documents/volume.ts';
import type { Clock } from '../../kernel/clock.ts';
import { LeewardError, isLeewardError } from '../../kernel/errors.ts';
import { stillClaims, withClaim } from '../chain/chain.ts';

/** A claim is renewed once this part of its time has passed, so that one lost renewal does not end it. */
const RENEW_PART = 1 / 3;

export class ClaimTurn {
  readonly #documents: Documents;
  readonly #clock: Clock;
  readonly #claimMs: number;
  #held: Held<VolumeDocument>;
  #renewedBootMs: number;
  #renewing: Promise<void> | undefined;

  /** `held` has the claim, just written. */
  constructor(of: { documents: Documents; clock: Clock; claimMs: number; held: Held<VolumeDocument> }) {
    this.#documents = of.documents;
    this.#clock = of.clock;
    this.#claimMs = of.claimMs;
    this.#held = of.held;
    this.#renewedBootMs = of.clock.bootMs();
  }

  /** Reads the state: it must still have this turn's claim. Errors: FENCED. */
  async confirm(): Promise<void> {
    await this.#look();
  }

  /** Renews the claim if it is time to. Called before each request of a long work. Errors: FENCED, the turn is over. */
  async keep(): Promise<void> {
    if (this.#clock.bootMs() - this.#renewedBootMs < this.#claimMs * RENEW_PART) return;
    this.#renewing ??= this.#renew().finally(() => (this.#renewing = undefined));
    await this.#renewing;
  }

  /**
   * Ends the turn with `change`. A change by others meanwhile — a tip that moved on, a delta noted as early — does not end
   * the claim: then the change is made again on what stands there. Errors: FENCED.
   */
  async finish(change: (document: VolumeDocument) => VolumeDocument): Promise<Held<VolumeDocument>> {
    for (let now = this.#held; ; now = (await this.#look()).held) {
      try {
        return await this.#documents.replace(volumeKind, now, change(now.value));
      } catch (error) {
        if (!isLeewardError(error, 'CONFLICT')) throw error;
      }
    }
  }

  async #renew(): Promise<void> {
    const startedBootMs = this.#clock.bootMs();
    try {
      const { held, nowMs } = await this.#look();
      const claim = { ...this.#claim(), untilMs: Math.max(nowMs + this.#claimMs, this.#claim().untilMs + 1) };
      this.#held = await this.#documents.replace(volumeKind, held, withClaim(held.value, claim));
      this.#renewedBootMs = startedBootMs;
    } catch (error) {
      // Somebody else's change, or a passing fault: the next request tries again. A turn that is over ends the work.
      if (!isLeewardError(error, 'CONFLICT', 'UNAVAILABLE')) throw error;
    }
  }

  #claim(): Claim {
    const { claim } = currentGeneration(this.#held.value);
    if (!claim) throw this.#over();
    return claim;
  }

  async #look(): Promise<{ held: Held<VolumeDocument>; nowMs: number }> {
    const { held, serviceNowMs } = await this.#documents.readWithTime(volumeKind, this.#held.name);
    const mine = currentGeneration(this.#held.value);
    if (held && mine.claim && stillClaims(held.value, mine, mine.claim)) return { held, nowMs: serviceNowMs };
    throw this.#over();
  }

  #over(): LeewardError {
    const { volume } = this.#held.value;
    const number = currentGeneration(this.#held.value).applied.number + 1;
    return new LeewardError('FENCED', `${volume}: delta ${number} lost its turn`);
  }
}
