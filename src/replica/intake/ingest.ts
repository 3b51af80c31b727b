/**
 * Taking in what a site sent: the use case of the ingest function.
 *
 * Invariants: nothing is believed before the signature and the delta were checked whole; a delta is durable in the
 * journal before the tip covers it; every message ends in exactly one of the outcomes below, and none of them loses it.
 * What cannot be right is set aside with one line that says why; what is too new for this program waits in the queue.
 */
import { currentGeneration, volumeKind } from '../../documents/volume.ts';
import type { VolumeDocument } from '../../documents/volume.ts';
import type { SiteDocument } from '../../documents/site.ts';
import type { Documents } from '../../documents/store.ts';
import type { Clock } from '../../kernel/clock.ts';
import { LeewardError, isLeewardError } from '../../kernel/errors.ts';
import type { ErrorCode } from '../../kernel/errors.ts';
import { volumeId } from '../../kernel/ids.ts';
import type { VolumeRef } from '../../kernel/ids.ts';
import { QUEUES, documents as names } from '../../kernel/names.ts';
import { TOO_NEW_DELAY_MS } from '../../kernel/versions.ts';
import type { EntryStore } from '../../ports/entries.ts';
import type { Queues } from '../../ports/queue.ts';
import { envelopeSchema } from '../../protocol/envelope.ts';
import type { Envelope } from '../../protocol/envelope.ts';
import { rangesMessageSchema } from '../../protocol/ranges.ts';
import { parseSigned, readPayload } from '../../protocol/signed.ts';
import { admit } from './admit.ts';
import { setAside } from './aside.ts';
import { isAskedFor, noteEarly, noteFork, positionOf } from '../chain/chain.ts';
import type { Chores } from '../generation/chores.ts';
import type { Advance, Progress, ReplicaEngine } from '../apply/engine.ts';
import type { Seen } from '../apply/recalled.ts';
import { HandedOver } from './handed-over.ts';
import type { Sent } from './handed-over.ts';
import { checkSource, identifyVolume } from './identify.ts';
import { receiveRanges } from './range-list-intake.ts';
import type { RangesOutcome } from './range-list-intake.ts';
import type { SiteKeys } from './site-keys.ts';

/** What became of a message. */
export type IngestOutcome =
  /** The chain has it, and everything up to it is in the replica. */
  | { readonly outcome: 'applied'; readonly volume: string; readonly number: number }
  /** The chain has it; what is left of applying it is for the next call or the sweep. */
  | { readonly outcome: 'durable'; readonly volume: string; readonly number: number }
  /** Something before it is missing. It waits in the journal, not acknowledged. */
  | { readonly outcome: 'early'; readonly volume: string; readonly number: number }
  /** The chain had it before. */
  | { readonly outcome: 'repeated'; readonly volume: string; readonly number: number }
  /** A range list: taken, or passed by since nobody needs it. */
  | RangesOutcome
  /** Refused, and kept aside under this name. */
  | { readonly outcome: 'set-aside'; readonly reason: string; readonly aside: string }
  /** Written by a newer Leeward: back in its queue until this one is updated. */
  | { readonly outcome: 'waits'; readonly reason: string };

export interface IngestPorts {
  readonly documents: Documents;
  readonly entries: EntryStore;
  readonly queues: Queues;
  readonly clock: Clock;
  readonly keys: SiteKeys;
  readonly engine: ReplicaEngine;
  readonly chores: Chores;
  /** The account that holds the container for what is set aside. */
  readonly account: string;
}

/** What is wrong with a message itself. Any other fault is storage's or ours, and the message is tried again. */
const MESSAGE_FAULTS: readonly ErrorCode[] = [
  'IDENTIFIER_INVALID',
  'MESSAGE_INVALID',
  'SIGNATURE_INVALID',
  'DELTA_INVALID',
  'LIMIT_EXCEEDED',
  'DELTA_FORKED',
  'REFUSED',
  'NOT_FOUND',
];

export class Ingest {
  readonly #ports: IngestPorts;
  readonly #handedOver: HandedOver;

  constructor(ports: IngestPorts) {
    this.#ports = ports;
    this.#handedOver = new HandedOver(ports.engine.supply);
  }

  /**
   * Takes in one message as the host gave it: JSON as an object, anything else as text. `queue` is where it came from;
   * undefined when a person typed it, and then nothing goes back to a queue. Errors: faults that are not the message's,
   * for which it shall be tried again.
   */
  async receive(message: unknown, queue: string | undefined): Promise<IngestOutcome> {
    let site: string | undefined;
    try {
      const signed = parseSigned(parseJson(message), 'delta', 'ranges');
      const signer = await this.#ports.keys.signerOf(signed);
      site = signer.site;
      if (signed.kind === 'ranges')
        return await receiveRanges(this.#ports, readPayload(signed, rangesMessageSchema), site);
      return await this.#receiveDelta(readPayload(signed, envelopeSchema), signer, queue);
    } catch (error) {
      if (!(error instanceof LeewardError)) throw error;
      if (error.code === 'VERSION_TOO_NEW' && queue !== undefined) return this.#postpone(message, queue, error);
      if (!MESSAGE_FAULTS.includes(error.code)) throw error;
      return this.#refuse(message, site, error);
    }
  }

  /** Whether a message that failed is worth another try: it is signed by its site, or only too new for this program. */
  async isSound(text: string): Promise<boolean> {
    try {
      const signed = parseSigned(parseJson(text), 'delta', 'ranges');
      await this.#ports.keys.signerOf(signed);
      readPayload<unknown>(signed, signed.kind === 'ranges' ? rangesMessageSchema : envelopeSchema);
      return true;
    } catch (error) {
      if (!(error instanceof LeewardError)) throw error;
      return error.retryHelps;
    }
  }

  /** Keeps aside a message that {@link isSound} is not true of, with the reason. */
  async setAside(body: string): Promise<void> {
    await this.receive(body, undefined);
  }

  async #receiveDelta(envelope: Envelope, site: SiteDocument, queue: string | undefined): Promise<IngestOutcome> {
    const volume = identifyVolume(envelope, site);
    const { engine } = this.#ports;
    return engine.withVolume(
      volume,
      async (advance, sent: Sent | undefined) => {
        const recalled = this.#recallFor(envelope, volume, sent);
        const seen = recalled ?? (await this.#lookOrAdmit(envelope, volume, site));
        checkSource(seen.held.value, envelope);
        return this.#decide(envelope, volume, { seen, isRecalled: recalled !== undefined, sent, go: advance });
      },
      async () => {
        const recalled = engine.recall(volume);
        return recalled && (await this.#handedOver.read(envelope, volume, recalled.held.value));
      },
      queue === QUEUES.bulk ? 'bulk' : 'deltas',
    );
  }

  /**
   * The state as it was left, where the delta seems to come next in it and is at hand: should that be wrong, nothing was
   * read for it in vain.
   */
  #recallFor({ inline, generation, number }: Envelope, volume: VolumeRef, sent: Sent | undefined): Seen | undefined {
    const recalled = this.#ports.engine.recall(volume);
    if (!recalled || (inline === undefined && !sent)) return undefined;
    const { current } = recalled.held.value;
    const isNext = generation === current && number === currentGeneration(recalled.held.value).tip.number + 1;
    return isNext ? recalled : undefined;
  }

  /** The volume's state; a volume that a rule admits begins with whichever of its deltas comes first. */
  async #lookOrAdmit(envelope: Envelope, volume: VolumeRef, site: SiteDocument): Promise<Seen> {
    const { engine, documents, clock } = this.#ports;
    try {
      return await engine.look(volume);
    } catch (error) {
      const { source } = envelope;
      if (source === undefined || !isLeewardError(error, 'NOT_FOUND')) throw error;
      await admit(documents, site, { volume, source, createdAtMs: clock.wallMs() });
      return await engine.look(volume);
    }
  }

  /** Does with the delta what its position on the chain asks for. */
  async #decide(
    envelope: Envelope,
    volume: VolumeRef,
    { seen, isRecalled, sent: ahead, go }: { seen: Seen; isRecalled: boolean; sent: Sent | undefined; go: Advance },
  ): Promise<IngestOutcome> {
    const { held } = seen;
    const advance: Advance = async (offered) => this.#advance(volume, go, offered);
    const sent = ahead ?? (await this.#handedOver.readOrAsk(envelope, volume, held.value));
    const { head } = sent.delta;
    const outcome = { volume: head.volume, number: head.number };
    const position = positionOf(held.value, head);
    const again = async (): Promise<IngestOutcome> =>
      this.#decide(envelope, volume, { seen: await this.#ports.engine.look(volume), isRecalled: false, sent, go });
    // Only what comes next may be tried on a state that others may have changed since.
    if (isRecalled && position.at !== 'next') return again();
    switch (position.at) {
      case 'refused':
        return this.#refuseDelta(volume, held.value, position);
      case 'passed':
        return this.#repeated(volume, held.value, sent, advance);
      case 'early':
        return { outcome: await this.#wait(volume, held.value, sent, advance), ...outcome };
      case 'next': {
        // What refers to content elsewhere waits until the engine has made it whole: that needs the state before it.
        if (sent.delta.outside.length > 0)
          return { outcome: await this.#wait(volume, held.value, sent, advance), ...outcome };
        const kept = await this.#handedOver.keep(volume, held.value, sent);
        const progress = await advance({ seen, kept });
        if (progress === 'not-taken') return again();
        return { outcome: progress === 'caught-up' ? 'applied' : 'durable', ...outcome };
      }
    }
  }

  /** Keeps a delta that cannot be taken as it is, and does what the state allows, which may be to take it after all. */
  async #wait(
    volume: VolumeRef,
    document: VolumeDocument,
    sent: Sent,
    advance: Advance,
  ): Promise<'applied' | 'durable' | 'early'> {
    const { generation, number } = sent.delta.head;
    const name = names.volume(volume);
    await this.#handedOver.keep(volume, document, sent);
    await this.#ports.documents.update(volumeKind, name, (now) => noteEarly(now, { generation, number }));
    await advance();
    const { value } = await this.#ports.documents.need(volumeKind, name);
    const { tip, applied } = currentGeneration(value);
    if (value.current !== generation || tip.number < number) return 'early';
    return applied.number < number ? 'durable' : 'applied';
  }

  /**
   * Does what the state allows. The delta of this message is durable by now: what keeps the volume from going on is not
   * the message's fault, and must not put it aside. A delta that is waited for is told by the volume's state.
   */
  async #advance(volume: VolumeRef, advance: Advance, offered: Parameters<Advance>[0]): Promise<Progress> {
    try {
      return await advance(offered);
    } catch (error) {
      if (isLeewardError(error, 'DELTA_INVALID')) return 'more';
      if (!isLeewardError(error, ...MESSAGE_FAULTS)) throw error;
      throw new LeewardError('UNAVAILABLE', `volume ${volumeId(volume)} cannot go on`, { cause: error });
    }
  }

  /** A number that the chain has: either its own delta once more, or another writer's. */
  async #repeated(volume: VolumeRef, document: VolumeDocument, sent: Sent, advance: Advance): Promise<IngestOutcome> {
    const { number, digest } = sent.delta.head;
    const own = await this.#ports.engine.supply.journal(volume, document).isOnChain({ number, digest });
    if (own === false) {
      const reason = `number: the chain has another delta ${number} than ${digest}`;
      return this.#refuseDelta(volume, document, { fork: true, reason });
    }
    if (isAskedFor(document, number) && sent.delta.outside.length === 0)
      await this.#handedOver.keep(volume, document, sent);
    await advance();
    return { outcome: 'repeated', volume: document.volume, number };
  }

  async #refuseDelta(
    volume: VolumeRef,
    document: VolumeDocument,
    refused: { readonly fork: boolean; readonly reason: string },
  ): Promise<never> {
    const message = `delta of ${document.volume} refused: ${refused.reason}`;
    if (refused.fork) {
      await this.#ports.documents.update(volumeKind, names.volume(volume), (now, { lastModifiedMs }) =>
        now.trouble?.message === message ? undefined : noteFork(now, { message, sinceMs: lastModifiedMs }),
      );
    }
    throw new LeewardError(refused.fork ? 'DELTA_FORKED' : 'REFUSED', message);
  }

  async #postpone(message: unknown, queue: string, error: LeewardError): Promise<IngestOutcome> {
    await this.#ports.queues.send(queue, textOf(message), { delayMs: TOO_NEW_DELAY_MS });
    return { outcome: 'waits', reason: error.message };
  }

  async #refuse(message: unknown, site: string | undefined, error: LeewardError): Promise<IngestOutcome> {
    const body = Buffer.from(textOf(message));
    const refusal = { site, body, code: error.code, reason: error.message, atMs: this.#ports.clock.wallMs() };
    return {
      outcome: 'set-aside',
      reason: error.message,
      aside: await setAside(this.#ports.entries, this.#ports.account, refusal),
    };
  }
}

/** What was typed or sent: the host gives JSON parsed, so it is written anew. Nothing typed is an empty text. */
function textOf(message: unknown): string {
  if (message === undefined) return '';
  return typeof message === 'string' ? message : JSON.stringify(message);
}

/** Text that is JSON, parsed as the host does it: so that what a person typed reads like what a site sent. */
function parseJson(message: unknown): unknown {
  if (typeof message !== 'string') return message;
  try {
    return JSON.parse(message);
  } catch {
    return message;
  }
}
