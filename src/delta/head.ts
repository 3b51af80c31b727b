/**
 * The head of a delta, read.
 *
 * Invariants: nothing is believed before it was checked: the CRC before the versions, the limits before the tables, so
 * that damage is never taken for novelty and a lying count costs nothing; the reader of a whole delta and the description
 * of a broken one go through the same code.
 */
import { crc32 } from 'node:zlib';
import { PAGE_BYTES, roundUp } from '../kernel/units.ts';
import { checkExtent } from './extents.ts';
import type { DeltaExtent } from './extents.ts';
import type { DeltaFrame } from './frame.ts';
import { checkIdentity } from './identity.ts';
import type { DeltaIdentity, DeltaMarker } from './identity.ts';
import {
  AT,
  COMPRESSION,
  CONSISTENCY,
  DELTA_FORMAT,
  EXTENT_AT,
  EXTENT_ENTRY_BYTES,
  FRAME_AT,
  FRAME_ENTRY_BYTES,
  KIND,
  MAGIC,
  PROLOGUE_BYTES,
  TABLE_ALIGNMENT,
} from './layout.ts';
import { DELTA_LIMITS } from './limits.ts';
import { refuse } from './problem.ts';
import type { Report } from './problem.ts';

/** What a delta's head says. */
export interface DeltaHead extends DeltaIdentity {
  readonly formatVersion: number;
  readonly oldestReader: number;
  /** Digest that the delta states for itself; only `checkDelta` has compared it. */
  readonly digest: string;
  /** When the source was read, milliseconds since 1970 by the site's clock. Under no digest. */
  readonly sourceTimeMs: number;
  /** Offset of the first frame's stored bytes. */
  readonly headBytes: number;
  readonly totalBytes: number;
  readonly frameCount: number;
  readonly extentCount: number;
  /** Sum of all frames' raw bytes. */
  readonly literalBytes: number;
}

/** A head with its tables. */
export interface HeadAndTables {
  readonly head: DeltaHead;
  readonly frames: readonly DeltaFrame[];
  readonly extents: readonly DeltaExtent[];
}

/**
 * Reads the head of a delta from `bytes`, which hold at least all of the head: enough to know whose it is and which
 * number it has before the rest was fetched. Nothing of `bytes` is kept.
 *
 * Throws DELTA_INVALID with one line that names the field and its offset; VERSION_TOO_NEW if a newer program can read it.
 */
export function parseHead(bytes: Uint8Array): DeltaHead {
  return (readHead(bytes, refuse) ?? refuse({ field: 'head', at: 0, problem: 'cannot be read' })).head;
}

/** Length of the head up to the end of the texts, with padding: where the frame table begins. */
export function tablesAt(textBytes: number): number {
  return roundUp(PROLOGUE_BYTES + textBytes, TABLE_ALIGNMENT);
}

/** CRC-32 of a head, with its own field taken as zeros. */
export function headCrc(head: Uint8Array): number {
  const before = crc32(head.subarray(0, AT.headCrc));
  return crc32(head.subarray(AT.headCrc + 4), crc32(new Uint8Array(4), before));
}

/** Reads the head and its tables, reporting every fault; undefined where a fault leaves nothing to go on with. */
export function readHead(bytes: Uint8Array, report: Report): HeadAndTables | undefined {
  if (bytes.length < PROLOGUE_BYTES) {
    report({ field: 'prologue', at: 0, problem: `cut short: ${bytes.length} of ${PROLOGUE_BYTES} bytes` });
    return undefined;
  }
  if (MAGIC.some((byte, at) => bytes[at] !== byte)) {
    report({ field: 'magic', at: AT.magic, problem: 'this is no delta' });
    return undefined;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const headBytes = view.getUint32(AT.headBytes, true);
  if (headBytes < PROLOGUE_BYTES || headBytes > bytes.length) {
    const problem = `${headBytes}, but there are ${bytes.length} bytes, the first ${PROLOGUE_BYTES} of the head`;
    report({ field: 'head bytes', at: AT.headBytes, problem });
    return undefined;
  }
  const stated = view.getUint32(AT.headCrc, true);
  const computed = headCrc(bytes.subarray(0, headBytes));
  if (stated !== computed) {
    const problem = `0x${stated.toString(16)}, but the ${headBytes} bytes of the head give 0x${computed.toString(16)}`;
    report({ field: 'head CRC', at: AT.headCrc, problem });
  }
  const formatVersion = view.getUint16(AT.formatVersion, true);
  const oldestReader = view.getUint16(AT.oldestReader, true);
  if (oldestReader < 1 || oldestReader > formatVersion) {
    const problem = `${oldestReader} is not 1 to the format version, ${formatVersion}`;
    report({ field: 'oldest reader', at: AT.oldestReader, problem });
  } else if (oldestReader > DELTA_FORMAT) {
    const problem = `needs format ${oldestReader} and this program knows ${DELTA_FORMAT}: update Leeward here`;
    report({ field: 'oldest reader', at: AT.oldestReader, problem, tooNew: true });
    return undefined;
  }
  return new HeadReader(bytes.subarray(0, headBytes), formatVersion <= DELTA_FORMAT, report).read({
    formatVersion,
    oldestReader,
  });
}

/** Reads fields from a head of a known version whose length is certain. */
class HeadReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #report: Report;
  /** False for a newer version that this program may read: there, what is reserved here may mean something. */
  readonly #known: boolean;

  constructor(head: Uint8Array, known: boolean, report: Report) {
    this.#bytes = head;
    this.#view = new DataView(head.buffer, head.byteOffset, head.length);
    this.#known = known;
    this.#report = report;
  }

  read(versions: { formatVersion: number; oldestReader: number }): HeadAndTables | undefined {
    const totalBytes = this.#u64(AT.totalBytes, 'total bytes');
    if (totalBytes > DELTA_LIMITS.encodedBytesMax) {
      const problem = `${totalBytes} is above the limit of ${DELTA_LIMITS.encodedBytesMax} (encodedBytesMax)`;
      this.#report({ field: 'total bytes', at: AT.totalBytes, problem });
    }
    const frameCount = this.#count('frame count', AT.frameCount, { max: DELTA_LIMITS.framesMax, name: 'framesMax' });
    const extentCount = this.#count('extent count', AT.extentCount, {
      max: DELTA_LIMITS.extentsMax,
      name: 'extentsMax',
    });
    if (frameCount === undefined || extentCount === undefined) return undefined;
    const volumeIdBytes = this.#u16(AT.volumeIdBytes);
    const markerNameBytes = this.#u16(AT.markerNameBytes);
    const framesAt = tablesAt(volumeIdBytes + markerNameBytes);
    const extentsAt = framesAt + frameCount * FRAME_ENTRY_BYTES;
    const end = extentsAt + extentCount * EXTENT_ENTRY_BYTES;
    const headBytes = this.#bytes.length;
    if (headBytes < end || (this.#known && headBytes > end)) {
      const problem = `${headBytes}, but texts and tables end at ${end}`;
      this.#report({ field: 'head bytes', at: AT.headBytes, problem });
      if (headBytes < end) return undefined;
    }
    const textsEnd = PROLOGUE_BYTES + volumeIdBytes + markerNameBytes;
    this.#zeros('reserved', AT.reservedA, AT.markerTimeMs);
    this.#zeros('reserved', AT.reservedB, AT.headCrc);
    this.#zeros('padding', textsEnd, framesAt);

    const identity = {
      volume: this.#text(PROLOGUE_BYTES, volumeIdBytes),
      generation: this.#u32(AT.generation),
      term: this.#u32(AT.term),
      number: this.#u32(AT.number),
      volumeBytes: this.#u64(AT.volumeBytes, 'volume bytes'),
      predecessor: this.#digest(AT.predecessor),
      marker: this.#marker(this.#text(textsEnd - markerNameBytes, markerNameBytes)),
      sourceTimeMs: this.#u64(AT.sourceTimeMs, 'source time'),
    };
    checkIdentity(identity, this.#report);
    const { frames, rawBytes, storedBytes } = this.#frames(framesAt, frameCount);
    const { extents, literalBytes } = this.#extents(extentsAt, extentCount, identity.volumeBytes);
    if (rawBytes > DELTA_LIMITS.literalBytesMax) {
      const problem = `${rawBytes} raw bytes in all, above the limit of ${DELTA_LIMITS.literalBytesMax} (literalBytesMax)`;
      this.#report({ field: 'frame table', at: framesAt, problem });
    }
    if (literalBytes !== rawBytes) {
      const problem = `${literalBytes} literal bytes in all, but the frames hold ${rawBytes}`;
      this.#report({ field: 'extent table', at: extentsAt, problem });
    }
    if (totalBytes !== headBytes + storedBytes) {
      const problem = `${totalBytes}, but a head of ${headBytes} and ${storedBytes} stored bytes make ${headBytes + storedBytes}`;
      this.#report({ field: 'total bytes', at: AT.totalBytes, problem });
    }
    const digest = this.#digest(AT.digest);
    const sizes = { headBytes, totalBytes, frameCount, extentCount, literalBytes: rawBytes };
    return { head: { ...versions, ...identity, digest, ...sizes }, frames, extents };
  }

  #frames(tableAt: number, count: number): { frames: DeltaFrame[]; rawBytes: number; storedBytes: number } {
    const frames: DeltaFrame[] = [];
    let rawSum = 0;
    let storedSum = 0;
    for (let index = 0; index < count; index += 1) {
      const entryAt = tableAt + index * FRAME_ENTRY_BYTES;
      const fault = (field: keyof typeof FRAME_AT, name: string, problem: string): void => {
        this.#report({ field: `frame ${index}, ${name}`, at: entryAt + FRAME_AT[field], problem });
      };
      const number = this.#u8(entryAt + FRAME_AT.compression);
      const compression = number === COMPRESSION.none ? 'none' : number === COMPRESSION.zstd ? 'zstd' : undefined;
      const storedBytes = this.#u32(entryAt + FRAME_AT.storedBytes);
      const rawBytes = this.#u32(entryAt + FRAME_AT.rawBytes);
      this.#zeros(`frame ${index}, reserved`, entryAt + FRAME_AT.reserved, entryAt + FRAME_AT.crc);
      if (storedBytes === 0) fault('storedBytes', 'stored bytes', '0: a frame holds something');
      if (rawBytes === 0 || rawBytes % PAGE_BYTES !== 0 || rawBytes > DELTA_LIMITS.frameRawBytesMax) {
        const limit = `${DELTA_LIMITS.frameRawBytesMax} (frameRawBytesMax)`;
        fault('rawBytes', 'raw bytes', `${rawBytes} is no multiple of ${PAGE_BYTES} from ${PAGE_BYTES} to ${limit}`);
      } else if (compression === 'none' && rawBytes !== storedBytes) {
        fault('rawBytes', 'raw bytes', `${rawBytes}, but ${storedBytes} are stored, uncompressed`);
      }
      if (compression === undefined) {
        fault('compression', 'compression', `${number} is neither 0 (none) nor 1 (zstd)`);
      } else {
        const crc = this.#u32(entryAt + FRAME_AT.crc);
        const at = this.#bytes.length + storedSum;
        frames.push({ index, compression, crc, storedBytes, rawBytes, entryAt, at });
      }
      rawSum += rawBytes;
      storedSum += storedBytes;
    }
    return { frames, rawBytes: rawSum, storedBytes: storedSum };
  }

  #extents(tableAt: number, count: number, volumeBytes: number): { extents: DeltaExtent[]; literalBytes: number } {
    const extents: DeltaExtent[] = [];
    let literalBytes = 0;
    let endBefore = 0;
    for (let index = 0; index < count; index += 1) {
      const at = tableAt + index * EXTENT_ENTRY_BYTES;
      const offset = this.#u64(at + EXTENT_AT.offset, `extent ${index}, offset`);
      const lengthBytes = this.#u64(at + EXTENT_AT.length, `extent ${index}, length`);
      checkExtent({ offset, lengthBytes }, { index, endBefore, volumeBytes, at }, this.#report);
      this.#zeros(`extent ${index}, reserved`, at + EXTENT_AT.reserved, at + EXTENT_ENTRY_BYTES);
      const number = this.#u8(at + EXTENT_AT.kind);
      const kind = number === KIND.literal ? 'literal' : number === KIND.zeros ? 'zeros' : undefined;
      if (kind === undefined) {
        const problem = `${number} is neither 0 (literal) nor 1 (zeros)`;
        this.#report({ field: `extent ${index}, kind`, at: at + EXTENT_AT.kind, problem });
      } else {
        extents.push({ kind, offset, lengthBytes });
      }
      if (kind === 'literal') literalBytes += lengthBytes;
      endBefore = offset + lengthBytes;
    }
    return { extents, literalBytes };
  }

  #marker(name: string): DeltaMarker | undefined {
    const number = this.#u8(AT.markerConsistency);
    const timeMs = this.#u64(AT.markerTimeMs, 'marker time');
    switch (number) {
      case CONSISTENCY.crash:
        return { name, consistency: 'crash', timeMs };
      case CONSISTENCY.application:
        return { name, consistency: 'application', timeMs };
      case CONSISTENCY.none: {
        const problem = 'there is no marker, so 0 is due';
        if (name !== '') this.#report({ field: 'marker name bytes', at: AT.markerNameBytes, problem });
        if (timeMs !== 0) this.#report({ field: 'marker time', at: AT.markerTimeMs, problem });
        return undefined;
      }
      default:
        this.#report({ field: 'marker consistency', at: AT.markerConsistency, problem: `${number} is not 0, 1 or 2` });
        return undefined;
    }
  }

  #count(field: string, at: number, limit: { max: number; name: string }): number | undefined {
    const count = this.#u32(at);
    if (count <= limit.max) return count;
    this.#report({ field, at, problem: `${count} is above the limit of ${limit.max} (${limit.name})` });
    return undefined;
  }

  #zeros(field: string, start: number, end: number): void {
    if (!this.#known) return;
    for (let at = start; at < end; at += 1) {
      const byte = this.#u8(at);
      if (byte !== 0) this.#report({ field, at, problem: `byte is ${byte}, but has to be 0` });
    }
  }

  #u8(at: number): number {
    return this.#view.getUint8(at);
  }

  #u16(at: number): number {
    return this.#view.getUint16(at, true);
  }

  #u32(at: number): number {
    return this.#view.getUint32(at, true);
  }

  #u64(at: number, field: string): number {
    const value = this.#u32(at) + this.#u32(at + 4) * 2 ** 32;
    if (!Number.isSafeInteger(value)) this.#report({ field, at, problem: 'above 2^53 - 1' });
    return value;
  }

  #text(at: number, lengthBytes: number): string {
    return Buffer.from(this.#bytes.subarray(at, at + lengthBytes)).toString('latin1');
  }

  #digest(at: number): string {
    return Buffer.from(this.#bytes.subarray(at, at + 32)).toString('hex');
  }
}
