/**
 * How large a delta may be. A reader refuses more before it allocates or decompresses anything: a delta of 1 KiB cannot
 * cost 1 GiB. Refusals name the limit. Invariant: what {@link DELTA_LIMITS} refuse, no writer of this program makes.
 */
import { KIB, MIB, VOLUME_BYTES_MAX } from '../kernel/units.ts';

/** The limits of docs/delta-format.md, each with its reason. */
export const DELTA_LIMITS = {
  /**
   * Literal and referenced bytes together. Bounds what one worker decompresses, fetches and writes for one message; and
   * what was sent by reference always fits a delta that holds all of it as literal bytes.
   */
  contentBytesMax: 16 * MIB,
  /** All content as uncompressed literal bytes, and the largest head. */
  encodedBytesMax: 18 * MIB,
  /** One Put Page; what a reader holds decompressed at a time. */
  frameRawBytesMax: 4 * MIB,
  /** 4 KiB each on average in the fullest delta. */
  framesMax: 4 * KIB,
  /**
   * Each may be a request to the replica, so that this bounds the time that a delta takes: 33 seconds at the 500 a second of a
   * page blob. Four times the 4,096 blocks of 4 KiB in the fullest delta; a table of 384 KiB.
   */
  extentsMax: 16 * KIB,
  /** Each is an entry that somebody has to fetch and decompress. */
  sourcesMax: 32,
  /**
   * Reads of the state before that prior references take: `priorReads` says which. At most a MiB each, but for what one
   * reference has; with all sources, and 5 ms for a request at 60 MiB/s, that is some 16 seconds of a worker.
   */
  priorReadsMax: 256,
  /**
   * Literal bytes to total bytes. 1 MiB takes zstd no less than 38 bytes (eight blocks of 4 and a frame's header) and 16
   * in the frame table, so that a delta of full frames of 1 MiB, with a head of at least 192 bytes, stays below 15,888.
   */
  ratioMax: 16 * KIB,
  /** No replica holds more. */
  volumeBytesMax: VOLUME_BYTES_MAX,
  /** It becomes part of documents' fields and of messages to people. */
  markerNameBytesMax: 128,
  /** They become part of the volume's document. */
  propertiesBytesMax: 4 * KIB,
} as const;

/** Limits by which deltas are read; none may be above {@link DELTA_LIMITS}, which writers rely on. */
export type DeltaLimits = { readonly [Name in keyof typeof DELTA_LIMITS]: number };
