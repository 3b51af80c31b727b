/**
 * Making a delta.
 *
 * Invariants: whatever is written, the reader of the same program accepts, and one with the lower limits that were given: both
 * check by the same rules and limits; the digest is computed from what was given, not from what was stored. Deterministic, for
 * one version of zstd.
 */
import { LeewardError } from '../kernel/errors.ts';
import { sha256Hex } from '../kernel/hash.ts';
import { DigestBuilder } from './digest.ts';
import { encodeParts, headLength } from './encode.ts';
import { checkExtent, checkReference, isSource } from './extents.ts';
import type { DeltaExtent, JournalExtent, OwnExtent, PlainExtent, PriorExtent } from './extents.ts';
import { packFrame } from './frame.ts';
import type { FrameCompression, PackedFrame } from './frame.ts';
import { checkIdentity } from './identity.ts';
import type { DeltaIdentity, DeltaMarker } from './identity.ts';
import { DELTA_LIMITS } from './limits.ts';
import type { DeltaLimits } from './limits.ts';
import type { DeltaPiece } from './pieces.ts';
import { countPriorReads } from './prior-reads.ts';
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
  /** How frames are stored that get smaller by it. Default: zstd. */
  readonly frameCompression?: FrameCompression;
  /** 1 (fast) to 19 (small), or 0 for no compression. Default: 3. */
  readonly zstdLevel?: number;
  /** What its reader takes. Default: all that the format allows. */
  readonly limits?: DeltaLimits;
}

/** Literal bytes of another delta of the site. */
export interface JournalPlace {
  /** Name of a journal entry of the form `literal-N`. */
  readonly entry: string;
  /** Position in its literal bytes, a multiple of 512. */
  readonly at: number;
}

/**
 * Makes a delta from pieces that come one by one, in ascending order. Holds what is stored so far and at most one frame
 * of literal bytes. A writer that threw is of no further use.
 */
export class DeltaWriter {
  readonly #start: DeltaStart;
  readonly #limits: DeltaLimits;
  readonly #packing: { readonly compression: FrameCompression; readonly zstdLevel: number };
  readonly #digest = new DigestBuilder();
  readonly #extents: DeltaExtent[] = [];
  readonly #frames: PackedFrame[] = [];
  /** Literal bytes that wait for their frame to be full; made when the first come. */
  #gathered: Uint8Array | undefined;
  #gatheredBytes = 0;
  /** Literal bytes that are in frames by now, and what they are stored as. */
  #framedBytes = 0;
  #storedBytes = 0;
  #literalBytes = 0;
  #referencedBytes = 0;
  #referenceCount = 0;
  readonly #sources = new Set<string>();
  #sourcesBytes = 0;
  #end = 0;
  #finished = false;

  /** Throws DELTA_INVALID for an identity that no delta can have. */
  constructor(start: DeltaStart, options: DeltaWriteOptions = {}) {
    this.#limits = options.limits ?? DELTA_LIMITS;
    checkWritten(start, this.#limits);
    this.#start = start;
    const zstdLevel = options.zstdLevel ?? ZSTD_LEVEL;
    if (!Number.isInteger(zstdLevel) || zstdLevel < 0 || zstdLevel > 19) {
      throw new LeewardError('USAGE', `zstd level ${zstdLevel}: use 0 (none) to 19`);
    }
    const compression = options.frameCompression ?? 'zstd';
    this.#packing = { compression: compression === 'zstd' && zstdLevel === 0 ? 'none' : compression, zstdLevel };
  }

  /** Literal bytes so far: the position that the next ones will have. */
  get literalBytes(): number {
    return this.#literalBytes;
  }

  /** Literal and referenced bytes so far; at most the limit contentBytesMax. */
  get contentBytes(): number {
    return this.#literalBytes + this.#referencedBytes;
  }

  /** Extents so far, neighbouring literals or zeros counted as one; at most the limit extentsMax. */
  get extentCount(): number {
    return this.#extents.length;
  }

  /** Journal entries referred to so far; at most the limit sourcesMax. */
  get sourceCount(): number {
    return this.#sources.size;
  }

  /** What the delta would have at most if it were finished now, whatever its marker. */
  get encodedBytes(): number {
    const frameCount = this.#frames.length + (this.#gatheredBytes > 0 ? 1 : 0);
    const markerNameBytes = this.#limits.markerNameBytesMax;
    return this.#headBytes({ frameCount, markerNameBytes }) + this.#storedBytes + this.#gatheredBytes;
  }

  /**
   * Sets pages to `bytes`, which are copied. `offset` is not before the end of what was added last; both are multiples of
   * 512. Throws DELTA_INVALID: out of order, out of the volume; LIMIT_EXCEEDED: begin the next delta before that.
   */
  literal(offset: number, bytes: Uint8Array): void {
    this.#checkRoom(bytes.length);
    this.#addPlain({ kind: 'literal', offset, lengthBytes: bytes.length });
    this.#literalBytes += bytes.length;
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
    this.#addPlain({ kind: 'zeros', offset, lengthBytes });
    this.#digest.zeros(offset, lengthBytes);
  }

  /**
   * Sets pages to `content`, which this delta's literal bytes have from position `at` on. The caller vouches for that, as
   * for the content of the other references: a reader refuses, or asks for it as literal bytes, where it is not so.
   * Position and limits are checked as in {@link literal}.
   */
  own(offset: number, at: number, content: Uint8Array): void {
    this.#addReference({ kind: 'own', offset, lengthBytes: content.length, at, sha256: sha256Hex(content) }, content);
  }

  /** Sets pages to `content`, which the volume's state before this delta has from offset `at` on. As {@link own}. */
  prior(offset: number, at: number, content: Uint8Array): void {
    this.#addReference({ kind: 'prior', offset, lengthBytes: content.length, at, sha256: sha256Hex(content) }, content);
  }

  /**
   * Sets pages to `content`, which the literal bytes of another delta of the same site have, as its journal entry holds
   * them. As {@link own}; throws DELTA_INVALID too for an entry of another form, LIMIT_EXCEEDED for one source too many.
   */
  journal(offset: number, { entry, at }: JournalPlace, content: Uint8Array): void {
    if (!isSource(entry)) {
      refuse({ field: 'source', problem: 'not the name of a journal entry of the form literal-N' });
    }
    if (!this.#sources.has(entry) && this.#sources.size >= this.#limits.sourcesMax) {
      const problem = `above the limit of ${this.#limits.sourcesMax} (sourcesMax)`;
      refuse({ field: 'source count', problem, beyondLimit: true });
    }
    const reference = { offset, lengthBytes: content.length, at, sha256: sha256Hex(content) };
    this.#addReference({ kind: 'journal', ...reference, source: entry }, content);
    if (this.#sources.has(entry)) return;
    this.#sources.add(entry);
    this.#sourcesBytes += 1 + entry.length;
  }

  /**
   * The delta, with its marker if it has one. To be called once. Throws DELTA_INVALID for a marker of a wrong form,
   * LIMIT_EXCEEDED where prior references take too many reads, or a lowered limit of bytes or frames is exceeded.
   */
  finish(end: { readonly marker?: DeltaMarker | undefined } = {}): EncodedDelta {
    this.#open();
    this.#finished = true;
    const identity = { ...this.#start, marker: end.marker };
    checkWritten(identity, this.#limits);
    this.#checkReads();
    this.#closeFrame();
    const digest = this.#digest.finish(identity);
    const sources = [...this.#sources];
    const bytes = encodeParts({ identity, digest, frames: this.#frames, extents: this.#extents, sources });
    this.#checkCount('total bytes', bytes.length, 'encodedBytesMax');
    this.#checkCount('frame count', this.#frames.length, 'framesMax');
    return { bytes, digest };
  }

  /** Neighbours become one extent. */
  #addPlain(extent: PlainExtent): void {
    this.#check(extent);
    const last = this.#extents.at(-1);
    if (last?.kind === extent.kind && last.offset + last.lengthBytes === extent.offset) {
      this.#extents[this.#extents.length - 1] = { ...last, lengthBytes: last.lengthBytes + extent.lengthBytes };
    } else {
      this.#push(extent);
    }
    this.#end = extent.offset + extent.lengthBytes;
  }

  #addReference(extent: OwnExtent | PriorExtent | JournalExtent, content: Uint8Array): void {
    this.#checkRoom(content.length);
    this.#check(extent);
    const where = { index: this.#extents.length, literalBytes: this.#literalBytes };
    checkReference(extent, where, this.#limits, refuse);
    this.#push(extent);
    this.#end = extent.offset + extent.lengthBytes;
    this.#referencedBytes += content.length;
    this.#referenceCount += 1;
    this.#digest.literal(extent.offset, content);
  }

  #check(extent: DeltaExtent): void {
    this.#open();
    const { volumeBytes } = this.#start;
    checkExtent(extent, { index: this.#extents.length, endBefore: this.#end, volumeBytes }, refuse);
  }

  #push(extent: DeltaExtent): void {
    this.#checkCount('extent count', this.#extents.length + 1, 'extentsMax');
    this.#extents.push(extent);
  }

  #checkRoom(moreBytes: number): void {
    const contentBytes = this.contentBytes + moreBytes;
    if (contentBytes <= this.#limits.contentBytesMax) return;
    const limit = `${this.#limits.contentBytesMax} (contentBytesMax)`;
    const problem = `${contentBytes} bytes of content are above the limit of ${limit}`;
    refuse({ field: 'extent table', problem, beyondLimit: true });
  }

  #checkReads(): void {
    const reads = countPriorReads(this.#extents);
    if (reads <= this.#limits.priorReadsMax) return;
    const problem = `${reads} reads of the state before are above the limit of ${this.#limits.priorReadsMax} (priorReadsMax)`;
    refuse({ field: 'reference table', problem, beyondLimit: true });
  }

  #checkCount(field: string, count: number, limit: keyof DeltaLimits): void {
    if (count <= this.#limits[limit]) return;
    refuse({ field, problem: `${count} is above the limit of ${this.#limits[limit]} (${limit})`, beyondLimit: true });
  }

  #headBytes({ frameCount, markerNameBytes }: { frameCount: number; markerNameBytes: number }): number {
    return headLength({
      textBytes: this.#start.volume.length + markerNameBytes,
      frameCount,
      extentCount: this.#extents.length,
      referenceCount: this.#referenceCount,
      sourcesBytes: this.#sourcesBytes,
      propertiesBytes: Buffer.byteLength(this.#start.properties ?? ''),
    });
  }

  #open(): void {
    if (this.#finished) refuse({ field: 'delta', problem: 'it is finished already; make a writer for the next' });
  }

  #closeFrame(): void {
    if (this.#gathered === undefined || this.#gatheredBytes === 0) return;
    const raw = this.#gathered.subarray(0, this.#gatheredBytes);
    const packed = packFrame(raw, this.#packing);
    const frame = this.#isTooDense(packed) ? packFrame(raw, { ...this.#packing, compression: 'none' }) : packed;
    this.#frames.push(frame);
    this.#framedBytes += frame.rawBytes;
    this.#storedBytes += frame.stored.length;
    this.#gatheredBytes = 0;
  }

  /** Whether with this frame there were more literal bytes to each byte than the limit allows; as it is, there are not. */
  #isTooDense({ rawBytes, stored }: PackedFrame): boolean {
    const headBytes = this.#headBytes({ frameCount: this.#frames.length + 1, markerNameBytes: 0 });
    const totalBytes = headBytes + this.#storedBytes + stored.length;
    return this.#framedBytes + rawBytes > this.#limits.ratioMax * totalBytes;
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

/** A delta that is being made has no offsets yet. */
function checkWritten(identity: DeltaIdentity & { readonly sourceTimeMs: number }, limits: DeltaLimits): void {
  checkIdentity(identity, { second: true, limits }, (problem) => refuse({ ...problem, at: undefined }));
}
