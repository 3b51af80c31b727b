/**
 * The delta that a message hands over, in itself or by its entry in the journal.
 *
 * Invariants: it was checked whole and is what the envelope says before anybody goes by it; where what is handed over is
 * damaged or missing and the volume needs it, the site is asked for it; it is kept under a name that is true of it.
 */
import { checkSent } from '../../delta/delta.ts';
import type { Delta } from '../../delta/delta.ts';
import type { VolumeDocument } from '../../documents/volume.ts';
import { LeewardError, isLeewardError } from '../../kernel/errors.ts';
import type { VolumeRef } from '../../kernel/ids.ts';
import { entryKind } from '../../kernel/names.ts';
import type { Envelope } from '../../protocol/envelope.ts';
import type { DeltaSupply } from '../apply/supply.ts';
import { isWanted } from '../chain/chain.ts';
import type { KeptDelta } from '../chain/journal.ts';

/** A checked delta, in the journal already or not. */
export type Sent = KeptDelta | { readonly delta: Delta };

export class HandedOver {
  readonly #supply: DeltaSupply;

  constructor(supply: DeltaSupply) {
    this.#supply = supply;
  }

  /**
   * The delta that the envelope hands over, checked whole and held against what the envelope says. Errors: MESSAGE_INVALID;
   * DELTA_INVALID; LIMIT_EXCEEDED; NOT_FOUND for an entry that is not there.
   */
  async read(envelope: Envelope, volume: VolumeRef, document: VolumeDocument): Promise<Sent> {
    const journal = this.#supply.journal(volume, document);
    if (envelope.entry !== undefined) {
      const kept = await journal.read(envelope.entry);
      agree(envelope, kept.delta);
      return kept;
    }
    const delta = checkSent(Buffer.from(envelope.inline ?? '', 'base64'), journal.limitsFor(envelope));
    agree(envelope, delta);
    return { delta };
  }

  /**
   * As {@link read}. Where what is handed over is damaged or missing, another sound entry of the same delta serves; where
   * there is none, it is asked for again. What is larger than the limits allow is told by the volume's state. Errors: those,
   * after that.
   */
  async readOrAsk(envelope: Envelope, volume: VolumeRef, document: VolumeDocument): Promise<Sent> {
    try {
      return await this.read(envelope, volume, document);
    } catch (error) {
      if (!isWanted(document, envelope)) throw error;
      if (isLeewardError(error, 'LIMIT_EXCEEDED')) await this.#supply.tellTooLarge(volume, envelope, error.message);
      if (!isLeewardError(error, 'DELTA_INVALID', 'NOT_FOUND')) throw error;
      const other = await this.#supply.journal(volume, document).find(envelope);
      if (other) return other;
      const ask = { number: envelope.number, why: error.message };
      await this.#supply.askAgain(volume, ask, (now) => isWanted(now, envelope));
      throw error;
    }
  }

  /** Makes it durable in the journal, if it is not. */
  async keep(volume: VolumeRef, document: VolumeDocument, sent: Sent): Promise<KeptDelta> {
    // An entry that only looks as if it referred to something is made one that the chain can have.
    const kind = sent.delta.outside.length > 0 ? 'refs' : 'literal';
    const isInPlace = 'entry' in sent && entryKind(sent.entry) === kind;
    return isInPlace ? sent : this.#supply.journal(volume, document).keep(sent.delta);
  }
}

/**
 * The envelope must say what the delta is. One that does not is the message's own fault: the delta is not damaged, and
 * whatever else the envelope names may not even exist, so nothing is asked for.
 */
function agree(envelope: Envelope, { head }: Delta): void {
  const wrong = (['volume', 'generation', 'term', 'number', 'digest'] as const).find(
    (field) => envelope[field] !== undefined && envelope[field] !== head[field],
  );
  if (wrong) {
    throw new LeewardError(
      'MESSAGE_INVALID',
      `${wrong}: the envelope says ${envelope[wrong]}, the delta ${head[wrong]}`,
    );
  }
  // An entry may have become another one of the same delta: its digest says that it is that.
  if (envelope.entry === undefined && envelope.sizeBytes !== head.totalBytes) {
    throw new LeewardError(
      'MESSAGE_INVALID',
      `sizeBytes: the envelope says ${envelope.sizeBytes}, the delta ${head.totalBytes}`,
    );
  }
}
