/**
 * Where everything lies in a delta: docs/delta-format.md in numbers. All integers of the format
 * are unsigned and little-endian.
 */
import { roundUp } from '../kernel/units.ts';

/** The newest format that this program knows; it writes the oldest that can say what is to be said. */
export const DELTA_FORMAT = 2;

/** Format that brought references, gzip, properties and the predecessor of number 1. */
export const SECOND_FORMAT = 2;

/** First bytes of a delta: not text, "LWD", and what shows that something converted line ends, as in PNG. */
export const MAGIC = Uint8Array.of(0x89, 0x4c, 0x57, 0x44, 0x0d, 0x0a, 0x1a, 0x0a);

export const PROLOGUE_BYTES = 160;
export const FRAME_ENTRY_BYTES = 16;
export const EXTENT_ENTRY_BYTES = 24;
export const REFERENCE_ENTRY_BYTES = 48;
/** The tables begin at a multiple of this, and so do the frames. */
export const TABLE_ALIGNMENT = 8;

/** Offsets in the prologue. */
export const AT = {
  magic: 0,
  formatVersion: 8,
  oldestReader: 10,
  headBytes: 12,
  totalBytes: 16,
  generation: 24,
  term: 28,
  number: 32,
  frameCount: 36,
  extentCount: 40,
  volumeIdBytes: 44,
  markerNameBytes: 46,
  volumeBytes: 48,
  predecessor: 56,
  digest: 88,
  markerConsistency: 120,
  reservedA: 121,
  markerTimeMs: 128,
  sourceTimeMs: 136,
  /** The next three are reserved where the oldest reader is 1. */
  referenceCount: 144,
  sourceCount: 148,
  propertiesBytes: 150,
  reservedB: 152,
  headCrc: 156,
} as const;

/** Offsets in an entry of the frame table. */
export const FRAME_AT = { compression: 0, reserved: 1, crc: 4, storedBytes: 8, rawBytes: 12 } as const;

/** Offsets in an entry of the extent table. */
export const EXTENT_AT = { offset: 0, length: 8, kind: 16, reserved: 17 } as const;

/** Offsets in an entry of the reference table. */
export const REFERENCE_AT = { at: 0, source: 8, reserved: 12, sha256: 16 } as const;

/** Numbers of the frame table's compressions. */
export const COMPRESSION = { none: 0, zstd: 1, gzip: 2 } as const;

/** Numbers of the extent table's kinds; those of literal and zeros are the digest's run table's too. */
export const KIND = { literal: 0, zeros: 1, own: 2, prior: 3, journal: 4 } as const;

/** Numbers of a marker's consistency. */
export const CONSISTENCY = { none: 0, crash: 1, application: 2 } as const;

/** Largest value of a u32 field. */
export const U32_MAX = 2 ** 32 - 1;

/** Counts and lengths of a head's parts. */
export interface HeadParts {
  /** Bytes of volume id and marker name. */
  readonly textBytes: number;
  readonly frameCount: number;
  readonly extentCount: number;
  readonly referenceCount: number;
}

/** Where the tables of fixed entries begin and end. */
export function tableOffsets(of: HeadParts): { frames: number; extents: number; references: number; sources: number } {
  const frames = roundUp(PROLOGUE_BYTES + of.textBytes, TABLE_ALIGNMENT);
  const extents = frames + of.frameCount * FRAME_ENTRY_BYTES;
  const references = extents + of.extentCount * EXTENT_ENTRY_BYTES;
  return { frames, extents, references, sources: references + of.referenceCount * REFERENCE_ENTRY_BYTES };
}
