/**
 * Where everything lies in a delta: docs/delta-format.md in numbers. All integers of the format
 * are unsigned and little-endian.
 */
/** The format this program writes, and up to which it reads. */
export const DELTA_FORMAT = 1;

/** First bytes of a delta: not text, "LWD", and what shows that something converted line ends, as in PNG. */
export const MAGIC = Uint8Array.of(0x89, 0x4c, 0x57, 0x44, 0x0d, 0x0a, 0x1a, 0x0a);

export const PROLOGUE_BYTES = 160;
export const FRAME_ENTRY_BYTES = 16;
export const EXTENT_ENTRY_BYTES = 24;
/** The tables begin at a multiple of this. */
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
  reservedB: 144,
  headCrc: 156,
} as const;

/** Offsets in an entry of the frame table. */
export const FRAME_AT = { compression: 0, reserved: 1, crc: 4, storedBytes: 8, rawBytes: 12 } as const;

/** Offsets in an entry of the extent table. */
export const EXTENT_AT = { offset: 0, length: 8, kind: 16, reserved: 17 } as const;

/** Numbers of the frame table's compressions. */
export const COMPRESSION = { none: 0, zstd: 1 } as const;

/** Numbers of the extent table's kinds, and of the digest's run table. */
export const KIND = { literal: 0, zeros: 1 } as const;

/** Numbers of a marker's consistency. */
export const CONSISTENCY = { none: 0, crash: 1, application: 2 } as const;

/** Largest value of a u32 field. */
export const U32_MAX = 2 ** 32 - 1;
