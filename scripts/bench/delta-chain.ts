/** A chain of deltas that the bench makes itself, as a site would: each with a marker, and its signed envelope. */
import type { DeltaPiece } from '../../src/delta/delta.ts';
import { encodeDelta } from '../../src/delta/write.ts';
import { NO_DIGEST } from '../../src/kernel/hash.ts';
import { parseVolume } from '../../src/kernel/ids.ts';
import { journalEntry } from '../../src/kernel/names.ts';
import { INLINE_BYTES_MAX } from '../../src/protocol/envelope.ts';
import { sign } from '../../src/protocol/signed.ts';
import type { SignedMessage, SigningKey } from '../../src/protocol/signed.ts';

export interface ChainDelta {
  readonly number: number;
  readonly bytes: Uint8Array;
  /** Name of its journal entry; undefined where it travels inline. */
  readonly entry: string | undefined;
  readonly message: SignedMessage;
}

export interface ChainOptions {
  readonly volume: string;
  readonly volumeBytes: number;
  readonly key: SigningKey;
}

export class DeltaChain {
  readonly #options: ChainOptions;
  #last = { number: 0, digest: NO_DIGEST };

  constructor(options: ChainOptions) {
    this.#options = options;
  }

  /** The next delta of the chain. */
  next(extents: Iterable<DeltaPiece>, write: { readonly zstdLevel?: number } = {}): ChainDelta {
    const { key, volume, volumeBytes } = this.#options;
    const identity = { volume, generation: 1, term: 1, number: this.#last.number + 1 };
    const timeMs = Date.now();
    const marker = { name: `p-${identity.number}`, consistency: 'crash' as const, timeMs };
    const start = { ...identity, volumeBytes, predecessor: this.#last.digest, sourceTimeMs: timeMs };
    const { bytes, digest } = encodeDelta({ ...start, marker, extents }, write);
    this.#last = { number: identity.number, digest };
    const claims = { ...identity, digest, sizeBytes: bytes.length };
    const isInline = bytes.length <= INLINE_BYTES_MAX;
    const entry = isInline ? undefined : journalEntry(parseVolume(volume), { ...claims, form: 'literal-1' });
    const where = entry === undefined ? { inline: Buffer.from(bytes).toString('base64') } : { entry };
    return { number: identity.number, bytes, entry, message: sign(key, 'delta', { ...claims, ...where }) };
  }
}
