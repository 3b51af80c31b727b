/**
 * The footer of a fixed VHD: docs/vhd-format.md.
 *
 * Invariants: a footer is a pure function of data size, unique id and time of creation, so that every worker that writes
 * it writes the same bytes; with what `makeFooter` makes, `describeFooter` finds nothing wrong.
 */
import { LeewardError } from '../kernel/errors.ts';
import { sha256Hex } from '../kernel/hash.ts';
import { MIB, PAGE_BYTES, VOLUME_BYTES_MAX, roundUp } from '../kernel/units.ts';
import { geometryOf } from './geometry.ts';
import type { Geometry } from './geometry.ts';

/** Length of the footer. Source: VHD specification 1.0, "Hard Disk Footer Format". */
export const VHD_FOOTER_BYTES = 512;

/** Least data of a replica: whole MiB only, and a disk of no bytes is none. */
export const VHD_DATA_BYTES_MIN = MIB;

/** Time stamps count seconds from here. Source: VHD specification 1.0, "Time Stamp". */
const EPOCH_MS = Date.UTC(2000, 0, 1);

/** Offsets of the fields. Source: VHD specification 1.0, "Hard Disk Footer Format". All integers are big-endian. */
const AT = {
  cookie: 0,
  features: 8,
  formatVersion: 12,
  dataOffset: 16,
  timeStamp: 24,
  creatorApplication: 28,
  creatorVersion: 32,
  creatorHostOs: 36,
  originalBytes: 40,
  currentBytes: 48,
  cylinders: 56,
  heads: 58,
  sectors: 59,
  diskType: 60,
  checksum: 64,
  uniqueId: 68,
  savedState: 84,
} as const;

const COOKIE = 'conectix';
const FEATURES = 2;
const FORMAT_VERSION = 0x0001_0000;
/** QEMU's vpc driver believes the current size of few creators; this is one of them. */
const CREATOR_APPLICATION = 'win ';
/** What Windows 10 and Windows Server 2016 write. */
const CREATOR_VERSION = 0x000a_0000;
const CREATOR_HOST_OS = 'Wi2k';
const NO_DATA_OFFSET = 0xffff_ffff_ffff_ffffn;
/** The specification's text names this one for fixed disks, in a field of eight bytes. */
const NO_DATA_OFFSET_SHORT = 0xffff_ffffn;
const UNIQUE_ID_BYTES = 16;

const DISK_TYPES = { 2: 'fixed', 3: 'dynamic', 4: 'differencing' } as const;
const FIXED = 2;

export type VhdDiskType = (typeof DISK_TYPES)[keyof typeof DISK_TYPES];

/** What a footer says. */
interface VhdFooter {
  /** Size of the data in bytes: where the footer of a fixed VHD begins. */
  readonly currentBytes: number;
  /** The same at creation. */
  readonly originalBytes: number;
  readonly diskType: VhdDiskType;
  readonly geometry: Geometry;
  /** Milliseconds since 1970-01-01T00:00:00Z, whole seconds. */
  readonly createdAtMs: number;
  /** Four characters. */
  readonly creatorApplication: string;
  /** 16 bytes of its own. */
  readonly uniqueId: Uint8Array;
}

/**
 * The 512 bytes of a fixed VHD's footer, for the caller to keep. Deterministic.
 *
 * `dataBytes`: whole MiB, {@link VHD_DATA_BYTES_MIN} … {@link VOLUME_BYTES_MAX}. `uniqueId`: 16 bytes, see
 * {@link replicaUniqueId}. `createdAtMs`: since 1970, 2000-01-01 to 2136-02-07, rounded down to a second.
 * Throws VHD_INVALID, which a retry does not cure.
 */
export function makeFooter(of: { dataBytes: number; uniqueId: Uint8Array; createdAtMs: number }): Uint8Array {
  const sizeProblem = replicaSizeProblem(of.dataBytes);
  if (sizeProblem !== undefined) throw new LeewardError('VHD_INVALID', `VHD footer: ${sizeProblem}`);
  if (of.uniqueId.length !== UNIQUE_ID_BYTES) {
    throw new LeewardError('VHD_INVALID', `VHD footer: unique id of ${of.uniqueId.length} bytes: it needs 16`);
  }
  const timeStamp = Math.floor((of.createdAtMs - EPOCH_MS) / 1000);
  if (!(timeStamp >= 0 && timeStamp < 2 ** 32)) {
    throw new LeewardError('VHD_INVALID', `VHD footer: time of creation ${of.createdAtMs} ms is not in 2000 to 2136`);
  }
  const geometry = geometryOf(of.dataBytes);
  const bytes = new Uint8Array(VHD_FOOTER_BYTES);
  const view = new DataView(bytes.buffer);
  putText(bytes, AT.cookie, COOKIE);
  view.setUint32(AT.features, FEATURES);
  view.setUint32(AT.formatVersion, FORMAT_VERSION);
  view.setBigUint64(AT.dataOffset, NO_DATA_OFFSET);
  view.setUint32(AT.timeStamp, timeStamp);
  putText(bytes, AT.creatorApplication, CREATOR_APPLICATION);
  view.setUint32(AT.creatorVersion, CREATOR_VERSION);
  putText(bytes, AT.creatorHostOs, CREATOR_HOST_OS);
  view.setBigUint64(AT.originalBytes, BigInt(of.dataBytes));
  view.setBigUint64(AT.currentBytes, BigInt(of.dataBytes));
  view.setUint16(AT.cylinders, geometry.cylinders);
  view.setUint8(AT.heads, geometry.heads);
  view.setUint8(AT.sectors, geometry.sectors);
  view.setUint32(AT.diskType, FIXED);
  bytes.set(of.uniqueId, AT.uniqueId);
  view.setUint32(AT.checksum, checksumOf(bytes));
  return bytes;
}

/** A footer for people and for `leeward inspect vhd`; JSON-able. */
export interface VhdDescription {
  /** True when nothing is wrong: a replica that Azure would import. */
  readonly valid: boolean;
  /** What is wrong, one line each, in the order of the fields. */
  readonly problems: readonly string[];
  /** What the footer says; missing when it cannot be read as one. */
  readonly footer?: {
    readonly diskType: VhdDiskType;
    readonly currentBytes: number;
    readonly originalBytes: number;
    readonly geometry: Geometry;
    readonly createdAt: string;
    readonly creatorApplication: string;
    readonly uniqueId: string;
  };
}

/**
 * Everything about a footer, valid or not; never throws. With `blobBytes`, the size of the whole blob, that is held
 * against it too. A blob whose description is not `valid` is one that an import must refuse.
 */
export function describeFooter(bytes: Uint8Array, blobBytes?: number): VhdDescription {
  const { problems, footer } = readFooter(bytes);
  if (footer === undefined) return { valid: false, problems };
  if (footer.diskType !== 'fixed') problems.push(`disk type: ${footer.diskType}; a replica is fixed`);
  const sizeProblem = replicaSizeProblem(footer.currentBytes);
  if (sizeProblem !== undefined) problems.push(sizeProblem);
  if (blobBytes !== undefined && blobBytes !== footer.currentBytes + VHD_FOOTER_BYTES) {
    problems.push(
      `current size: ${footer.currentBytes} bytes and a footer do not make up the ${blobBytes} bytes that are there`,
    );
  }
  const { uniqueId, createdAtMs, ...same } = footer;
  return {
    valid: problems.length === 0,
    problems,
    footer: { ...same, createdAt: new Date(createdAtMs).toISOString(), uniqueId: uuidText(uniqueId) },
  };
}

/** Size of the data of a volume's replica: rounded up to whole MiB, at least one. */
export function replicaDataBytes(volumeBytes: number): number {
  return Math.max(VHD_DATA_BYTES_MIN, roundUp(volumeBytes, MIB));
}

/** Size of a volume's whole replica: its data and the footer. */
export function replicaBlobBytes(volumeBytes: number): number {
  return replicaDataBytes(volumeBytes) + VHD_FOOTER_BYTES;
}

/**
 * The unique id of a generation's replica, 16 bytes, always the same: a UUID of version 8 (RFC 9562, section 5.8) from
 * SHA-256. `volumeId` is `tenant/site/group/volume`.
 */
export function replicaUniqueId(volumeId: string, generation: number): Uint8Array {
  const id = new Uint8Array(
    Buffer.from(sha256Hex(`leeward replica\n${volumeId}\n${generation}\n`), 'hex').subarray(0, 16),
  );
  id[6] = ((id[6] ?? 0) & 0x0f) | 0x80;
  id[8] = ((id[8] ?? 0) & 0x3f) | 0x80;
  return id;
}

/** The fields as far as they can be trusted, and what is wrong with their form. */
function readFooter(bytes: Uint8Array): { problems: string[]; footer?: VhdFooter } {
  if (bytes.length !== VHD_FOOTER_BYTES)
    return { problems: [`length: ${bytes.length} bytes, not ${VHD_FOOTER_BYTES}`] };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const cookie = textAt(bytes, AT.cookie, 8);
  if (cookie !== COOKIE) return { problems: [`cookie: ${JSON.stringify(cookie)}, not "${COOKIE}"`] };

  const problems: string[] = [];
  const stored = view.getUint32(AT.checksum);
  const computed = checksumOf(bytes);
  if (stored !== computed)
    problems.push(`checksum: 0x${stored.toString(16)}, but the bytes give 0x${computed.toString(16)}`);
  const major = view.getUint16(AT.formatVersion);
  if (major !== FORMAT_VERSION >>> 16) problems.push(`format version: major ${major}, not 1`);
  const typeNumber = view.getUint32(AT.diskType);
  const diskType = isDiskType(typeNumber) ? DISK_TYPES[typeNumber] : undefined;
  if (diskType === undefined) problems.push(`disk type: ${typeNumber} is none of 2, 3, 4`);
  const dataOffset = view.getBigUint64(AT.dataOffset);
  if (diskType === 'fixed' && dataOffset !== NO_DATA_OFFSET && dataOffset !== NO_DATA_OFFSET_SHORT) {
    problems.push(`data offset: 0x${dataOffset.toString(16)}, but a fixed disk has no further header`);
  }
  const size = (at: number, name: string): number => {
    const value = Number(view.getBigUint64(at));
    if (!Number.isSafeInteger(value)) problems.push(`${name}: above 2^53 - 1`);
    else if (value % PAGE_BYTES !== 0) problems.push(`${name}: ${value} is no multiple of ${PAGE_BYTES}`);
    return value;
  };
  const originalBytes = size(AT.originalBytes, 'original size');
  const currentBytes = size(AT.currentBytes, 'current size');
  if (problems.length > 0 || diskType === undefined) return { problems };
  return {
    problems,
    footer: {
      currentBytes,
      originalBytes,
      diskType,
      geometry: {
        cylinders: view.getUint16(AT.cylinders),
        heads: view.getUint8(AT.heads),
        sectors: view.getUint8(AT.sectors),
      },
      createdAtMs: EPOCH_MS + view.getUint32(AT.timeStamp) * 1000,
      creatorApplication: textAt(bytes, AT.creatorApplication, 4),
      uniqueId: bytes.slice(AT.uniqueId, AT.uniqueId + UNIQUE_ID_BYTES),
    },
  };
}

function replicaSizeProblem(dataBytes: number): string | undefined {
  if (Number.isInteger(dataBytes / MIB) && dataBytes >= VHD_DATA_BYTES_MIN && dataBytes <= VOLUME_BYTES_MAX) {
    return undefined;
  }
  return `current size: ${dataBytes} bytes; a replica has whole MiB, 1 MiB to 8,191 GiB`;
}

/** One's complement of the sum of all bytes but the checksum's own. */
function checksumOf(bytes: Uint8Array): number {
  let sum = 0;
  for (const [at, byte] of bytes.entries()) {
    if (at < AT.checksum || at >= AT.checksum + 4) sum += byte;
  }
  return ~sum >>> 0;
}

function isDiskType(value: number): value is keyof typeof DISK_TYPES {
  return Object.hasOwn(DISK_TYPES, value);
}

function putText(bytes: Uint8Array, at: number, text: string): void {
  bytes.set(Buffer.from(text, 'latin1'), at);
}

function textAt(bytes: Uint8Array, at: number, length: number): string {
  return Buffer.from(bytes.subarray(at, at + length)).toString('latin1');
}

function uuidText(id: Uint8Array): string {
  const hex = Buffer.from(id).toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
