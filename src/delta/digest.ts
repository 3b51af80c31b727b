/**
 * The digest of a delta: its place in the chain and its logical content (docs/delta-format.md, "Digest").
 *
 * Invariants: the same pages set to the same bytes give the same digest, however they were cut, compressed or told to be
 * zeros; whatever else the digest covers has a fixed or stated length, so that no two deltas hash the same text. Memory
 * does not grow with what is fed.
 */
import { sha256, sha256Hex } from '../kernel/hash.ts';
import { PAGE_BYTES } from '../kernel/units.ts';
import type { DeltaIdentity } from './identity.ts';
import { CONSISTENCY, KIND } from './layout.ts';
import { isZeros } from './zeros.ts';

/** Of a delta without properties, and with them. */
const FIRST_LINE = { plain: 'leeward delta 1\n', withProperties: 'leeward delta 2\n' } as const;
/** Zeros are looked for in steps of this before page by page. */
const STEP_PAGES = 128;
const RUN_BYTES = 17;
/** Runs that are hashed at once. */
const RUNS_AT_ONCE = 256;

/**
 * Computes a digest from extents that are fed once each, in ascending order, as the format demands of them: offsets and
 * lengths are multiples of 512. It trusts its caller in this; the reader and the writer of deltas check it.
 */
export class DigestBuilder {
  readonly #content = sha256();
  readonly #runs = sha256();
  readonly #entries = Buffer.alloc(RUNS_AT_ONCE * RUN_BYTES);
  #entriesBytes = 0;
  #runCount = 0;
  #kind: number = KIND.zeros;
  #start = 0;
  #end = 0;

  /** Feeds pages with their bytes, which may be zeros too; `bytes` are not kept. */
  literal(offset: number, bytes: Uint8Array): void {
    let dataStart = -1;
    const step = STEP_PAGES * PAGE_BYTES;
    const dataUpTo = (end: number): void => {
      if (dataStart < 0) return;
      this.#content.update(bytes.subarray(dataStart, end));
      this.#run(KIND.literal, offset + dataStart, end - dataStart);
      dataStart = -1;
    };
    for (let at = 0; at < bytes.length; at += step) {
      const stop = Math.min(at + step, bytes.length);
      if (isZeros(bytes, at, stop)) {
        dataUpTo(at);
        this.#run(KIND.zeros, offset + at, stop - at);
        continue;
      }
      for (let page = at; page < stop; page += PAGE_BYTES) {
        if (isZeros(bytes, page, page + PAGE_BYTES)) {
          dataUpTo(page);
          this.#run(KIND.zeros, offset + page, PAGE_BYTES);
        } else if (dataStart < 0) {
          dataStart = page;
        }
      }
    }
    dataUpTo(bytes.length);
  }

  /** Feeds pages that become zeros. */
  zeros(offset: number, lengthBytes: number): void {
    this.#run(KIND.zeros, offset, lengthBytes);
  }

  /** The digest, 64 lower-case hexadecimal digits. To be called once, after the last extent. */
  finish(of: DeltaIdentity): string {
    this.#closeRun();
    this.#hashEntries();
    const { marker, properties } = of;
    return sha256()
      .update(properties === undefined ? FIRST_LINE.plain : FIRST_LINE.withProperties)
      .update(u16(of.volume.length))
      .update(of.volume)
      .update(u32(of.generation))
      .update(u32(of.term))
      .update(u32(of.number))
      .update(u64(of.volumeBytes))
      .update(Uint8Array.of(CONSISTENCY[marker?.consistency ?? 'none']))
      .update(u16(marker?.name.length ?? 0))
      .update(marker?.name ?? '')
      .update(u64(marker?.timeMs ?? 0))
      .update(Buffer.from(of.predecessor, 'hex'))
      .update(properties === undefined ? '' : Buffer.from(sha256Hex(properties), 'hex'))
      .update(u32(this.#runCount))
      .update(Buffer.from(this.#runs.hex(), 'hex'))
      .update(Buffer.from(this.#content.hex(), 'hex'))
      .hex();
  }

  /** Lengthens the present run where `offset` goes on with it, else begins the next. */
  #run(kind: number, offset: number, lengthBytes: number): void {
    if (kind !== this.#kind || offset !== this.#end) {
      this.#closeRun();
      this.#kind = kind;
      this.#start = offset;
    }
    this.#end = offset + lengthBytes;
  }

  #closeRun(): void {
    if (this.#end === this.#start) return;
    const at = this.#entriesBytes;
    this.#entries.writeUInt8(this.#kind, at);
    writeU64(this.#entries, this.#start, at + 1);
    writeU64(this.#entries, this.#end - this.#start, at + 9);
    this.#entriesBytes += RUN_BYTES;
    this.#runCount += 1;
    if (this.#entriesBytes === this.#entries.length) this.#hashEntries();
  }

  #hashEntries(): void {
    this.#runs.update(this.#entries.subarray(0, this.#entriesBytes));
    this.#entriesBytes = 0;
  }
}

function u16(value: number): Uint8Array {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}

function u32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function u64(value: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  writeU64(bytes, value, 0);
  return bytes;
}

/** In two halves: there are as many runs as extents, and a bigint for each would be garbage. */
function writeU64(into: Buffer, value: number, at: number): void {
  into.writeUInt32LE(value % 2 ** 32, at);
  into.writeUInt32LE(Math.floor(value / 2 ** 32), at + 4);
}
