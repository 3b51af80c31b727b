/**
 * Range lists: what a copy of a volume holds, as one hash for each range (docs/range-format.md).
 *
 * Invariants: a list's length follows from its head, so that an absurd one is refused before anything is made room for;
 * its hashes lie in segments with a checksum each, so that whoever compares holds one segment and not the list.
 */
import { crc32 } from 'node:zlib';
import { LeewardError } from '../kernel/errors.ts';
import { DIGEST_FORM } from '../kernel/hash.ts';
import { parseVolume } from '../kernel/ids.ts';
import { GENERATION_MAX } from '../kernel/names.ts';
import { PAGE_BYTES, VOLUME_BYTES_MAX } from '../kernel/units.ts';
import { RANGE_HASH_BYTES, rangeCount } from './blocks.ts';

/** The format that this program writes, and the newest that it reads. */
const RANGE_FORMAT = 1;

/** `0x89 LWR`, then what shows a conversion of line ends, as in PNG. */
const MAGIC = Uint8Array.of(0x89, 0x4c, 0x57, 0x52, 0x0d, 0x0a, 0x1a, 0x0a);

/** Bytes of the head, whatever the volume's name. */
export const RANGE_HEAD_BYTES = 512;

/** Hashes in a segment; the last one may have fewer. */
export const SEGMENT_RANGES = 1024;

const CRC_BYTES = 4;
const SEGMENT_BYTES = SEGMENT_RANGES * RANGE_HASH_BYTES + CRC_BYTES;

/** Offsets of the head's fields: docs/range-format.md, "Head". */
const AT = {
  magic: 0,
  formatVersion: 8,
  oldestReader: 10,
  volumeIdBytes: 12,
  reserved: 14,
  generation: 16,
  number: 20,
  volumeBytes: 24,
  digest: 32,
  volumeId: 64,
  headCrc: RANGE_HEAD_BYTES - CRC_BYTES,
} as const;

/** The volume's state that a list tells of. */
export interface RangeListHead {
  /** `tenant/site/group/volume`. */
  readonly volume: string;
  readonly generation: number;
  /** The delta after which the volume stood like this; 0 for what a generation begins from. */
  readonly number: number;
  /** Digest of that delta; zeros for number 0. */
  readonly digest: string;
  readonly volumeBytes: number;
}

export interface RangeList extends RangeListHead {
  /** 32 bytes for each range, in ascending order. */
  readonly hashes: Uint8Array;
}

/** Where a segment lies in the list, and which ranges it tells of. */
export interface RangeSegment {
  readonly firstRange: number;
  readonly ranges: number;
  readonly offset: number;
  readonly lengthBytes: number;
}

/** The encoded list. Errors: MESSAGE_INVALID, naming the field that does not fit the format. */
export function encodeRangeList(list: RangeList): Uint8Array {
  const ranges = rangeCount(checkHead(list).volumeBytes);
  if (list.hashes.length !== ranges * RANGE_HASH_BYTES) {
    return refuse('hashes', `${list.hashes.length} bytes for ${ranges} ranges`);
  }
  const bytes = new Uint8Array(rangeListBytes(list.volumeBytes));
  const view = new DataView(bytes.buffer);
  const volumeId = Buffer.from(list.volume, 'ascii');
  bytes.set(MAGIC, AT.magic);
  view.setUint16(AT.formatVersion, RANGE_FORMAT, true);
  view.setUint16(AT.oldestReader, RANGE_FORMAT, true);
  view.setUint16(AT.volumeIdBytes, volumeId.length, true);
  view.setUint32(AT.generation, list.generation, true);
  view.setUint32(AT.number, list.number, true);
  view.setBigUint64(AT.volumeBytes, BigInt(list.volumeBytes), true);
  bytes.set(Buffer.from(list.digest, 'hex'), AT.digest);
  bytes.set(volumeId, AT.volumeId);
  view.setUint32(AT.headCrc, crc32(bytes.subarray(0, AT.headCrc)), true);
  for (let range = 0; range < ranges; range += SEGMENT_RANGES) {
    const segment = segmentOf(list, range);
    const from = segment.firstRange * RANGE_HASH_BYTES;
    const hashes = list.hashes.subarray(from, from + segment.ranges * RANGE_HASH_BYTES);
    bytes.set(hashes, segment.offset);
    view.setUint32(segment.offset + hashes.length, crc32(hashes), true);
  }
  return bytes;
}

/** Length of the list of a volume of this size. */
export function rangeListBytes(volumeBytes: number): number {
  const ranges = rangeCount(volumeBytes);
  return RANGE_HEAD_BYTES + ranges * RANGE_HASH_BYTES + Math.ceil(ranges / SEGMENT_RANGES) * CRC_BYTES;
}

/**
 * Reads the head, out of `bytes` that hold at least {@link RANGE_HEAD_BYTES} of the list. Errors: MESSAGE_INVALID, naming
 * the field; VERSION_TOO_NEW.
 */
export function parseRangeHead(bytes: Uint8Array): RangeListHead {
  if (bytes.length < RANGE_HEAD_BYTES) return refuse('head', `${bytes.length} of ${RANGE_HEAD_BYTES} bytes`);
  const head = bytes.subarray(0, RANGE_HEAD_BYTES);
  const view = new DataView(head.buffer, head.byteOffset, head.length);
  if (MAGIC.some((byte, at) => head[at] !== byte)) return refuse('magic', 'this is no range list');
  if (view.getUint32(AT.headCrc, true) !== crc32(head.subarray(0, AT.headCrc))) return refuse('head CRC', 'damaged');
  const oldestReader = view.getUint16(AT.oldestReader, true);
  const formatVersion = view.getUint16(AT.formatVersion, true);
  if (oldestReader < 1 || oldestReader > formatVersion) {
    return refuse('oldest reader', `${oldestReader} is not 1 to the format version, ${formatVersion}`);
  }
  if (oldestReader > RANGE_FORMAT) {
    throw new LeewardError(
      'VERSION_TOO_NEW',
      `range list: needs format ${oldestReader} and this program knows ${RANGE_FORMAT}: update Leeward here`,
    );
  }
  const volumeIdEnd = AT.volumeId + view.getUint16(AT.volumeIdBytes, true);
  if (volumeIdEnd > AT.headCrc) return refuse('volume id bytes', 'more than the head has room for');
  const unused = [head.subarray(AT.reserved, AT.generation), head.subarray(volumeIdEnd, AT.headCrc)];
  if (formatVersion === RANGE_FORMAT && unused.some((part) => part.some((byte) => byte !== 0))) {
    return refuse('reserved', 'not zeros');
  }
  return checkHead({
    volume: Buffer.from(head.subarray(AT.volumeId, volumeIdEnd)).toString('latin1'),
    generation: view.getUint32(AT.generation, true),
    number: view.getUint32(AT.number, true),
    volumeBytes: Number(view.getBigUint64(AT.volumeBytes, true)),
    digest: Buffer.from(head.subarray(AT.digest, AT.digest + 32)).toString('hex'),
  });
}

/** The segment that tells of `range`, which is one of the volume's. */
export function segmentOf({ volumeBytes }: Pick<RangeListHead, 'volumeBytes'>, range: number): RangeSegment {
  const index = Math.floor(range / SEGMENT_RANGES);
  const firstRange = index * SEGMENT_RANGES;
  const ranges = Math.min(SEGMENT_RANGES, rangeCount(volumeBytes) - firstRange);
  return {
    firstRange,
    ranges,
    offset: RANGE_HEAD_BYTES + index * SEGMENT_BYTES,
    lengthBytes: ranges * RANGE_HASH_BYTES + CRC_BYTES,
  };
}

/** The hashes of a segment, as it is stored. They share its memory. Errors: MESSAGE_INVALID when it is damaged. */
export function parseSegment(stored: Uint8Array): Uint8Array {
  const end = stored.length - CRC_BYTES;
  if (end < 0 || end % RANGE_HASH_BYTES !== 0) return refuse('segment', `${stored.length} bytes`);
  const hashes = stored.subarray(0, end);
  const stated = new DataView(stored.buffer, stored.byteOffset, stored.length).getUint32(end, true);
  return stated === crc32(hashes) ? hashes : refuse('segment CRC', 'damaged');
}

function checkHead<T extends RangeListHead>(head: T): T {
  const { generation, number, volumeBytes } = head;
  const isWhole = (value: number, min: number, max: number): boolean =>
    Number.isInteger(value) && value >= min && value <= max;
  try {
    parseVolume(head.volume);
  } catch (error) {
    throw new LeewardError('MESSAGE_INVALID', 'range list: volume id: not of the form', { cause: error });
  }
  if (!isWhole(generation, 1, GENERATION_MAX)) return refuse('generation', String(generation));
  if (!isWhole(number, 0, 0xffff_ffff)) return refuse('number', String(number));
  if (!isWhole(volumeBytes, 0, VOLUME_BYTES_MAX) || volumeBytes % PAGE_BYTES !== 0) {
    return refuse('volume bytes', `${volumeBytes} is no multiple of ${PAGE_BYTES} up to ${VOLUME_BYTES_MAX}`);
  }
  if (!DIGEST_FORM.test(head.digest)) return refuse('digest', 'no SHA-256');
  return head;
}

function refuse(field: string, problem: string): never {
  throw new LeewardError('MESSAGE_INVALID', `range list: ${field}: ${problem}`);
}
