/** The bytes of a delta from its parts, which whoever has them has checked. */
import type { DeltaExtent } from './extents.ts';
import type { PackedFrame } from './frame.ts';
import { headCrc } from './head.ts';
import type { DeltaIdentity } from './identity.ts';
import { roundUp } from '../kernel/units.ts';
import {
  AT,
  COMPRESSION,
  CONSISTENCY,
  EXTENT_AT,
  EXTENT_ENTRY_BYTES,
  FRAME_AT,
  FRAME_ENTRY_BYTES,
  KIND,
  MAGIC,
  PROLOGUE_BYTES,
  REFERENCE_AT,
  REFERENCE_ENTRY_BYTES,
  SECOND_FORMAT,
  TABLE_ALIGNMENT,
  tableOffsets,
} from './layout.ts';
import type { HeadParts } from './layout.ts';
import { NO_DIGEST } from '../kernel/hash.ts';

/** All of a delta. */
export interface DeltaParts {
  readonly identity: DeltaIdentity & { readonly sourceTimeMs: number };
  readonly digest: string;
  readonly frames: readonly PackedFrame[];
  readonly extents: readonly DeltaExtent[];
  /** Every journal entry that an extent refers to. */
  readonly sources: readonly string[];
}

/** Length of a head. `sourcesBytes` are those of the source table, 1 for each besides its name. */
export function headLength(
  of: HeadParts & { readonly sourcesBytes: number; readonly propertiesBytes: number },
): number {
  return roundUp(tableOffsets(of).sources + of.sourcesBytes + of.propertiesBytes, TABLE_ALIGNMENT);
}

/** Encodes a delta in the oldest format that can say what it says. */
export function encodeParts(parts: DeltaParts): Uint8Array {
  const { identity, frames, extents, sources } = parts;
  const texts = identity.volume + (identity.marker?.name ?? '');
  const properties = Buffer.from(identity.properties ?? '');
  const referenceCount = extents.filter((extent) => 'at' in extent).length;
  const counts = { textBytes: texts.length, frameCount: frames.length, extentCount: extents.length, referenceCount };
  const sourcesBytes = sources.reduce((sum, name) => sum + 1 + name.length, 0);
  const headBytes = headLength({ ...counts, sourcesBytes, propertiesBytes: properties.length });
  const bytes = new Uint8Array(frames.reduce((sum, { stored }) => sum + stored.length, headBytes));
  const head = bytes.subarray(0, headBytes);
  writePrologue(head, parts, bytes.length);
  const view = put(head);
  view.setUint32(AT.referenceCount, referenceCount, true);
  view.setUint16(AT.sourceCount, sources.length, true);
  view.setUint16(AT.propertiesBytes, properties.length, true);
  head.set(Buffer.from(texts, 'latin1'), PROLOGUE_BYTES);
  const at = tableOffsets(counts);
  writeFrameTable(view, at.frames, frames);
  writeExtentTable(view, at.extents, extents);
  writeReferenceTable(head, at.references, extents, sources);
  let end = at.sources;
  for (const name of sources) {
    head[end] = name.length;
    head.set(Buffer.from(name, 'latin1'), end + 1);
    end += 1 + name.length;
  }
  head.set(properties, end);
  view.setUint32(AT.headCrc, headCrc(head), true);
  let storedAt = headBytes;
  for (const { stored } of frames) {
    bytes.set(stored, storedAt);
    storedAt += stored.length;
  }
  return bytes;
}

/** The oldest format that can say what a delta says. */
function formatOf({ identity, frames, extents }: DeltaParts): number {
  const second =
    identity.properties !== undefined ||
    (identity.number === 1 && identity.predecessor !== NO_DIGEST) ||
    frames.some(({ compression }) => compression === 'gzip') ||
    extents.some((extent) => 'at' in extent);
  return second ? SECOND_FORMAT : 1;
}

function writePrologue(head: Uint8Array, parts: DeltaParts, totalBytes: number): void {
  const { identity, frames, extents, digest } = parts;
  const view = put(head);
  const format = formatOf(parts);
  head.set(MAGIC, AT.magic);
  view.setUint16(AT.formatVersion, format, true);
  view.setUint16(AT.oldestReader, format, true);
  view.setUint32(AT.headBytes, head.length, true);
  view.setBigUint64(AT.totalBytes, BigInt(totalBytes), true);
  view.setUint32(AT.generation, identity.generation, true);
  view.setUint32(AT.term, identity.term, true);
  view.setUint32(AT.number, identity.number, true);
  view.setUint32(AT.frameCount, frames.length, true);
  view.setUint32(AT.extentCount, extents.length, true);
  view.setUint16(AT.volumeIdBytes, identity.volume.length, true);
  view.setUint16(AT.markerNameBytes, identity.marker?.name.length ?? 0, true);
  view.setBigUint64(AT.volumeBytes, BigInt(identity.volumeBytes), true);
  head.set(Buffer.from(identity.predecessor, 'hex'), AT.predecessor);
  head.set(Buffer.from(digest, 'hex'), AT.digest);
  view.setUint8(AT.markerConsistency, CONSISTENCY[identity.marker?.consistency ?? 'none']);
  view.setBigUint64(AT.markerTimeMs, BigInt(identity.marker?.timeMs ?? 0), true);
  view.setBigUint64(AT.sourceTimeMs, BigInt(identity.sourceTimeMs), true);
}

function writeFrameTable(view: DataView, tableAt: number, frames: readonly PackedFrame[]): void {
  frames.forEach((frame, index) => {
    const at = tableAt + index * FRAME_ENTRY_BYTES;
    view.setUint8(at + FRAME_AT.compression, COMPRESSION[frame.compression]);
    view.setUint32(at + FRAME_AT.crc, frame.crc, true);
    view.setUint32(at + FRAME_AT.storedBytes, frame.stored.length, true);
    view.setUint32(at + FRAME_AT.rawBytes, frame.rawBytes, true);
  });
}

function writeExtentTable(view: DataView, tableAt: number, extents: readonly DeltaExtent[]): void {
  extents.forEach((extent, index) => {
    const at = tableAt + index * EXTENT_ENTRY_BYTES;
    view.setBigUint64(at + EXTENT_AT.offset, BigInt(extent.offset), true);
    view.setBigUint64(at + EXTENT_AT.length, BigInt(extent.lengthBytes), true);
    view.setUint8(at + EXTENT_AT.kind, KIND[extent.kind]);
  });
}

function writeReferenceTable(
  head: Uint8Array,
  tableAt: number,
  extents: readonly DeltaExtent[],
  sources: readonly string[],
): void {
  const view = put(head);
  const numbers = new Map(sources.map((name, index) => [name, index]));
  let at = tableAt;
  for (const extent of extents) {
    if (!('at' in extent)) continue;
    view.setBigUint64(at + REFERENCE_AT.at, BigInt(extent.at), true);
    const source = extent.kind === 'journal' ? numbers.get(extent.source) : undefined;
    view.setUint32(at + REFERENCE_AT.source, source ?? 0, true);
    head.set(Buffer.from(extent.sha256, 'hex'), at + REFERENCE_AT.sha256);
    at += REFERENCE_ENTRY_BYTES;
  }
}

function put(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
