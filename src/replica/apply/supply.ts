/**
 * Where the next delta of a volume comes from: out of the journal, made of references, or from the site once more.
 *
 * Invariants: what comes out of here was checked whole, holds all that it sets and is durable in the journal; another
 * writer's delta is never taken for the chain's; what is missing is asked for, and the volume's state says so.
 */
import { openDelta } from '../../delta/delta.ts';
import type { DeltaLimits } from '../../delta/limits.ts';
import { currentGeneration, volumeKind } from '../../documents/volume.ts';
import type { Claim, VolumeDocument } from '../../documents/volume.ts';
import type { Documents } from '../../documents/store.ts';
import { LeewardError, isLeewardError } from '../../kernel/errors.ts';
import type { VolumeRef } from '../../kernel/ids.ts';
import { documents as names } from '../../kernel/names.ts';
import type { DeltaForm } from '../../kernel/names.ts';
import { askFor, isUnresolvable, isWanted, noteTooLarge, positionOf } from '../chain/chain.ts';
import { Journal } from '../chain/journal.ts';
import type { KeptDelta } from '../chain/journal.ts';
import type { Announced, Ask } from '../chain/chain.ts';
import { resolve } from './resolve.ts';
import type { ResolvePorts } from './resolve.ts';

export interface SupplyPorts extends ResolvePorts {
  readonly documents: Documents;
}

export class DeltaSupply {
  readonly #ports: SupplyPorts;
  readonly #limits: DeltaLimits | undefined;

  /** `limits` say how large a delta may be that is taken in; the format's own where nothing is said. */
  constructor(ports: SupplyPorts, limits?: DeltaLimits) {
    this.#ports = ports;
    this.#limits = limits;
  }

  /** The volume's journal as its current generation has it. */
  journal(volume: VolumeRef, document: VolumeDocument): Journal {
    return new Journal(this.#ports.entries, volume, currentGeneration(document), this.#limits);
  }

  /** The claimed delta; where its entry was damaged or lost since, another one of the same. Errors: {@link nextOnChain}'s. */
  async claimed(volume: VolumeRef, document: VolumeDocument, claim: Claim): Promise<KeptDelta> {
    try {
      return await this.journal(volume, document).read(claim.entry);
    } catch (error) {
      if (!isLeewardError(error, 'DELTA_INVALID', 'NOT_FOUND')) throw error;
      return this.nextOnChain(volume, document);
    }
  }

  /**
   * The delta after `applied`, out of the journal. Errors: DELTA_INVALID where no sound one is left: the site is asked for
   * it by then.
   */
  async nextOnChain(volume: VolumeRef, document: VolumeDocument): Promise<KeptDelta> {
    const { generation, applied } = currentGeneration(document);
    const kept = await this.journal(volume, document).onChain(applied.number + 1);
    if ('entry' in kept && kept.delta.head.predecessor === applied.digest) return kept;
    const { missing, why } =
      'entry' in kept
        ? { missing: applied.number + 1, why: `entry "${kept.entry}": it does not come after ${applied.digest}` }
        : kept;
    const form = await this.askAgain(volume, { number: missing, why }, (document) => {
      const now = currentGeneration(document);
      // Another generation may have begun meanwhile, whose numbers are others.
      return now.generation === generation && now.applied.number < missing;
    });
    throw new LeewardError(
      'DELTA_INVALID',
      `delta ${missing} of ${document.volume}: no sound entry in the journal (${why}); the site is asked for it as ${form}`,
    );
  }

  /**
   * What waits in the journal and may come after the tip, made whole where it refers to content elsewhere: none, one, or
   * two, which is a fork. 'asked' where one could not be made whole, which the state says now: others may be left, and
   * each is tried in a call of its own, so that a caller whose time is over can stop between them.
   */
  async afterTip(volume: VolumeRef, document: VolumeDocument): Promise<readonly KeptDelta[] | 'asked'> {
    const waiting = await this.journal(volume, document).afterTip((kept) => isNext(document, kept));
    if (waiting.length > 0) return waiting;
    const whole = await this.#makeWhole(volume, document);
    if (whole === 'asked') return whole;
    return whole ? [whole] : [];
  }

  /**
   * Asks the site to send a delta again, in a form whose name is free, and marks the volume, if the state still wants it;
   * the delta that is applied ends both. Of the ask, `unresolvable` is an entry of the delta that is not to be tried again.
   * Returns the form. Can be repeated.
   */
  async askAgain(
    volume: VolumeRef,
    ask: Omit<Ask, 'form'>,
    stillWanted: (document: VolumeDocument) => boolean,
  ): Promise<DeltaForm> {
    const name = names.volume(volume);
    const seen = await this.#ports.documents.need(volumeKind, name);
    const form = await this.journal(volume, seen.value).nextForm(ask.number);
    await this.#ports.documents.update(volumeKind, name, (document, { lastModifiedMs: sinceMs }) =>
      stillWanted(document) ? askFor(document, { ...ask, form, sinceMs }) : undefined,
    );
    return form;
  }

  /** Says in the volume's state that a delta which it needs is larger than the limits allow, while it needs it. */
  async tellTooLarge(volume: VolumeRef, announced: Announced, why: string): Promise<void> {
    await this.#ports.documents.update(volumeKind, names.volume(volume), (document, { lastModifiedMs: sinceMs }) =>
      isWanted(document, announced) ? noteTooLarge(document, { number: announced.number, why, sinceMs }) : undefined,
    );
  }

  /**
   * The next delta, made of one that refers to content elsewhere: all that it sets is in one entry before the tip may
   * cover it, so that nothing behind the tip ever hangs on what else there is. What it refers to in its own volume is the
   * state that the replica stands at: everything before it is applied, and nothing claimed. Where it cannot be resolved
   * the site is asked for it with all its bytes, and that entry is not tried again.
   */
  async #makeWhole(volume: VolumeRef, document: VolumeDocument): Promise<KeptDelta | 'asked' | undefined> {
    const generation = currentGeneration(document);
    const number = generation.tip.number + 1;
    const journal = this.journal(volume, document);
    for await (const sent of journal.referring(number, (entry) => isUnresolvable(document, entry))) {
      if (!isNext(document, sent)) continue;
      try {
        const { bytes } = await resolve(this.#ports, generation, sent.delta);
        return await journal.keep(openDelta(bytes));
      } catch (error) {
        if (!isLeewardError(error, 'DELTA_INVALID', 'LIMIT_EXCEEDED')) throw error;
        const ask = { number, why: error.message, unresolvable: sent.entry };
        await this.askAgain(volume, ask, (now) => isWanted(now, sent.delta.head));
        return 'asked';
      }
    }
    return undefined;
  }
}

/** Whether the delta is what comes after the tip. */
export function isNext(document: VolumeDocument, { delta }: KeptDelta): boolean {
  return positionOf(document, delta.head).at === 'next';
}
