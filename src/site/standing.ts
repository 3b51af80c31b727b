/**
 * How a volume stands with the cloud: what was said of it last, and whether deltas may be made and sent.
 *
 * Invariants: each answer says anew whether there is a pause, but not before it was heeded whole; what shows that somebody
 * else writes the volume's chain ends only with the generation, and so does a wish for another one; on standby only what
 * the cloud asks for again is sent.
 */
import { LeewardError, isLeewardError } from '../kernel/errors.ts';
import type { VolumeAnswer } from '../protocol/heartbeat.ts';

export class Standing {
  #answer: VolumeAnswer | undefined;
  /** Why nothing may be made or sent for now. */
  #pause: LeewardError | undefined;
  /** Whether the pause is only that the term has ended. */
  #onStandby = false;
  /** Why nothing may ever be made or sent in this generation. */
  #stop: LeewardError | undefined;
  #wantsGeneration = false;

  /** What the cloud said last; undefined before, and where it does not know the volume. */
  get answer(): VolumeAnswer | undefined {
    return this.#answer;
  }

  /** Why deltas may not be made; undefined where they may. */
  get refusal(): LeewardError | undefined {
    return this.#stop ?? this.#pause;
  }

  /** Whether anything may be sent, if only what the cloud asks for again. */
  get maySend(): boolean {
    return this.#stop === undefined && (this.#pause === undefined || this.#onStandby);
  }

  /** Whether nothing was heard yet, not even that the cloud does not know the volume. */
  get isUnheard(): boolean {
    return this.#answer === undefined && this.#pause === undefined;
  }

  /** Whether this site has lost what it needs to go on in the generation, and asks for another. */
  get wantsGeneration(): boolean {
    return this.#wantsGeneration;
  }

  /** Errors: the {@link refusal}, where there is one. */
  mayWrite(): void {
    const reason = this.refusal;
    if (reason) throw new LeewardError(reason.code, reason.message, { cause: reason });
  }

  /** An answer came. What it means for the standing is said when it was heeded, by one of the next three. */
  hear(answer: VolumeAnswer | undefined): void {
    this.#answer = answer;
  }

  /** There is no pause, or it is over. */
  goOn(): void {
    this.#pause = undefined;
    this.#onStandby = false;
  }

  /** Nothing is made until a later answer; nothing in this generation, where that is a fork. */
  pause(reason: LeewardError): void {
    if (isLeewardError(reason, 'DELTA_FORKED')) this.#stop = reason;
    this.#pause = reason;
    this.#onStandby = false;
  }

  /** As {@link pause}: the term has ended. Without what the cloud asks for again it could not come to the chain's end. */
  standBy(reason: LeewardError): void {
    this.#pause = reason;
    this.#onStandby = true;
  }

  /** Asks for another generation, until one begins. */
  wantGeneration(): void {
    this.#wantsGeneration = true;
  }

  /** A generation began. */
  begin(): void {
    this.#stop = undefined;
    this.#wantsGeneration = false;
  }
}
