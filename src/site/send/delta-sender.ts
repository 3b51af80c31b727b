/**
 * Sends a volume's deltas, and sends them again until they are acknowledged.
 *
 * Invariants: only what is in the outbox is sent, or the same with references to what the cloud has; what it asks for again
 * is sent with all its bytes; numbers go out in order; once the cloud takes no more of the chain, only what it asks for
 * again is sent; an entry's name is used for one content only, so that repeating any of this does no harm. What was sent is
 * known in memory only: after a restart everything that waits is sent once more.
 */
import { checkDelta, openDelta } from '../../delta/delta.ts';
import type { Delta } from '../../delta/delta.ts';
import type { Clock } from '../../kernel/clock.ts';
import { LeewardError, isLeewardError } from '../../kernel/errors.ts';
import { journalEntry, parseForm } from '../../kernel/names.ts';
import type { DeltaForm } from '../../kernel/names.ts';
import type { VolumeRef } from '../../kernel/ids.ts';
import { INLINE_BYTES_MAX } from '../../protocol/envelope.ts';
import type { Envelope } from '../../protocol/envelope.ts';
import type { VolumeAnswer } from '../../protocol/heartbeat.ts';
import type { SiteAgent } from './agent.ts';
import type { Deduplication } from '../dedup/deduplication.ts';
import type { VolumeLog } from '../chain/volume-log.ts';

/** Form of a delta's first entry where nothing is known of what the cloud has: docs/names.md. */
const FIRST_FORM: DeltaForm = 'literal-1';

export interface DeltaSenderOptions {
  readonly volume: VolumeRef;
  readonly clock: Clock;
  readonly agent: Pick<SiteAgent, 'putEntry' | 'sendDelta'>;
  /** How long nothing at all may be acknowledged before what waits is sent again. */
  readonly resendAfterMs: number;
  /** Where there is none, every delta is sent with all its bytes. */
  readonly dedup?: Pick<Deduplication, 'prepare' | 'noteAcknowledged' | 'noteAsked' | 'noteReleased'> | undefined;
}

/** A journal entry that was put, as messages name it. */
type PutEntry = Required<Pick<Envelope, 'entry' | 'sizeBytes'>>;

export class DeltaSender {
  readonly #options: DeltaSenderOptions;
  /** When a delta was last sent, on boot time, by number; and by number and form, where it was asked for. */
  readonly #sentBootMs = new Map<string, number>();
  /** What is in the journal of each delta, by number, that was not asked for again. */
  readonly #entries = new Map<number, PutEntry>();
  /** How the delta goes whose entry is to be put: where that fails, the same is tried again. */
  #prepared:
    { readonly digest: string; readonly form: DeltaForm; readonly reduced: Uint8Array | undefined } | undefined;
  #lostNumber: number | undefined;
  #progressBootMs = 0;
  #sentBytes = 0;

  constructor(options: DeltaSenderOptions) {
    this.#options = options;
  }

  /** Bytes of encoded deltas that were sent, repeats included. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** A delta that the cloud asks for again and that the outbox does not hold any more, or not sound. */
  get lostNumber(): number | undefined {
    return this.#lostNumber;
  }

  /**
   * Everything up to here was acknowledged, and was not before: what waits behind it is on its way, and is not sent again
   * too soon. Errors: UNAVAILABLE when the content index cannot be kept.
   */
  async noteProgress(upTo: { readonly generation: number; readonly number: number }): Promise<void> {
    this.#progressBootMs = this.#options.clock.bootMs();
    await this.#options.dedup?.noteAcknowledged(upTo);
  }

  /** The outbox holds nothing up to `number` any more: nothing is remembered of it, however long the site runs. */
  noteReleased(number: number): void {
    for (const key of this.#sentBootMs.keys()) if (Number.parseInt(key, 10) <= number) this.#sentBootMs.delete(key);
    for (const entry of this.#entries.keys()) if (entry <= number) this.#entries.delete(entry);
    this.#options.dedup?.noteReleased(number);
  }

  /** A new generation has other deltas under the same numbers. */
  forget(): void {
    this.#sentBootMs.clear();
    this.#entries.clear();
    this.#prepared = undefined;
    this.#lostNumber = undefined;
    this.#options.dedup?.noteReleased(Infinity);
  }

  /**
   * Sends what was asked for again, then, while the volume is writable, what waits and was not sent, or was sent too long
   * ago. Stops at the first error of the agent's. Errors: those; REFUSED when the cloud asks for what is not here any more
   * or not sound, after all else was sent.
   */
  async sendDue(log: Pick<VolumeLog, 'waiting' | 'read'>, answer: VolumeAnswer): Promise<void> {
    let refusal: LeewardError | undefined;
    this.#lostNumber = undefined;
    for (const ask of answer.resend) {
      const why = await this.#answerAsk(log, ask, answer.queue);
      if (why !== undefined) refusal ??= refused(answer.volume, why);
    }
    for (const { number } of answer.writable ? log.waiting : []) {
      if (!this.#isDue(String(number))) continue;
      const encoded = await log.read(number);
      // Acknowledged since the list was made.
      if (encoded) await this.#sendFirst(encoded, answer.queue);
    }
    if (refusal) throw refusal;
  }

  /** Sends one delta again, if that is due. Why that cannot be done, where it is no fault of the way there. */
  async #answerAsk(
    log: Pick<VolumeLog, 'read'>,
    { number, form }: VolumeAnswer['resend'][number],
    queue: VolumeAnswer['queue'],
  ): Promise<string | undefined> {
    if (!isForm(form)) return `delta ${number} is wanted as "${form}": update Leeward here`;
    if (!this.#isDue(`${number} ${form}`)) return undefined;
    const encoded = await log.read(number);
    const claims = encoded && claimsIfSound(encoded);
    if (!encoded || !claims) {
      this.#lostNumber = Math.min(number, this.#lostNumber ?? number);
      const how = encoded ? 'damaged here, too' : 'not here any more';
      return `delta ${number} is wanted again and ${how}: the volume needs a new generation`;
    }
    await this.#sendEntry(encoded, { claims, form, queue });
    return undefined;
  }

  #isDue(key: string): boolean {
    const sentBootMs = this.#sentBootMs.get(key);
    if (sentBootMs === undefined) return true;
    const { clock, resendAfterMs } = this.#options;
    return clock.bootMs() - Math.max(sentBootMs, this.#progressBootMs) >= resendAfterMs;
  }

  /** Inline if it fits, else by the journal, where its entry is put once. */
  async #sendFirst(encoded: Uint8Array, queue: VolumeAnswer['queue']): Promise<void> {
    const claims = claimsOf(openDelta(encoded));
    if (encoded.length <= INLINE_BYTES_MAX) {
      const inline = Buffer.from(encoded).toString('base64');
      await this.#options.agent.sendDelta(queue, { ...claims, inline });
      this.#note(String(claims.number), encoded.length);
      return;
    }
    const put = this.#entries.get(claims.number) ?? (await this.#putFirst(encoded, claims));
    this.#entries.set(claims.number, put);
    await this.#options.agent.sendDelta(queue, { ...claims, ...put });
    this.#note(String(claims.number), put.sizeBytes);
  }

  /**
   * With references where that pays. A delta with those goes by the journal even where it would fit a message: the cloud
   * would have to put it there.
   */
  async #putFirst(encoded: Uint8Array, claims: Envelope): Promise<PutEntry> {
    const { dedup, volume, agent } = this.#options;
    if (this.#prepared?.digest !== claims.digest) {
      const { bytes, form } = (await dedup?.prepare(encoded)) ?? { bytes: encoded, form: FIRST_FORM };
      this.#prepared = { digest: claims.digest, form, reduced: bytes === encoded ? undefined : bytes };
    }
    const { form, reduced = encoded } = this.#prepared;
    const entry = journalEntry(volume, { ...claims, form });
    await agent.putEntry(entry, reduced);
    this.#prepared = undefined;
    return { entry, sizeBytes: reduced.length };
  }

  /** By the journal in any case, and put again in any case: the cloud asks because it has no sound entry of this form. */
  async #sendEntry(
    encoded: Uint8Array,
    { claims, form, queue }: { claims: Envelope; form: DeltaForm; queue: VolumeAnswer['queue'] },
  ): Promise<void> {
    const entry = journalEntry(this.#options.volume, { ...claims, form });
    await this.#options.dedup?.noteAsked(claims);
    await this.#options.agent.putEntry(entry, encoded);
    await this.#options.agent.sendDelta(queue, { ...claims, entry });
    this.#note(`${claims.number} ${form}`, encoded.length);
  }

  #note(key: string, sizeBytes: number): void {
    this.#sentBytes += sizeBytes;
    this.#sentBootMs.set(key, this.#options.clock.bootMs());
  }
}

/** What the envelope says of the delta. */
function claimsOf({ head, bytes }: Delta): Envelope {
  const { volume, generation, term, number, digest } = head;
  return { volume, generation, term, number, digest, sizeBytes: bytes.length };
}

/** As {@link claimsOf}; undefined where the outbox's own file does not hold what was stored. */
function claimsIfSound(encoded: Uint8Array): Envelope | undefined {
  try {
    // Whole, frames and all: what the cloud found damaged must not come damaged again.
    return claimsOf(checkDelta(encoded));
  } catch (error) {
    if (!isLeewardError(error, 'DELTA_INVALID')) throw error;
    return undefined;
  }
}

function refused(volume: string, why: string): LeewardError {
  return new LeewardError('REFUSED', `${volume}: ${why}`);
}

function isForm(form: string): form is DeltaForm {
  return parseForm(form)?.kind === 'literal';
}
