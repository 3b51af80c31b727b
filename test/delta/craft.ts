/**
 * Deltas as no writer makes them: any tables, any frames, any lie, under a head CRC that is right. It shares nothing with
 * src/delta but the numbers of docs/delta-format.md, so that the reader is tested by something else than its writer.
 */
import { crc32, zstdCompressSync } from 'node:zlib';

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

export interface Crafted {
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
  /** Bytes between the extent table and the first frame. */
  tail?: Uint8Array;
}

const NONE = '0'.repeat(64);

export function craft(of: Crafted): Buffer {
  const frames = of.frames ?? [];
  const extents = of.extents ?? [];
  const volume = Buffer.from(of.volume ?? 'acme/berlin/erp/data', 'latin1');
  const name = Buffer.from(of.marker?.name ?? '', 'latin1');
  const texts = 160 + volume.length + name.length;
  const tables = texts + ((8 - (texts % 8)) % 8);
  const head = Buffer.alloc(tables + frames.length * 16 + extents.length * 24 + (of.tail?.length ?? 0));
  head.set([0x89, 0x4c, 0x57, 0x44, 0x0d, 0x0a, 0x1a, 0x0a]);
  head.writeUInt16LE(1, 8);
  head.writeUInt16LE(1, 10);
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
  if (of.tail) head.set(of.tail, at);
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

export function zstdFrame(raw: Uint8Array): CraftedFrame {
  return { compression: 1, stored: zstdCompressSync(raw), rawBytes: raw.length };
}
