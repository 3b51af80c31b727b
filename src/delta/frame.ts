/**
 * Frames: pieces of the literal bytes, each stored, compressed and checked by itself.
 *
 * Invariant: decompression never takes more memory than the frame's stated raw bytes and a window of 4 MiB, whatever the
 * stored bytes claim.
 */
import { constants, crc32, gzipSync, inflateRawSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { FRAME_AT } from './layout.ts';
import type { COMPRESSION } from './layout.ts';
import { refuse } from './problem.ts';

/** A frame as the frame table has it. */
export interface DeltaFrame {
  readonly index: number;
  readonly compression: FrameCompression;
  /** CRC-32 of the stored bytes. */
  readonly crc: number;
  readonly storedBytes: number;
  readonly rawBytes: number;
  /** Offset of its entry in the frame table. */
  readonly entryAt: number;
  /** Offset of its stored bytes. */
  readonly at: number;
  /** Position of its raw bytes in the delta's literal bytes. */
  readonly literalAt: number;
}

/** How a frame is stored. */
export type FrameCompression = keyof typeof COMPRESSION;

/** Binary logarithm of the largest window: 4 MiB, the most raw bytes of a frame. */
const WINDOW_LOG_MAX = 22;

/** Lengths and flags of a gzip member. Source: RFC 1952, section 2.3. */
const GZIP = {
  headerBytes: 10,
  trailerBytes: 8,
  headerCrc: 0x02,
  extra: 0x04,
  name: 0x08,
  comment: 0x10,
  reserved: 0xe0,
} as const;

/** What `packFrame` makes of raw bytes. */
export interface PackedFrame {
  readonly compression: FrameCompression;
  readonly crc: number;
  readonly stored: Uint8Array;
  readonly rawBytes: number;
}

/** How to pack: `zstdLevel` is 1 to 19 and means nothing to the others. */
export interface FramePacking {
  readonly compression: FrameCompression;
  readonly zstdLevel: number;
}

/** Compresses `raw`, or takes a copy where that is asked for or it would not get smaller. */
export function packFrame(raw: Uint8Array, { compression, zstdLevel }: FramePacking): PackedFrame {
  const packed = compression === 'none' ? raw : compression === 'gzip' ? gzipSync(raw) : zstdCompress(raw, zstdLevel);
  const pays = packed.length < raw.length;
  const stored = pays ? packed : raw.slice();
  return { compression: pays ? compression : 'none', crc: crc32(stored), stored, rawBytes: raw.length };
}

/**
 * The raw bytes of `frame` of the delta `bytes`: a view of them, or fresh ones. Throws DELTA_INVALID for a wrong CRC and
 * for what does not decompress to exactly the raw bytes.
 */
export function unpackFrame(bytes: Uint8Array, frame: DeltaFrame): Uint8Array {
  const field = `frame ${frame.index}`;
  const stored = bytes.subarray(frame.at, frame.at + frame.storedBytes);
  const crc = crc32(stored);
  if (crc !== frame.crc) {
    const problem = `0x${hex(frame.crc)}, but the ${frame.storedBytes} stored bytes give 0x${hex(crc)}`;
    refuse({ field: `${field}, CRC`, at: frame.entryAt + FRAME_AT.crc, problem });
  }
  if (frame.compression === 'none') return stored;
  const raw = decompress(stored, frame);
  if (raw.length !== frame.rawBytes) {
    const problem = `${frame.rawBytes}, but only ${raw.length} come out`;
    refuse({ field: `${field}, raw bytes`, at: frame.entryAt + FRAME_AT.rawBytes, problem });
  }
  return raw;
}

function zstdCompress(raw: Uint8Array, level: number): Uint8Array {
  return zstdCompressSync(raw, {
    // With the size known beforehand, zstd states it and needs no window beyond it.
    pledgedSrcSize: raw.length,
    params: { [constants.ZSTD_c_compressionLevel]: level },
  });
}

function decompress(stored: Uint8Array, frame: DeltaFrame): Uint8Array {
  try {
    return frame.compression === 'gzip' ? gunzip(stored, frame) : zstdDecompress(stored, frame);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : 'unknown';
    const problem = `${frame.compression} does not give ${frame.rawBytes} bytes: ${why}`;
    return refuse({ field: `frame ${frame.index}, stored bytes`, at: frame.at, problem, cause });
  }
}

/**
 * One gzip member and nothing else. Node's `gunzip` takes any number of them, some of them empty, and passes over whatever
 * follows a zero behind the last; so header and trailer are read here, and what Node gets lies between them.
 */
function gunzip(stored: Uint8Array, { rawBytes }: DeltaFrame): Uint8Array {
  const member = Buffer.from(stored.buffer, stored.byteOffset, stored.length);
  const deflated = member.subarray(gzipHeaderBytes(member), -GZIP.trailerBytes);
  const bounds = { maxOutputLength: rawBytes, chunkSize: rawBytes + 1 };
  const inflated: unknown = inflateRawSync(deflated, { ...bounds, info: true });
  if (!isWithInfo(inflated) || inflated.engine.bytesWritten !== deflated.length) {
    throw new Error('more follows the first member');
  }
  const raw = inflated.buffer;
  const isWhole =
    member.readUInt32LE(member.length - 8) === crc32(raw) && member.readUInt32LE(member.length - 4) === raw.length;
  if (!isWhole) throw new Error("its trailer's CRC and length are another's");
  return raw;
}

/** Length of a member's header. Source: RFC 1952, section 2.3, "Member format". */
function gzipHeaderBytes(member: Buffer): number {
  const [first, second, method, flags = 0] = member;
  const isGzip = first === 0x1f && second === 0x8b && method === 8 && (flags & GZIP.reserved) === 0;
  if (!isGzip || member.length < GZIP.headerBytes + GZIP.trailerBytes) throw new Error('no gzip member');
  let at = GZIP.headerBytes;
  if ((flags & GZIP.extra) !== 0) at += 2 + member.readUInt16LE(at);
  for (const text of [GZIP.name, GZIP.comment]) {
    if ((flags & text) === 0) continue;
    const end = member.indexOf(0, at);
    if (end < 0) throw new Error('its header has no end');
    at = end + 1;
  }
  return (flags & GZIP.headerCrc) === 0 ? at : at + 2;
}

/**
 * Node decompresses into chunks, and takes a further one whenever one is full: with room for a byte more than is due there
 * is only one. But then it stops at the end of the first zstd frame and passes over what lies behind it, which the number
 * of bytes that it used tells.
 */
function zstdDecompress(stored: Uint8Array, { rawBytes }: DeltaFrame): Uint8Array {
  const bounds = { maxOutputLength: rawBytes, params: { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG_MAX } };
  const first: unknown = zstdDecompressSync(stored, { ...bounds, chunkSize: rawBytes + 1, info: true });
  if (isWithInfo(first) && first.engine.bytesWritten === stored.length) return first.buffer;
  return zstdDecompressSync(stored, { ...bounds, chunkSize: rawBytes });
}

/** What Node gives where it is asked for `info`; its types do not say so. Source: Node.js, "Zlib", class Options. */
function isWithInfo(answer: unknown): answer is { readonly buffer: Buffer; readonly engine: { bytesWritten: number } } {
  return typeof answer === 'object' && answer !== null && 'engine' in answer;
}

function hex(crc: number): string {
  return crc.toString(16).padStart(8, '0');
}
