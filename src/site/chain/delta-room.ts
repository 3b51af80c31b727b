/**
 * How much of what changed goes into one delta: the least of what the format allows, what the cloud has said that it takes,
 * and this site's own setting.
 *
 * Invariant: what does not fit is cut at whole blocks, so that the index can take in each part.
 */
import { DELTA_LIMITS } from '../../delta/limits.ts';
import type { DeltaLimits } from '../../delta/limits.ts';
import { FRAME_BYTES } from '../../delta/write.ts';
import type { DeltaWriter } from '../../delta/write.ts';
import type { HeartbeatAnswer } from '../../protocol/heartbeat.ts';
import { BLOCK_BYTES, BLOCK_HASH_BYTES } from '../../ranges/blocks.ts';
import type { BlockChange } from './block-index.ts';

/** What a piece of at most a frame adds to a head: an extent, two frames that it is spread over, and the padding. */
const ENTRIES_BYTES = 128;

/** The format's limits, each lowered to what the cloud has said of it. */
export function limitsOf(told: HeartbeatAnswer['limits']): DeltaLimits {
  const limits: { -readonly [Name in keyof DeltaLimits]: number } = { ...DELTA_LIMITS };
  for (const name of Object.keys(limits)) {
    if (isLimit(name)) limits[name] = Math.min(limits[name], told?.[name] ?? Infinity);
  }
  return limits;
}

/** What an encoded delta with so many literal bytes takes at the most. */
export function encodedBytesAtMost(literalBytesMax: number): number {
  return literalBytesMax + DELTA_LIMITS.encodedBytesMax - DELTA_LIMITS.contentBytesMax;
}

/** The part of `piece` that goes into the delta that is being written, if any does, and what is left for the next. */
export function cutToFit(
  piece: BlockChange,
  writer: DeltaWriter,
  { limits, literalBytesMax }: { readonly limits: DeltaLimits; readonly literalBytesMax: number },
): { readonly now: BlockChange | undefined; readonly later: BlockChange | undefined } {
  const encodedRoom = limits.encodedBytesMax - writer.encodedBytes - ENTRIES_BYTES;
  const literalMax = Math.min(literalBytesMax, limits.contentBytesMax, limits.framesMax * FRAME_BYTES);
  const roomBytes = Math.min(encodedRoom, literalMax - writer.literalBytes);
  const literalBytes = 'zerosBytes' in piece ? 0 : piece.bytes.length;
  if (literalBytes <= roomBytes && writer.extentCount < limits.extentsMax) return { now: piece, later: undefined };
  if (writer.extentCount > 0) return { now: undefined, later: piece };
  // Not even in a delta of its own: as much as that takes, and never nothing.
  const blocks = Math.max(1, Math.floor(roomBytes / BLOCK_BYTES));
  return 'zerosBytes' in piece ? { now: piece, later: undefined } : cutAfter(piece, blocks);
}

function cutAfter(
  { offset, bytes, hashes }: Extract<BlockChange, { bytes: Uint8Array }>,
  blocks: number,
): { readonly now: BlockChange; readonly later: BlockChange | undefined } {
  const at = blocks * BLOCK_BYTES;
  const hashesAt = blocks * BLOCK_HASH_BYTES;
  const now = { offset, bytes: bytes.subarray(0, at), hashes: hashes?.subarray(0, hashesAt) };
  if (bytes.length <= at) return { now, later: undefined };
  return { now, later: { offset: offset + at, bytes: bytes.subarray(at), hashes: hashes?.subarray(hashesAt) } };
}

function isLimit(name: string): name is keyof DeltaLimits {
  return name in DELTA_LIMITS;
}
