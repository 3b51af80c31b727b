/**
 * Sends a volume's deltas, and sends them again until they are acknowledged.
 *
 * Invariants: only what is in the outbox is sent, or the same with references to what the cloud has; what it asks for again
 * is sent with all its bytes, and before anything else; numbers go out in order; once the cloud takes no more of the
 * chain, only what it asks for again is sent; before each delta the newest answer counts, however long sending takes; an
 * entry's name is used for one content only, so that repeating any of this does no harm. What was sent is known in memory
 * only: after a restart everything that waits is sent once more. Of deltas it holds one, in a turn of the site's.
 */
import { checkDelta, openDelta } from '../../delta/delta.ts';
import type { Delta } from '../../delta/delta.ts';
import type { Clock } from '../../kernel/clock.ts';
import { LeewardError, isLeewardError } from '../../kernel/errors.ts';
import { journalEntry, parseForm } from '../../kernel/names.ts';
import type { DeltaForm } from '../../kernel/names.ts';
import type { VolumeRef } from '../../kernel/ids.ts';
import type { Semaphore } from '../../kernel/semaphore.ts';
import { INLINE_BYTES_MAX } from '../../protocol/envelope.ts';
import type { Envelope } from '../../protocol/envelope.ts';
import type { VolumeAnswer } from '../../protocol/heartbeat.ts';
import type { SiteLink } from './site-link.ts';
import type { Deduplication } from '../dedup/deduplication.ts';
import type { VolumeLog } from '../chain/volume-log.ts';

/** Form of a delta's first entry where nothing is known of what the cloud has: docs/names.md. */
const FIRST_FORM: DeltaForm = 'literal-1';

export interface DeltaSenderOptions {
  readonly volume: VolumeRef;
  readonly clock: Clock;
  readonly siteLink: Pick<SiteLink, 'putEntry' | 'sendDelta'>;
  /** How long nothing at all may be acknowledged before what waits is sent again. */
  readonly resendAfterMs: number;
  /** Deltas that are sent at a time, of all volumes of the site. */
  readonly turns: Semaphore;
  /** Where there is none, every delta is sent with all its bytes. */
  readonly dedup?: Pick<Deduplication, 'prepare' | 'noteAcknowledged' | 'noteAsked' | 'noteReleased'> | undefined;
}

/** A journal entry that was put, as messages name it. */
type PutEntry = Required<Pick<Envelope, 'entry' | 'sizeBytes'>>;

/** A delta that is to be sent, because `answer` asks for it in a form, or because it waits. */
interface Due {
  readonly key: string;
  readonly answer: VolumeAnswer;
  readonly number: number;
  readonly form?: string;
}

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

  /** Bytes of encoded deltas that were sent, as often as they were: a message that only names an entry has none. */
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
   * Sends what was asked for again, and while the volume is writable what waits by now and was not sent, or was sent too long
   * ago; nothing twice, so that it comes to an end, and what got lost has its turn again. `newest` gives the newest answer,
   * undefined while nothing may be sent. Stops at the first error of the link's. Errors: those; REFUSED when the cloud asks for
   * what is not here any more or not sound, after all else was sent; the signal's reason, after the delta that is being sent.
   */
  async sendDue(
    log: Pick<VolumeLog, 'waiting' | 'read'>,
    newest: () => VolumeAnswer | undefined,
    signal?: AbortSignal,
  ): Promise<void> {
    const done = new Set<string>();
    const upTo = log.waiting.at(-1)?.number ?? 0;
    const refusals: LeewardError[] = [];
    let lostNumber: number | undefined;
    const next = (): Due | undefined => {
      const answer = newest();
      return answer && this.#nextDue(log, answer, { done, upTo });
    };
    const sendNext = async (): Promise<void> => {
      const due = next();
      if (!due) return;
      done.add(due.key);
      if (due.form === undefined) {
        const encoded = await log.read(due.number);
        // Acknowledged since it was chosen.
        if (encoded) await this.#sendFirst(encoded, due.answer.queue);
        return;
      }
      const refusal = await this.#answerAsk(log, { number: due.number, form: due.form }, due.answer.queue);
      if (!refusal) return;
      refusals.push(refused(due.answer.volume, refusal.why));
      if (refusal.isLost) this.#lostNumber = lostNumber = Math.min(due.number, lostNumber ?? due.number);
    };
    try {
      while (next()) await this.#options.turns.run(sendNext, { signal });
    } finally {
      this.#lostNumber = lostNumber;
    }
    const [refusal] = refusals;
    if (refusal) throw refusal;
  }

  /** What is to be sent next, that was not `done`: what is asked for before what waits, as far as `upTo`. */
  #nextDue(
    log: Pick<VolumeLog, 'waiting'>,
    answer: VolumeAnswer,
    { done, upTo }: { readonly done: ReadonlySet<string>; readonly upTo: number },
  ): Due | undefined {
    const { generation, resend, writable } = answer;
    for (const { number, form } of resend) {
      const key = `${generation} ${number} ${form}`;
      if (!done.has(key) && this.#isDue(`${number} ${form}`)) return { key, answer, number, form };
    }
    for (const { number } of writable ? log.waiting : []) {
      const key = `${generation} ${number}`;
      if (number <= upTo && !done.has(key) && this.#isDue(String(number))) return { key, answer, number };
    }
    return undefined;
  }

  /** Sends one delta again. Why that cannot be done, where it is no fault of the way there. */
  async #answerAsk(
    log: Pick<VolumeLog, 'read'>,
    { number, form }: { readonly number: number; readonly form: string },
    queue: VolumeAnswer['queue'],
  ): Promise<{ readonly why: string; readonly isLost: boolean } | undefined> {
    if (!isForm(form)) return { why: `delta ${number} is wanted as "${form}": update Leeward here`, isLost: false };
    const encoded = await log.read(number);
    const claims = encoded && claimsIfSound(encoded);
    if (!encoded || !claims) {
      const how = encoded ? 'damaged here, too' : 'not here any more';
      return { why: `delta ${number} is wanted again and ${how}: the volume needs a new generation`, isLost: true };
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
      await this.#options.siteLink.sendDelta(queue, { ...claims, inline });
      this.#sentBytes += encoded.length;
      this.#note(String(claims.number));
      return;
    }
    const put = this.#entries.get(claims.number) ?? (await this.#putFirst(encoded, claims));
    this.#entries.set(claims.number, put);
    await this.#options.siteLink.sendDelta(queue, { ...claims, ...put });
    this.#note(String(claims.number));
  }

  /**
   * With references where that pays. A delta with those goes by the journal even where it would fit a message: the cloud
   * would have to put it there.
   */
  async #putFirst(encoded: Uint8Array, claims: Envelope): Promise<PutEntry> {
    const { dedup, volume, siteLink } = this.#options;
    if (this.#prepared?.digest !== claims.digest) {
      const { bytes, form } = (await dedup?.prepare(encoded)) ?? { bytes: encoded, form: FIRST_FORM };
      this.#prepared = { digest: claims.digest, form, reduced: bytes === encoded ? undefined : bytes };
    }
    const { form, reduced = encoded } = this.#prepared;
    const entry = journalEntry(volume, { ...claims, form });
    await siteLink.putEntry(entry, reduced);
    this.#sentBytes += reduced.length;
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
    await this.#options.siteLink.putEntry(entry, encoded);
    this.#sentBytes += encoded.length;
    await this.#options.siteLink.sendDelta(queue, { ...claims, entry });
    this.#note(`${claims.number} ${form}`);
  }

  #note(key: string): void {
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
