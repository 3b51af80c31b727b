/**
 * The tables of a delta's head, read: frames, extents with their references, sources.
 *
 * Invariant: sums are of what the tables say, whatever is wrong with them, so that whoever reads on can hold them against
 * the limits before anything is allocated for them.
 */
import { PAGE_BYTES } from '../kernel/units.ts';
import { checkExtent, checkReference, isSource } from './extents.ts';
import type { DeltaExtent, JournalExtent, OwnExtent, PriorExtent } from './extents.ts';
import type { Fields } from './fields.ts';
import type { DeltaFrame } from './frame.ts';
import {
  COMPRESSION,
  EXTENT_AT,
  EXTENT_ENTRY_BYTES,
  FRAME_AT,
  FRAME_ENTRY_BYTES,
  KIND,
  REFERENCE_AT,
  REFERENCE_ENTRY_BYTES,
} from './layout.ts';
import type { DeltaLimits } from './limits.ts';

/** Where a table lies and how many entries it has. */
interface Table {
  readonly at: number;
  readonly count: number;
}

/** The frame table. `names` are the compressions that the delta's format has. */
export function readFrames(
  fields: Fields,
  table: Table,
  names: readonly (keyof typeof COMPRESSION)[],
  limits: DeltaLimits,
): { frames: DeltaFrame[]; rawBytes: number; storedBytes: number } {
  const frames: DeltaFrame[] = [];
  let rawSum = 0;
  let storedSum = 0;
  for (let index = 0; index < table.count; index += 1) {
    const entryAt = table.at + index * FRAME_ENTRY_BYTES;
    const fault = (field: keyof typeof FRAME_AT, name: string, problem: string): void => {
      fields.report({ field: `frame ${index}, ${name}`, at: entryAt + FRAME_AT[field], problem });
    };
    const number = fields.u8(entryAt + FRAME_AT.compression);
    const compression = names.find((name) => COMPRESSION[name] === number);
    const storedBytes = fields.u32(entryAt + FRAME_AT.storedBytes);
    const rawBytes = fields.u32(entryAt + FRAME_AT.rawBytes);
    fields.reserved('frame', index, entryAt + FRAME_AT.reserved, entryAt + FRAME_AT.crc);
    if (storedBytes === 0) fault('storedBytes', 'stored bytes', '0: a frame holds something');
    if (rawBytes === 0 || rawBytes % PAGE_BYTES !== 0) {
      fault('rawBytes', 'raw bytes', `${rawBytes} is no multiple of ${PAGE_BYTES} from ${PAGE_BYTES} on`);
    } else if (rawBytes > limits.frameRawBytesMax) {
      const problem = `${rawBytes} is above the limit of ${limits.frameRawBytesMax} (frameRawBytesMax)`;
      const field = `frame ${index}, raw bytes`;
      fields.report({ field, at: entryAt + FRAME_AT.rawBytes, problem, beyondLimit: true });
    } else if (compression === 'none' && rawBytes !== storedBytes) {
      fault('rawBytes', 'raw bytes', `${rawBytes}, but ${storedBytes} are stored, uncompressed`);
    }
    if (compression === undefined) {
      fault('compression', 'compression', `${number} is none of ${listed(names, COMPRESSION)}`);
    } else {
      const crc = fields.u32(entryAt + FRAME_AT.crc);
      const at = fields.bytes.length + storedSum;
      frames.push({ index, compression, crc, storedBytes, rawBytes, entryAt, at, literalAt: rawSum });
    }
    rawSum += rawBytes;
    storedSum += storedBytes;
  }
  return { frames, rawBytes: rawSum, storedBytes: storedSum };
}

/**
 * The extent table, with the reference table that belongs to it. `kinds` are those that the delta's format has,
 * `literalBytes` is what the frames hold.
 */
export function readExtents(
  fields: Fields,
  table: Table & { readonly references: Table; readonly sources: readonly string[] },
  of: { readonly kinds: readonly (keyof typeof KIND)[]; readonly volumeBytes: number; readonly literalBytes: number },
  limits: DeltaLimits,
): { extents: DeltaExtent[]; literalBytes: number; referencedBytes: number } {
  const extents: DeltaExtent[] = [];
  const sums = { literalBytes: 0, referencedBytes: 0 };
  const kindOf = new Map<number, keyof typeof KIND>(of.kinds.map((name) => [KIND[name], name]));
  let referenceCount = 0;
  let endBefore = 0;
  for (let index = 0; index < table.count; index += 1) {
    const at = table.at + index * EXTENT_ENTRY_BYTES;
    const offset = fields.u64(at + EXTENT_AT.offset, 'offset', index);
    const lengthBytes = fields.u64(at + EXTENT_AT.length, 'length', index);
    checkExtent({ offset, lengthBytes }, { index, endBefore, volumeBytes: of.volumeBytes, at }, fields.report);
    endBefore = offset + lengthBytes;
    fields.reserved('extent', index, at + EXTENT_AT.reserved, at + EXTENT_ENTRY_BYTES);
    const number = fields.u8(at + EXTENT_AT.kind);
    const kind = kindOf.get(number);
    if (kind === undefined) {
      const problem = `${number} is none of ${listed(of.kinds, KIND)}`;
      fields.report({ field: `extent ${index}, kind`, at: at + EXTENT_AT.kind, problem });
      continue;
    }
    if (kind === 'literal' || kind === 'zeros') {
      extents.push({ kind, offset, lengthBytes });
      if (kind === 'literal') sums.literalBytes += lengthBytes;
      continue;
    }
    sums.referencedBytes += lengthBytes;
    referenceCount += 1;
    if (referenceCount > table.references.count) continue;
    const entryAt = table.references.at + (referenceCount - 1) * REFERENCE_ENTRY_BYTES;
    const extent = readReference(fields, { index, entryAt, sources: table.sources }, { kind, offset, lengthBytes });
    checkReference(extent, { index, literalBytes: of.literalBytes, at: entryAt }, limits, fields.report);
    extents.push(extent);
  }
  if (referenceCount !== table.references.count) {
    const problem = `${referenceCount} extents are references, but the reference table has ${table.references.count} entries`;
    fields.report({ field: 'extent table', at: table.at, problem });
  }
  return { extents, ...sums };
}

/** The source table, from `at`; undefined, and reported, where it does not end within the head. */
export function readSources(fields: Fields, { at, count }: Table): { sources: string[]; end: number } | undefined {
  const sources: string[] = [];
  let end = at;
  for (let index = 0; index < count; index += 1) {
    const nameAt = end + 1;
    end = nameAt + (end < fields.bytes.length ? fields.u8(end) : 0);
    if (end > fields.bytes.length) {
      fields.report({ field: `source ${index}`, at: nameAt - 1, problem: 'its name reaches past the end of the head' });
      return undefined;
    }
    const name = fields.text(nameAt, end - nameAt);
    if (!isSource(name)) {
      const problem = 'not the name of a journal entry of the form literal-N';
      fields.report({ field: `source ${index}`, at: nameAt, problem });
    }
    sources.push(name);
  }
  return { sources, end };
}

function readReference(
  fields: Fields,
  { index, entryAt, sources }: { index: number; entryAt: number; sources: readonly string[] },
  extent: { kind: 'own' | 'prior' | 'journal'; offset: number; lengthBytes: number },
): OwnExtent | PriorExtent | JournalExtent {
  const { kind, ...range } = extent;
  fields.reserved('extent', index, entryAt + REFERENCE_AT.reserved, entryAt + REFERENCE_AT.sha256);
  const at = fields.u64(entryAt + REFERENCE_AT.at, 'position', index);
  const content = { ...range, at, sha256: fields.sha256(entryAt + REFERENCE_AT.sha256) };
  const number = fields.u32(entryAt + REFERENCE_AT.source);
  const fault = (problem: string): void => {
    fields.report({ field: `extent ${index}, source`, at: entryAt + REFERENCE_AT.source, problem });
  };
  if (kind !== 'journal') {
    if (number !== 0) fault(`${number}, but only a journal reference has one: 0 is due`);
    return { kind, ...content };
  }
  const source = sources[number];
  if (source === undefined) fault(`${number}, but the source table has ${sources.length} entries`);
  return { kind, ...content, source: source ?? '' };
}

/** `0 (literal), 1 (zeros)`. */
function listed<Name extends string>(names: readonly Name[], numbers: Readonly<Record<Name, number>>): string {
  return names.map((name) => `${numbers[name]} (${name})`).join(', ');
}
