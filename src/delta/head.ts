/**
 * The head of a delta, read.
 *
 * Invariants: nothing is believed before it was checked: the CRC before the versions, the limits before the tables, so
 * that damage is never taken for novelty and a lying count costs nothing; the reader of a whole delta and the description
 * of a broken one go through the same code.
 */
import { crc32 } from 'node:zlib';
import { checkIdentity } from './identity.ts';
import type { DeltaIdentity, DeltaMarker } from './identity.ts';
import type { DeltaExtent } from './extents.ts';
import { Fields } from './fields.ts';
import type { DeltaFrame } from './frame.ts';
import {
  AT,
  CONSISTENCY,
  DELTA_FORMAT,
  MAGIC,
  PROLOGUE_BYTES,
  SECOND_FORMAT,
  TABLE_ALIGNMENT,
  tableOffsets,
} from './layout.ts';
import { DELTA_LIMITS } from './limits.ts';
import type { DeltaLimits } from './limits.ts';
import { countPriorReads } from './prior-reads.ts';
import { refuse } from './problem.ts';
import type { Report } from './problem.ts';
import { propertiesTextOf } from './properties.ts';
import { readExtents, readFrames, readSources } from './tables.ts';
import { roundUp } from '../kernel/units.ts';

/** What a delta's head says. */
export interface DeltaHead extends DeltaIdentity {
  readonly formatVersion: number;
  readonly oldestReader: number;
  /** Digest that the delta states for itself; only `checkDelta` has compared it. */
  readonly digest: string;
  /** When the source was read, milliseconds since 1970 by the site's clock. Under no digest. */
  readonly sourceTimeMs: number;
  /** Offset of the first frame's stored bytes. */
  readonly headBytes: number;
  readonly totalBytes: number;
  readonly frameCount: number;
  readonly extentCount: number;
  /** Extents that are references, of whatever kind. */
  readonly referenceCount: number;
  /** Sum of all frames' raw bytes. */
  readonly literalBytes: number;
  /** Literal and referenced bytes. */
  readonly contentBytes: number;
}

/** A head with its tables. */
export interface HeadAndTables {
  readonly head: DeltaHead;
  readonly frames: readonly DeltaFrame[];
  readonly extents: readonly DeltaExtent[];
  /** Names of journal entries, as the source table has them. */
  readonly sources: readonly string[];
}

/**
 * Reads the head of a delta from `bytes`, which hold at least all of the head: enough to know whose it is and which
 * number it has before the rest was fetched. Nothing of `bytes` is kept.
 *
 * Throws DELTA_INVALID with one line that names the field and its offset; VERSION_TOO_NEW if a newer program can read it.
 */
export function parseHead(bytes: Uint8Array, limits: DeltaLimits = DELTA_LIMITS): DeltaHead {
  return (readHead(bytes, limits, refuse) ?? refuse({ field: 'head', at: 0, problem: 'cannot be read' })).head;
}

/** CRC-32 of a head, with its own field taken as zeros. */
export function headCrc(head: Uint8Array): number {
  const before = crc32(head.subarray(0, AT.headCrc));
  return crc32(head.subarray(AT.headCrc + 4), crc32(new Uint8Array(4), before));
}

/** Reads the head and its tables, reporting every fault; undefined where a fault leaves nothing to go on with. */
export function readHead(bytes: Uint8Array, limits: DeltaLimits, report: Report): HeadAndTables | undefined {
  if (bytes.length < PROLOGUE_BYTES) {
    report({ field: 'prologue', at: 0, problem: `cut short: ${bytes.length} of ${PROLOGUE_BYTES} bytes` });
    return undefined;
  }
  if (MAGIC.some((byte, at) => bytes[at] !== byte)) {
    report({ field: 'magic', at: AT.magic, problem: 'this is no delta' });
    return undefined;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const headBytes = view.getUint32(AT.headBytes, true);
  if (headBytes < PROLOGUE_BYTES || headBytes > bytes.length) {
    const problem = `${headBytes}, but there are ${bytes.length} bytes, the first ${PROLOGUE_BYTES} of the head`;
    report({ field: 'head bytes', at: AT.headBytes, problem });
    return undefined;
  }
  const stated = view.getUint32(AT.headCrc, true);
  const computed = headCrc(bytes.subarray(0, headBytes));
  if (stated !== computed) {
    const problem = `0x${stated.toString(16)}, but the ${headBytes} bytes of the head give 0x${computed.toString(16)}`;
    report({ field: 'head CRC', at: AT.headCrc, problem });
  }
  const formatVersion = view.getUint16(AT.formatVersion, true);
  const oldestReader = view.getUint16(AT.oldestReader, true);
  if (oldestReader < 1 || oldestReader > formatVersion) {
    const problem = `${oldestReader} is not 1 to the format version, ${formatVersion}`;
    report({ field: 'oldest reader', at: AT.oldestReader, problem });
  } else if (oldestReader > DELTA_FORMAT) {
    const problem = `needs format ${oldestReader} and this program knows ${DELTA_FORMAT}: update Leeward here`;
    report({ field: 'oldest reader', at: AT.oldestReader, problem, tooNew: true });
    return undefined;
  }
  const fields = new Fields(bytes.subarray(0, headBytes), formatVersion <= DELTA_FORMAT, report);
  return readParts(fields, { formatVersion, oldestReader }, limits);
}

/** What only a delta that an older reader must not read may have. */
const FORMS = {
  first: { compressions: ['none', 'zstd'], kinds: ['literal', 'zeros'] },
  second: { compressions: ['none', 'zstd', 'gzip'], kinds: ['literal', 'zeros', 'own', 'prior', 'journal'] },
} as const;

/** Reads all of a head of a known version whose length is certain. */
function readParts(
  fields: Fields,
  versions: { readonly formatVersion: number; readonly oldestReader: number },
  limits: DeltaLimits,
): HeadAndTables | undefined {
  const { report } = fields;
  const headBytes = fields.bytes.length;
  // What an older reader would pass over means nothing to this one either: both must read the same.
  const second = versions.oldestReader >= SECOND_FORMAT;
  const { compressions, kinds } = second ? FORMS.second : FORMS.first;
  const totalBytes = fields.u64(AT.totalBytes, 'total bytes');
  if (totalBytes > limits.encodedBytesMax) {
    const problem = `${totalBytes} is above the limit of ${limits.encodedBytesMax} (encodedBytesMax)`;
    report({ field: 'total bytes', at: AT.totalBytes, problem, beyondLimit: true });
  }
  const counts = readCounts(fields, second, limits);
  if (counts === undefined) return undefined;
  const { frameCount, extentCount, referenceCount, sourceCount, propertiesBytes } = counts;
  const volumeIdBytes = fields.u16(AT.volumeIdBytes);
  const markerNameBytes = fields.u16(AT.markerNameBytes);
  const textsEnd = PROLOGUE_BYTES + volumeIdBytes + markerNameBytes;
  const at = tableOffsets({ textBytes: volumeIdBytes + markerNameBytes, frameCount, extentCount, referenceCount });
  const tablesEnd = at.sources + sourceCount + propertiesBytes;
  if (tablesEnd > headBytes) {
    report({
      field: 'head bytes',
      at: AT.headBytes,
      problem: `${headBytes}, but texts and tables end at ${tablesEnd}`,
    });
    return undefined;
  }
  const read = readSources(fields, { at: at.sources, count: sourceCount });
  if (read === undefined) return undefined;
  const propertiesEnd = read.end + propertiesBytes;
  const end = roundUp(propertiesEnd, TABLE_ALIGNMENT);
  if (headBytes < end || (fields.known && headBytes > end)) {
    report({ field: 'head bytes', at: AT.headBytes, problem: `${headBytes}, but texts and tables end at ${end}` });
    if (headBytes < end) return undefined;
  }
  fields.zeros('reserved', AT.reservedA, AT.markerTimeMs);
  fields.zeros('reserved', second ? AT.reservedB : AT.referenceCount, AT.headCrc);
  fields.zeros('padding', textsEnd, at.frames);
  fields.zeros('padding', propertiesEnd, end);

  const identity = {
    volume: fields.text(PROLOGUE_BYTES, volumeIdBytes),
    generation: fields.u32(AT.generation),
    term: fields.u32(AT.term),
    number: fields.u32(AT.number),
    volumeBytes: fields.u64(AT.volumeBytes, 'volume bytes'),
    predecessor: fields.sha256(AT.predecessor),
    marker: readMarker(fields, fields.text(textsEnd - markerNameBytes, markerNameBytes)),
    ...readPropertiesText(fields, read.end, propertiesBytes),
    sourceTimeMs: fields.u64(AT.sourceTimeMs, 'source time'),
  };
  checkIdentity(identity, { second, limits, propertiesAt: read.end }, report);
  const { frames, rawBytes, storedBytes } = readFrames(
    fields,
    { at: at.frames, count: frameCount },
    compressions,
    limits,
  );
  const references = { at: at.references, count: referenceCount };
  const { extents, literalBytes, referencedBytes } = readExtents(
    fields,
    { at: at.extents, count: extentCount, references, sources: read.sources },
    { kinds, volumeBytes: identity.volumeBytes, literalBytes: rawBytes },
    limits,
  );
  const contentBytes = rawBytes + referencedBytes;
  const reads = countPriorReads(extents);
  if (reads > limits.priorReadsMax) {
    const problem = `${reads} reads of the state before are above the limit of ${limits.priorReadsMax} (priorReadsMax)`;
    report({ field: 'reference table', at: at.references, problem, beyondLimit: true });
  }
  if (contentBytes > limits.contentBytesMax) {
    const what = `${rawBytes} raw bytes and ${referencedBytes} referenced ones`;
    const problem = `${what} are above the limit of ${limits.contentBytesMax} (contentBytesMax)`;
    report({ field: 'frame table', at: at.frames, problem, beyondLimit: true });
  }
  if (rawBytes > limits.ratioMax * totalBytes) {
    const problem = `${rawBytes} raw bytes from ${totalBytes} are above the limit of ${limits.ratioMax} to 1 (ratioMax)`;
    report({ field: 'frame table', at: at.frames, problem, beyondLimit: true });
  }
  if (literalBytes !== rawBytes) {
    const problem = `${literalBytes} literal bytes in all, but the frames hold ${rawBytes}`;
    report({ field: 'extent table', at: at.extents, problem });
  }
  if (totalBytes !== headBytes + storedBytes) {
    const problem = `${totalBytes}, but a head of ${headBytes} and ${storedBytes} stored bytes make ${headBytes + storedBytes}`;
    report({ field: 'total bytes', at: AT.totalBytes, problem });
  }
  const sizes = {
    headBytes,
    totalBytes,
    frameCount,
    extentCount,
    referenceCount,
    literalBytes: rawBytes,
    contentBytes,
  };
  const head = { ...versions, ...identity, digest: fields.sha256(AT.digest), ...sizes };
  return { head, frames, extents, sources: read.sources };
}

interface Counts {
  readonly frameCount: number;
  readonly extentCount: number;
  readonly referenceCount: number;
  readonly sourceCount: number;
  readonly propertiesBytes: number;
}

/** The head's counts; undefined, and reported, where one is above its limit. */
function readCounts(fields: Fields, second: boolean, limits: DeltaLimits): Counts | undefined {
  const counts = {
    frameCount: fields.u32(AT.frameCount),
    extentCount: fields.u32(AT.extentCount),
    referenceCount: second ? fields.u32(AT.referenceCount) : 0,
    sourceCount: second ? fields.u16(AT.sourceCount) : 0,
    propertiesBytes: second ? fields.u16(AT.propertiesBytes) : 0,
  };
  const bounds = [
    ['frame count', 'frameCount', 'framesMax'],
    ['extent count', 'extentCount', 'extentsMax'],
    ['reference count', 'referenceCount', 'extentsMax'],
    ['source count', 'sourceCount', 'sourcesMax'],
    ['properties bytes', 'propertiesBytes', 'propertiesBytesMax'],
  ] as const;
  const beyond = bounds.filter(([, count, limit]) => counts[count] > limits[limit]);
  for (const [field, count, limit] of beyond) {
    const problem = `${counts[count]} is above the limit of ${limits[limit]} (${limit})`;
    fields.report({ field, at: AT[count], problem, beyondLimit: true });
  }
  return beyond.length === 0 ? counts : undefined;
}

function readMarker(fields: Fields, name: string): DeltaMarker | undefined {
  const number = fields.u8(AT.markerConsistency);
  const timeMs = fields.u64(AT.markerTimeMs, 'marker time');
  switch (number) {
    case CONSISTENCY.crash:
      return { name, consistency: 'crash', timeMs };
    case CONSISTENCY.application:
      return { name, consistency: 'application', timeMs };
    case CONSISTENCY.none: {
      const problem = 'there is no marker, so 0 is due';
      if (name !== '') fields.report({ field: 'marker name bytes', at: AT.markerNameBytes, problem });
      if (timeMs !== 0) fields.report({ field: 'marker time', at: AT.markerTimeMs, problem });
      return undefined;
    }
    default:
      fields.report({ field: 'marker consistency', at: AT.markerConsistency, problem: `${number} is not 0, 1 or 2` });
      return undefined;
  }
}

function readPropertiesText(fields: Fields, at: number, lengthBytes: number): { properties?: string } {
  if (lengthBytes === 0) return {};
  const properties = propertiesTextOf(fields.bytes.subarray(at, at + lengthBytes));
  if (properties !== undefined) return { properties };
  fields.report({ field: 'properties', at, problem: 'not UTF-8' });
  return {};
}
