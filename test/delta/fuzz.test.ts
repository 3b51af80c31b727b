/**
 * The decoder against deltas that were sound before somebody changed them and put all checksums right again, so that the
 * change gets as deep as it can. `FUZZ_SEED` and `FUZZ_RUNS` choose others than the usual ones.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { checkDelta, checkSent } from '../../src/delta/delta.ts';
import { describeDelta } from '../../src/delta/describe.ts';
import { DELTA_LIMITS } from '../../src/delta/limits.ts';
import { rehydrate } from '../../src/delta/rehydrate.ts';
import { DeltaWriter } from '../../src/delta/write.ts';
import { isLeewardError } from '../../src/kernel/errors.ts';
import { MIB } from '../../src/kernel/units.ts';
import { fullest } from './fullest.ts';
import { sealed } from './craft.ts';

const SEED = Number(process.env['FUZZ_SEED'] ?? 1);
const RUNS = Number(process.env['FUZZ_RUNS'] ?? 2000);
const GOLDEN = new URL('../golden/delta/', import.meta.url);

/** Numbers that programs get wrong. */
const EDGES = [0n, 1n, 2n, 511n, 512n, 1024n, 65_535n, 65_536n, 1n << 24n, (1n << 31n) - 1n, 1n << 31n];
const WIDE = [(1n << 32n) - 1n, 1n << 32n, (1n << 53n) - 512n, 1n << 53n, (1n << 63n) - 512n, (1n << 64n) - 1n];

/** The same numbers from the same seed in every run. */
class Chance {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 up to before `end`. */
  below(end: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * end);
  }

  of<T>(these: readonly T[]): T {
    const chosen = these[this.below(these.length)];
    assert.ok(chosen !== undefined);
    return chosen;
  }
}

/** Sound deltas of every kind: the golden ones, and some that have more of everything. */
function soundDeltas(): Buffer[] {
  const golden = readdirSync(GOLDEN).filter((name) => name.endsWith('.delta'));
  const large = (['zstd', 'gzip', 'none'] as const).map((frameCompression) => {
    const content = createHash('shake256', { outputLength: 8192 }).update(frameCompression).digest();
    const writer = new DeltaWriter(
      {
        volume: 'acme/berlin/erp/data',
        generation: 1,
        term: 1,
        number: 2,
        volumeBytes: 64 * MIB,
        predecessor: '1'.repeat(64),
        sourceTimeMs: 0,
        properties: '{"label":"x"}',
      },
      { frameCompression },
    );
    writer.literal(0, Buffer.concat([Buffer.alloc(MIB, 'leeward '), content]));
    for (let index = 0; index < 40; index += 1) {
      const offset = 8 * MIB + index * 16_384;
      const at = (index * 512) % 4096;
      writer.own(offset, MIB + at, content.subarray(at, at + 1024));
      writer.zeros(offset + 4096, 512);
      if (frameCompression !== 'none') writer.prior(offset + 8192, index * 512, content.subarray(0, 512));
    }
    return writer.finish().bytes;
  });
  return [...golden.map((name) => readFileSync(new URL(name, GOLDEN))), ...large.map((bytes) => Buffer.from(bytes))];
}

/** Changes one to three things and puts the checksums right, each with its own chance of being left wrong. */
function mutated(sound: Buffer, chance: Chance): Buffer {
  let bytes: Buffer = Buffer.from(sound);
  for (let changes = 1 + chance.below(3); changes > 0; changes -= 1) bytes = changed(bytes, chance);
  if (bytes.length < 160) return bytes;
  if (chance.below(8) > 0) bytes.writeBigUInt64LE(BigInt(bytes.length), 16);
  repairFrames(bytes);
  const headBytes = bytes.readUInt32LE(12);
  return headBytes >= 160 && headBytes <= bytes.length ? sealed(bytes) : bytes;
}

function changed(bytes: Buffer, chance: Chance): Buffer {
  const headBytes = bytes.length < 160 ? bytes.length : Math.min(bytes.readUInt32LE(12), bytes.length);
  // Tables deserve more than their share: a frame of noise is noise wherever it is changed.
  const at = chance.below(chance.below(4) > 0 ? headBytes : bytes.length);
  const width = chance.of([1, 2, 4, 8]);
  const aligned = Math.min(at - (at % width), bytes.length - width);
  switch (chance.below(8)) {
    case 0:
    case 1: {
      const edge = BigInt.asUintN(width * 8, chance.of([...EDGES, ...WIDE]));
      if (aligned >= 0) writeNumber(bytes, aligned, width, edge);
      return bytes;
    }
    case 2: {
      if (aligned < 0) return bytes;
      const step = chance.of([1n, -1n, 512n, -512n, 1n << 20n]);
      writeNumber(bytes, aligned, width, BigInt.asUintN(width * 8, readNumber(bytes, aligned, width) + step));
      return bytes;
    }
    case 3:
      bytes[at] = (bytes[at] ?? 0) ^ (1 << chance.below(8));
      return bytes;
    case 4:
      return bytes.copyWithin(at, chance.below(bytes.length), bytes.length);
    case 5: {
      const piece = bytes.subarray(at, at + chance.of([8, 16, 24, 48, 512]));
      return Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at)]);
    }
    case 6:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + chance.of([1, 8, 24, 48, 512]))]);
    default: {
      // A count, and the head's length as it would have to be.
      if (bytes.length < 160) return bytes;
      const [field, entry] = chance.of([
        [36, 16],
        [40, 24],
        [144, 48],
      ] as const);
      const more = chance.of([1, -1, 7, 1000]);
      const count = Math.max(0, bytes.readUInt32LE(field) + more) % 2 ** 32;
      bytes.writeUInt32LE(count, field);
      bytes.writeUInt32LE(Math.max(0, bytes.readUInt32LE(12) + more * entry) % 2 ** 32, 12);
      return more > 0 ? Buffer.concat([bytes.subarray(0, at), Buffer.alloc(more * entry), bytes.subarray(at)]) : bytes;
    }
  }
}

function readNumber(bytes: Buffer, at: number, width: number): bigint {
  return width === 8 ? bytes.readBigUInt64LE(at) : BigInt(bytes.readUIntLE(at, width));
}

function writeNumber(bytes: Buffer, at: number, width: number, value: bigint): void {
  if (width === 8) bytes.writeBigUInt64LE(value, at);
  else bytes.writeUIntLE(Number(value), at, width);
}

/** Puts right the CRC of each frame whose entry and stored bytes can be found. */
function repairFrames(bytes: Buffer): void {
  const texts = 160 + bytes.readUInt16LE(44) + bytes.readUInt16LE(46);
  let storedAt = bytes.readUInt32LE(12);
  let entryAt = texts + ((8 - (texts % 8)) % 8);
  for (let left = Math.min(bytes.readUInt32LE(36), 64); left > 0 && entryAt + 16 <= bytes.length; left -= 1) {
    const end = storedAt + bytes.readUInt32LE(entryAt + 8);
    if (end > bytes.length) return;
    bytes.writeUInt32LE(crc32(bytes.subarray(storedAt, end)), entryAt + 4);
    storedAt = end;
    entryAt += 16;
  }
}

/** CPU time in milliseconds that `run` took: other processes on the machine do not count. */
function cpuMs(run: () => void): number {
  const before = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

function read(bytes: Buffer, seen: Map<string, number>): void {
  const count = (what: string): void => void seen.set(what, (seen.get(what) ?? 0) + 1);
  let sound = false;
  try {
    const sent = checkSent(bytes);
    sound = true;
    assert.ok(sent.head.contentBytes <= DELTA_LIMITS.contentBytesMax);
    assert.ok(sent.head.literalBytes <= DELTA_LIMITS.ratioMax * bytes.length);
    if (sent.outside.length === 0) {
      const pieces = [...checkDelta(bytes).pieces()];
      const contentBytes = pieces.reduce((sum, piece) => sum + ('bytes' in piece ? piece.bytes.length : 0), 0);
      assert.equal(contentBytes, sent.head.contentBytes);
      count('self-contained');
    } else {
      count('sent');
    }
    rehydrate(sent, ({ lengthBytes }) => new Uint8Array(lengthBytes));
  } catch (error) {
    assert.ok(isLeewardError(error, 'DELTA_INVALID', 'LIMIT_EXCEEDED', 'VERSION_TOO_NEW'), String(error));
    assert.doesNotMatch(error.message, /\p{Cc}/u);
    count(error.message.replace(/^delta: /, '').replaceAll(/ \(byte.*|:.*|\d+/g, ''));
  }
  assert.equal(describeDelta(bytes).valid, sound);
}

test('a changed delta is read or refused, never more, and costs no more than the fullest sound one', async () => {
  const largest = fullest();
  const bound = 10 * Math.max(...[0, 1, 2].map(() => cpuMs(() => void describeDelta(checkSent(largest).bytes))));
  const sound = soundDeltas();
  for (const bytes of sound) assert.deepEqual(describeDelta(bytes).problems, []);
  const chance = new Chance(SEED);
  const seen = new Map<string, number>();
  const beforeKib = process.resourceUsage().maxRSS;
  for (let run = 0; run < RUNS; run += 1) {
    const bytes = mutated(chance.of(sound), chance);
    // Node lets go of a decompression that failed in the next turn only.
    if (run % 16 === 0) await setImmediate();
    try {
      const took = cpuMs(() => {
        read(bytes, seen);
      });
      assert.ok(took < bound, `${took} ms of CPU; the fullest delta takes a tenth of ${bound} ms`);
    } catch (error) {
      throw new Error(`seed ${SEED}, run ${run}: ${bytes.subarray(0, 2048).toString('hex')}`, { cause: error });
    }
  }
  // Held literals, contents and an encoded result, and twice that for what the collector has not come to yet.
  const grownKib = process.resourceUsage().maxRSS - beforeKib;
  assert.ok(grownKib * 1024 < 9 * DELTA_LIMITS.encodedBytesMax, `it took ${grownKib} KiB`);
  for (const deep of [
    'self-contained',
    'sent',
    'digest',
    'extent , content SHA-',
    'frame , stored bytes',
    'extent table',
  ]) {
    assert.ok((seen.get(deep) ?? 0) > 0, `no run came as far as ${deep}: ${[...seen.keys()].join('; ')}`);
  }
});
