/**
 * Making a delta.
 *
 * Invariants: whatever is written, the reader of the same program accepts: both check by the same rules and limits; the
 * digest is computed from what was given, not from what was stored. Deterministic, for one version of zstd.
 */
import { LeewardError } from '../kernel/errors.ts';
import type { DeltaPiece } from './delta.ts';
import { DigestBuilder } from './digest.ts';
import { checkExtent } from './extents.ts';
import type { DeltaExtent } from './extents.ts';
import { packFrame } from './frame.ts';
import type { PackedFrame } from './frame.ts';
import { headCrc, tablesAt } from './head.ts';
import { checkIdentity } from './identity.ts';
import type { DeltaIdentity, DeltaMarker } from './identity.ts';
import {
  AT,
  CONSISTENCY,
  DELTA_FORMAT,
  EXTENT_AT,
  EXTENT_ENTRY_BYTES,
  FRAME_AT,
  FRAME_ENTRY_BYTES,
  KIND,
  MAGIC,
  PROLOGUE_BYTES,
} from './layout.ts';
import { DELTA_LIMITS } from './limits.ts';
import { refuse } from './problem.ts';

/** Literal bytes that are gathered into a frame: enough for zstd to find what repeats, little to hold. */
export const FRAME_BYTES = 1024 * 1024;

/** zstd's own default. */
const ZSTD_LEVEL = 3;

/** What a delta is, as far as it is known before its content. */
export interface DeltaStart extends Omit<DeltaIdentity, 'marker'> {
  /** When the source was read, milliseconds since 1970 by the site's clock. */
  readonly sourceTimeMs: number;
}

/** A delta that was made. */
export interface EncodedDelta {
  readonly bytes: Uint8Array;
  readonly digest: string;
}

/** How to write it. */
export interface DeltaWriteOptions {
  /** 1 (fast) to 19 (small), or 0 for no compression. Default: 3. */
  readonly zstdLevel?: number;
}

/**
 * Makes a delta from pieces that come one by one, in ascending order. Holds what is stored so far and at most one frame
 * of literal bytes. A writer that threw is of no further use.
 */
export class DeltaWriter {
  readonly #start: DeltaStart;
  readonly #zstdLevel: number;
  readonly #digest = new DigestBuilder();
  readonly #extents: DeltaExtent[] = [];
  readonly #frames: PackedFrame[] = [];
  /** Literal bytes that wait for their frame to be full; made when the first come. */
  #gathered: Uint8Array | undefined;
  #gatheredBytes = 0;
  #storedBytes = 0;
  #literalBytes = 0;
  #end = 0;
  #finished = false;

  /** Throws DELTA_INVALID for an identity that no delta can have. */
  constructor(start: DeltaStart, options: DeltaWriteOptions = {}) {
    checkIdentity(start, refuseUnwritten);
    this.#start = start;
    this.#zstdLevel = options.zstdLevel ?? ZSTD_LEVEL;
    if (!Number.isInteger(this.#zstdLevel) || this.#zstdLevel < 0 || this.#zstdLevel > 19) {
      throw new LeewardError('USAGE', `zstd level ${this.#zstdLevel}: use 0 (none) to 19`);
    }
  }

  /** Literal bytes so far; at most {@link DELTA_LIMITS}.literalBytesMax. */
  get literalBytes(): number {
    return this.#literalBytes;
  }

  /** Extents so far, neighbours of one kind counted as one; at most {@link DELTA_LIMITS}.extentsMax. */
  get extentCount(): number {
    return this.#extents.length;
  }

  /** What the delta would have at most if it were finished now, whatever its marker. */
  get encodedBytes(): number {
    const texts = this.#start.volume.length + DELTA_LIMITS.markerNameBytesMax;
    const frameCount = this.#frames.length + (this.#gatheredBytes > 0 ? 1 : 0);
    return headLength(texts, frameCount, this.#extents.length) + this.#storedBytes + this.#gatheredBytes;
  }

  /**
   * Sets pages to `bytes`, which are copied. `offset` is not before the end of what was added last; both are multiples of
   * 512. Throws DELTA_INVALID: out of order, out of the volume, or beyond a limit (begin the next delta before that).
   */
  literal(offset: number, bytes: Uint8Array): void {
    const literalBytes = this.#literalBytes + bytes.length;
    if (literalBytes > DELTA_LIMITS.literalBytesMax) {
      const problem = `${literalBytes} literal bytes are above the limit of ${DELTA_LIMITS.literalBytesMax} (literalBytesMax)`;
      refuse({ field: 'extent table', problem });
    }
    this.#add({ kind: 'literal', offset, lengthBytes: bytes.length });
    this.#literalBytes = literalBytes;
    this.#digest.literal(offset, bytes);
    const gathered = (this.#gathered ??= new Uint8Array(FRAME_BYTES));
    for (let done = 0; done < bytes.length;) {
      const take = Math.min(bytes.length - done, FRAME_BYTES - this.#gatheredBytes);
      gathered.set(bytes.subarray(done, done + take), this.#gatheredBytes);
      this.#gatheredBytes += take;
      done += take;
      if (this.#gatheredBytes === FRAME_BYTES) this.#closeFrame();
    }
  }

  /** Sets pages to zeros. As {@link literal}. */
  zeros(offset: number, lengthBytes: number): void {
    this.#add({ kind: 'zeros', offset, lengthBytes });
    this.#digest.zeros(offset, lengthBytes);
  }

  /** The delta, with its marker if it has one. To be called once. Throws DELTA_INVALID for a marker of a wrong form. */
  finish(end: { readonly marker?: DeltaMarker | undefined } = {}): EncodedDelta {
    this.#open();
    this.#finished = true;
    const identity = { ...this.#start, marker: end.marker };
    checkIdentity(identity, refuseUnwritten);
    this.#closeFrame();
    const digest = this.#digest.finish(identity);
    const texts = identity.volume + (identity.marker?.name ?? '');
    const headBytes = headLength(texts.length, this.#frames.length, this.#extents.length);
    const bytes = new Uint8Array(headBytes + this.#storedBytes);
    const head = bytes.subarray(0, headBytes);
    this.#writePrologue(head, { ...identity, digest, totalBytes: bytes.length });
    head.set(Buffer.from(texts, 'latin1'), PROLOGUE_BYTES);
    this.#writeTables(head, tablesAt(texts.length));
    put(head).setUint32(AT.headCrc, headCrc(head), true);
    let at = headBytes;
    for (const { stored } of this.#frames) {
      bytes.set(stored, at);
      at += stored.length;
    }
    return { bytes, digest };
  }

  #add(extent: DeltaExtent): void {
    this.#open();
    const last = this.#extents.at(-1);
    const index = this.#extents.length;
    checkExtent(extent, { index, endBefore: this.#end, volumeBytes: this.#start.volumeBytes }, refuseUnwritten);
    this.#end = extent.offset + extent.lengthBytes;
    if (last?.kind === extent.kind && last.offset + last.lengthBytes === extent.offset) {
      this.#extents[index - 1] = { ...last, lengthBytes: last.lengthBytes + extent.lengthBytes };
      return;
    }
    if (index === DELTA_LIMITS.extentsMax) {
      refuse({ field: 'extent count', problem: `above the limit of ${DELTA_LIMITS.extentsMax} (extentsMax)` });
    }
    this.#extents.push(extent);
  }

  #open(): void {
    if (this.#finished) refuse({ field: 'delta', problem: 'it is finished already; make a writer for the next' });
  }

  #closeFrame(): void {
    if (this.#gathered === undefined || this.#gatheredBytes === 0) return;
    const frame = packFrame(this.#gathered.subarray(0, this.#gatheredBytes), this.#zstdLevel);
    this.#frames.push(frame);
    this.#storedBytes += frame.stored.length;
    this.#gatheredBytes = 0;
  }

  #writePrologue(
    head: Uint8Array,
    of: DeltaIdentity & { sourceTimeMs: number; digest: string; totalBytes: number },
  ): void {
    const view = put(head);
    head.set(MAGIC, AT.magic);
    view.setUint16(AT.formatVersion, DELTA_FORMAT, true);
    view.setUint16(AT.oldestReader, DELTA_FORMAT, true);
    view.setUint32(AT.headBytes, head.length, true);
    view.setBigUint64(AT.totalBytes, BigInt(of.totalBytes), true);
    view.setUint32(AT.generation, of.generation, true);
    view.setUint32(AT.term, of.term, true);
    view.setUint32(AT.number, of.number, true);
    view.setUint32(AT.frameCount, this.#frames.length, true);
    view.setUint32(AT.extentCount, this.#extents.length, true);
    view.setUint16(AT.volumeIdBytes, of.volume.length, true);
    view.setUint16(AT.markerNameBytes, of.marker?.name.length ?? 0, true);
    view.setBigUint64(AT.volumeBytes, BigInt(of.volumeBytes), true);
    head.set(Buffer.from(of.predecessor, 'hex'), AT.predecessor);
    head.set(Buffer.from(of.digest, 'hex'), AT.digest);
    view.setUint8(AT.markerConsistency, CONSISTENCY[of.marker?.consistency ?? 'none']);
    view.setBigUint64(AT.markerTimeMs, BigInt(of.marker?.timeMs ?? 0), true);
    view.setBigUint64(AT.sourceTimeMs, BigInt(of.sourceTimeMs), true);
  }

  #writeTables(head: Uint8Array, tableAt: number): void {
    const view = put(head);
    let at = tableAt;
    for (const frame of this.#frames) {
      view.setUint8(at + FRAME_AT.compression, frame.compression);
      view.setUint32(at + FRAME_AT.crc, frame.crc, true);
      view.setUint32(at + FRAME_AT.storedBytes, frame.stored.length, true);
      view.setUint32(at + FRAME_AT.rawBytes, frame.rawBytes, true);
      at += FRAME_ENTRY_BYTES;
    }
    for (const extent of this.#extents) {
      view.setBigUint64(at + EXTENT_AT.offset, BigInt(extent.offset), true);
      view.setBigUint64(at + EXTENT_AT.length, BigInt(extent.lengthBytes), true);
      view.setUint8(at + EXTENT_AT.kind, KIND[extent.kind]);
      at += EXTENT_ENTRY_BYTES;
    }
  }
}

/**
 * Makes a delta from pieces that are all there, in ascending order: {@link DeltaWriter} in one call. Throws DELTA_INVALID
 * for what no delta can be, naming the field.
 */
export function encodeDelta(
  of: DeltaStart & { readonly marker?: DeltaMarker | undefined; readonly extents: Iterable<DeltaPiece> },
  options: DeltaWriteOptions = {},
): EncodedDelta {
  const { marker, extents, ...start } = of;
  const writer = new DeltaWriter(start, options);
  for (const piece of extents) {
    if ('zerosBytes' in piece) writer.zeros(piece.offset, piece.zerosBytes);
    else writer.literal(piece.offset, piece.bytes);
  }
  return writer.finish({ marker });
}

function headLength(textBytes: number, frameCount: number, extentCount: number): number {
  return tablesAt(textBytes) + frameCount * FRAME_ENTRY_BYTES + extentCount * EXTENT_ENTRY_BYTES;
}

/** A delta that is being made has no offsets yet. */
function refuseUnwritten(problem: Parameters<typeof refuse>[0]): never {
  return refuse({ ...problem, at: undefined });
}

function put(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
