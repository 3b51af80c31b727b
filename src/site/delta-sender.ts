/**
 * Sends a volume's deltas, and sends them again until they are acknowledged.
 *
 * Invariants: only what is in the outbox is sent; numbers go out in order; an entry's name is used for one content only,
 * so that repeating any of this does no harm. What was sent is known in memory only: after a restart everything that
 * waits is sent once more.
 */
import { openDelta } from '../delta/delta.ts';
import type { Clock } from '../kernel/clock.ts';
import { LeewardError } from '../kernel/errors.ts';
import { journalEntry } from '../kernel/names.ts';
import type { DeltaForm } from '../kernel/names.ts';
import type { VolumeRef } from '../kernel/ids.ts';
import { INLINE_BYTES_MAX } from '../protocol/envelope.ts';
import type { VolumeAnswer } from '../protocol/heartbeat.ts';
import type { SiteAgent } from './agent.ts';
import type { VolumeLog } from './volume-log.ts';

/** Form of an entry that was not asked for again. */
const FIRST_FORM: DeltaForm = 'literal-0';
const FORM_PATTERN = /^literal-\d{1,4}$/;

export interface DeltaSenderOptions {
  readonly volume: VolumeRef;
  readonly clock: Clock;
  readonly agent: Pick<SiteAgent, 'putEntry' | 'sendDelta'>;
  /** How long nothing at all may be acknowledged before what waits is sent again. */
  readonly resendAfterMs: number;
}

export class DeltaSender {
  readonly #options: DeltaSenderOptions;
  /** When a delta was last sent, on boot time, by number and form. */
  readonly #sentBootMs = new Map<string, number>();
  /** Entries that are in the journal already. */
  readonly #entries = new Set<string>();
  #progressBootMs = 0;
  #sentBytes = 0;

  constructor(options: DeltaSenderOptions) {
    this.#options = options;
  }

  /** Bytes of encoded deltas that were sent, repeats included. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** Something was acknowledged: what waits behind it is on its way, and is not sent again too soon. */
  noteProgress(): void {
    this.#progressBootMs = this.#options.clock.bootMs();
  }

  /** A new generation has other deltas under the same numbers. */
  forget(): void {
    this.#sentBootMs.clear();
    this.#entries.clear();
  }

  /**
   * Sends what was asked for again, then what waits and was not sent, or was sent too long ago. Stops at the first error.
   * Errors: those of the agent; REFUSED when the cloud asks for what is not here any more.
   */
  async sendDue(log: VolumeLog, answer: VolumeAnswer): Promise<void> {
    for (const { number, form } of answer.resend) {
      if (!isForm(form)) {
        throw new LeewardError(
          'REFUSED',
          `${answer.volume}: delta ${number} is wanted as "${form}": update Leeward here`,
        );
      }
      if (this.#isDue(number, form)) await this.#send(log, answer, { number, form });
    }
    for (const { number } of log.waiting) {
      if (this.#isDue(number, FIRST_FORM)) await this.#send(log, answer, { number, form: FIRST_FORM });
    }
  }

  #isDue(number: number, form: DeltaForm): boolean {
    const sentBootMs = this.#sentBootMs.get(`${number} ${form}`);
    if (sentBootMs === undefined) return true;
    const { clock, resendAfterMs } = this.#options;
    return clock.bootMs() - Math.max(sentBootMs, this.#progressBootMs) >= resendAfterMs;
  }

  async #send(log: VolumeLog, answer: VolumeAnswer, what: { number: number; form: DeltaForm }): Promise<void> {
    const { agent, clock, volume } = this.#options;
    const encoded = await log.read(what.number);
    if (encoded === undefined) {
      if (what.form === FIRST_FORM) return; // Acknowledged since the list was made.
      throw new LeewardError(
        'REFUSED',
        `${answer.volume}: delta ${what.number} is wanted again and not here any more: the volume needs a new generation`,
      );
    }
    const { head } = openDelta(encoded);
    const { generation, term, number, digest } = head;
    const claims = { volume: head.volume, generation, term, number, digest, sizeBytes: encoded.length };
    if (what.form === FIRST_FORM && encoded.length <= INLINE_BYTES_MAX) {
      await agent.sendDelta(answer.queue, { ...claims, inline: Buffer.from(encoded).toString('base64') });
    } else {
      const entry = journalEntry(volume, { generation, number, digest, form: what.form });
      if (!this.#entries.has(entry)) await agent.putEntry(entry, encoded);
      this.#entries.add(entry);
      await agent.sendDelta(answer.queue, { ...claims, entry });
    }
    this.#sentBytes += encoded.length;
    this.#sentBootMs.set(`${what.number} ${what.form}`, clock.bootMs());
  }
}

function isForm(form: string): form is DeltaForm {
  return FORM_PATTERN.test(form);
}
