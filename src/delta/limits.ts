/**
 * How large a delta may be. A reader refuses more before it allocates or decompresses anything: a delta of 1 KiB cannot
 * cost 1 GiB. Refusals name the limit.
 */
import { GIB, KIB, MIB } from '../kernel/units.ts';

/** The limits of docs/delta-format.md, each with its reason. */
export const DELTA_LIMITS = {
  /** Bounds what one worker decompresses and writes for one message. */
  literalBytesMax: 16 * MIB,
  /** All literal bytes uncompressed, and the largest head. */
  encodedBytesMax: 18 * MIB,
  /** One Put Page; what a reader holds decompressed at a time. */
  frameRawBytesMax: 4 * MIB,
  /** 4 KiB each on average in the fullest delta. */
  framesMax: 4 * KIB,
  /** More than the 32,768 pages of the fullest delta; a table of 1.5 MiB. */
  extentsMax: 64 * KIB,
  /** The largest data of a page blob that Azure imports as a disk: docs/vhd-format.md. */
  volumeBytesMax: 8191 * GIB,
  /** It becomes part of documents' fields and of messages to people. */
  markerNameBytesMax: 128,
} as const;
