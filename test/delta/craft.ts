/**
 * Deltas as no writer makes them: any tables, any frames, any lie, under a head CRC that is right. It shares nothing with
 * src/delta but the numbers of docs/delta-format.md, so that the reader is tested by something else than its writer.
 */
import { createHash } from 'node:crypto';
import { crc32, gzipSync, zstdCompressSync } from 'node:zlib';

export interface CraftedFrame {
  compression: number;
  stored: Uint8Array;
  rawBytes: number;
  crc?: number;
}

export interface CraftedExtent {
  offset: number | bigint;
  length: number | bigint;
  kind: number;
}

export interface CraftedReference {
  at: number | bigint;
  source?: number;
  sha256: string;
}

export interface Crafted {
  /** Format version and oldest reader: 1 if there is nothing of version 2. */
  version?: number;
  volume?: string;
  generation?: number;
  term?: number;
  number?: number;
  volumeBytes?: number;
  predecessor?: string;
  digest?: string;
  marker?: { name: string; consistency: number; timeMs: number };
  frames?: CraftedFrame[];
  extents?: CraftedExtent[];
  references?: CraftedReference[];
  sources?: string[];
  properties?: string | Uint8Array;
  /** Bytes between all that is known and the first frame. */
  tail?: Uint8Array;
}

const NONE = '0'.repeat(64);

export function craft(of: Crafted): Buffer {
  const frames = of.frames ?? [];
  const extents = of.extents ?? [];
  const volume = Buffer.from(of.volume ?? 'acme/berlin/erp/data', 'latin1');
  const name = Buffer.from(of.marker?.name ?? '', 'latin1');
  const texts = 160 + volume.length + name.length;
  const tables = up(texts);
  const references = of.references ?? [];
  const sources = Buffer.concat(
    (of.sources ?? []).map((source) => Buffer.from(`${String.fromCharCode(source.length)}${source}`, 'latin1')),
  );
  const properties = Buffer.from(of.properties ?? '');
  const second = references.length + sources.length + properties.length > 0;
  const known = tables + frames.length * 16 + extents.length * 24 + references.length * 48 + sources.length;
  const head = Buffer.alloc(up(known + properties.length) + (of.tail?.length ?? 0));
  head.set([0x89, 0x4c, 0x57, 0x44, 0x0d, 0x0a, 0x1a, 0x0a]);
  head.writeUInt16LE(of.version ?? (second ? 2 : 1), 8);
  head.writeUInt16LE(of.version ?? (second ? 2 : 1), 10);
  head.writeUInt32LE(head.length, 12);
  head.writeBigUInt64LE(BigInt(head.length + frames.reduce((sum, { stored }) => sum + stored.length, 0)), 16);
  head.writeUInt32LE(of.generation ?? 1, 24);
  head.writeUInt32LE(of.term ?? 1, 28);
  head.writeUInt32LE(of.number ?? 1, 32);
  head.writeUInt32LE(frames.length, 36);
  head.writeUInt32LE(extents.length, 40);
  head.writeUInt16LE(volume.length, 44);
  head.writeUInt16LE(name.length, 46);
  head.writeBigUInt64LE(BigInt(of.volumeBytes ?? 1024 * 1024), 48);
  head.write(of.predecessor ?? NONE, 56, 'hex');
  head.write(of.digest ?? NONE, 88, 'hex');
  head.writeUInt8(of.marker?.consistency ?? 0, 120);
  head.writeBigUInt64LE(BigInt(of.marker?.timeMs ?? 0), 128);
  head.writeUInt32LE(references.length, 144);
  head.writeUInt16LE(of.sources?.length ?? 0, 148);
  head.writeUInt16LE(properties.length, 150);
  head.set(volume, 160);
  head.set(name, 160 + volume.length);
  let at = tables;
  for (const frame of frames) {
    head.writeUInt8(frame.compression, at);
    head.writeUInt32LE(frame.crc ?? crc32(frame.stored), at + 4);
    head.writeUInt32LE(frame.stored.length, at + 8);
    head.writeUInt32LE(frame.rawBytes, at + 12);
    at += 16;
  }
  for (const extent of extents) {
    head.writeBigUInt64LE(BigInt(extent.offset), at);
    head.writeBigUInt64LE(BigInt(extent.length), at + 8);
    head.writeUInt8(extent.kind, at + 16);
    at += 24;
  }
  for (const reference of references) {
    head.writeBigUInt64LE(BigInt(reference.at), at);
    head.writeUInt32LE(reference.source ?? 0, at + 8);
    head.write(reference.sha256, at + 16, 'hex');
    at += 48;
  }
  head.set(sources, at);
  head.set(properties, at + sources.length);
  if (of.tail) head.set(of.tail, head.length - of.tail.length);
  return sealed(Buffer.concat([head, ...frames.map(({ stored }) => stored)]));
}

/** `bytes` with the head's CRC put right, in place. */
export function sealed(bytes: Buffer): Buffer {
  const head = Buffer.from(bytes.subarray(0, bytes.readUInt32LE(12)));
  head.writeUInt32LE(0, 156);
  bytes.writeUInt32LE(crc32(head), 156);
  return bytes;
}

/** `bytes` with others at `at`, its head's CRC right. */
export function patched(bytes: Uint8Array, at: number, values: readonly number[]): Buffer {
  const copy = Buffer.from(bytes);
  copy.set(values, at);
  return sealed(copy);
}

export function rawFrame(stored: Uint8Array): CraftedFrame {
  return { compression: 0, stored, rawBytes: stored.length };
}

export function gzipFrame(raw: Uint8Array): CraftedFrame {
  return { compression: 2, stored: gzipSync(raw), rawBytes: raw.length };
}

export function zstdFrame(raw: Uint8Array): CraftedFrame {
  return { compression: 1, stored: zstdCompressSync(raw), rawBytes: raw.length };
}

/** SHA-256 in text. */
export function hashOf(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Rounded up to a multiple of 8. */
function up(length: number): number {
  return length + ((8 - (length % 8)) % 8);
}
