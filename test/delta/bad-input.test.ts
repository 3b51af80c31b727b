/** Whatever is not a sound delta is refused with one line that names the field, at no cost. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { checkDelta, openDelta } from '../../src/delta/delta.ts';
import { describeDelta } from '../../src/delta/describe.ts';
import { parseHead } from '../../src/delta/head.ts';
import { encodeDelta } from '../../src/delta/write.ts';
import { isLeewardError } from '../../src/kernel/errors.ts';
import { NO_DIGEST } from '../../src/kernel/hash.ts';
import { GIB, MIB } from '../../src/kernel/units.ts';
import { craft, patched, rawFrame, sealed, zstdFrame } from './craft.ts';
import type { Crafted, CraftedFrame } from './craft.ts';
import { refusal } from './refusal.ts';

/** Two literals, zeros and a marker; one frame, compressed or not. */
function sample(zstdLevel: number): Uint8Array {
  return encodeDelta(
    {
      volume: 'acme/berlin/erp/data',
      generation: 1,
      term: 1,
      number: 1,
      volumeBytes: MIB,
      predecessor: NO_DIGEST,
      sourceTimeMs: 7,
      marker: { name: 'hourly', consistency: 'crash', timeMs: 9 },
      extents: [
        { offset: 0, bytes: Buffer.from('leeward '.repeat(64)) },
        { offset: 1024, zerosBytes: 2048 },
        { offset: 4096, bytes: Buffer.from('to port '.repeat(64)) },
      ],
    },
    { zstdLevel },
  ).bytes;
}

const RAW = sample(0);
const ZSTD = sample(3);
const HEAD_BYTES = parseHead(RAW).headBytes;
const FRAMES_AT = HEAD_BYTES - 3 * 24 - 16;
const EXTENTS_AT = HEAD_BYTES - 3 * 24;

function refused(bytes: Uint8Array, message: RegExp): void {
  assert.throws(() => checkDelta(bytes), refusal(message));
  const { valid, problems } = describeDelta(bytes);
  assert.equal(valid, false);
  assert.match(problems.join('\n'), message);
  for (const line of problems) assert.doesNotMatch(line, /\n/);
}

test('a delta that is cut short anywhere, or too long, is refused', () => {
  for (const bytes of [RAW, ZSTD]) {
    for (let length = 0; length < bytes.length; length += 1) {
      assert.throws(() => openDelta(bytes.subarray(0, length)), { code: 'DELTA_INVALID' }, `${length} bytes`);
      assert.equal(describeDelta(bytes.subarray(0, length)).valid, false);
    }
    refused(Buffer.concat([bytes, Buffer.alloc(1)]), /total bytes \(byte 16\): too long/);
  }
  refused(RAW.subarray(0, 159), /prologue \(byte 0\): cut short: 159 of 160/);
  refused(RAW.subarray(0, RAW.length - 1), /total bytes \(byte 16\): cut short/);
});

test('each flipped bit is found, and is never taken for a newer version', () => {
  for (const bytes of [RAW, ZSTD]) {
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const bad = Buffer.from(bytes);
      bad[bit >> 3] = (bad[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      assert.throws(() => checkDelta(bad), refusal(/^delta: /), `bit ${bit}`);
    }
  }
});

test('each bit of the head means something, even under a right CRC', () => {
  // But for the source time, and a newer version that allows this reader.
  const free = (at: number): boolean => (at >= 136 && at < 144) || at === 8 || at === 9 || (at >= 156 && at < 160);
  for (let bit = 0; bit < HEAD_BYTES * 8; bit += 1) {
    const at = bit >> 3;
    if (free(at) || (at >= 12 && at < 16)) continue;
    const bad = patched(RAW, at, [(RAW[at] ?? 0) ^ (1 << (bit & 7))]);
    assert.throws(() => checkDelta(bad), refusal(/^delta: /), `bit ${bit}`);
    assert.equal(describeDelta(bad).valid, false, `bit ${bit}`);
  }
});

test('noise is refused in good order', () => {
  const magic = Buffer.from([0x89, 0x4c, 0x57, 0x44, 0x0d, 0x0a, 0x1a, 0x0a]);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), fc.boolean(), (noise, withMagic) => {
      const bytes = withMagic ? Buffer.concat([magic, noise]) : noise;
      assert.throws(() => checkDelta(bytes), { code: 'DELTA_INVALID' });
      assert.equal(describeDelta(bytes).valid, false);
    }),
    { numRuns: 100 },
  );
});

test('any bytes changed under a right CRC are read or refused, never more', () => {
  fc.assert(
    fc.property(fc.nat(HEAD_BYTES - 1), fc.uint8Array({ minLength: 1, maxLength: 9 }), (at, values) => {
      const bad = Buffer.from(RAW);
      bad.set(values.subarray(0, HEAD_BYTES - at), at);
      if (bad.readUInt32LE(12) <= bad.length && bad.readUInt32LE(12) >= 160) sealed(bad);
      try {
        checkDelta(bad);
      } catch (error) {
        assert.ok(isLeewardError(error, 'DELTA_INVALID', 'LIMIT_EXCEEDED', 'VERSION_TOO_NEW'), String(error));
      }
      describeDelta(bad);
    }),
    { numRuns: 500 },
  );
});

test('each field of the prologue is named', () => {
  const cases: [at: number, values: number[], message: RegExp][] = [
    [0, [0x88], /magic \(byte 0\)/],
    [10, [0], /oldest reader \(byte 10\): 0/],
    [10, [2], /oldest reader \(byte 10\): 2 is not 1 to the format version, 1/],
    [16, [0, 0, 0, 0x10], /total bytes \(byte 16\).*encodedBytesMax/],
    [16, [0, 0, 0, 0, 0, 0, 0x20, 0], /total bytes \(byte 16\): above 2\^53 - 1/],
    [24, [0], /generation \(byte 24\): 0 is not 1 to 99999999/],
    [24, [0, 0xe1, 0xf5, 0x05], /generation \(byte 24\): 100000000 is not 1 to 99999999/],
    [28, [0], /term \(byte 28\)/],
    [32, [0], /number \(byte 32\)/],
    [32, [2], /predecessor \(byte 56\): number 2 needs one/],
    [36, [0xff, 0xff, 0xff, 0xff], /frame count \(byte 36\): 4294967295 is above the limit of 4096 \(framesMax\)/],
    [40, [0xff, 0xff, 0xff, 0xff], /extent count \(byte 40\): 4294967295 is above the limit of 16384 \(extentsMax\)/],
    [40, [0, 0x40, 0, 0], /head bytes \(byte 12\).*tables end at/],
    [40, [2], /head bytes \(byte 12\)/],
    [44, [0xff, 0xff], /head bytes \(byte 12\)/],
    [48, [1], /volume bytes \(byte 48\)/],
    [54, [0x20], /volume bytes \(byte 48\): above 2\^53 - 1/],
    [53, [8], /volume bytes \(byte 48\).*volumeBytesMax/],
    [56, [1], /predecessor \(byte 56\): number 1 has one only from format 2 on/],
    [88, [1, 2, 3], /digest \(byte 88\)/],
    [120, [3], /marker consistency \(byte 120\): 3/],
    [120, [0], /marker name bytes \(byte 46\)/],
    [121, [1], /reserved \(byte 121\)/],
    [127, [1], /reserved \(byte 127\)/],
    [135, [1], /marker time \(byte 128\): above 2\^53 - 1/],
    [143, [1], /source time \(byte 136\): above 2\^53 - 1/],
    [144, [1], /reserved \(byte 144\)/],
    [155, [1], /reserved \(byte 155\)/],
    [160, [0x41], /volume id \(byte 160\): tenant "Acme"/],
    [180, [0x20], /marker name \(byte 180\)/],
    [186, [1], /padding \(byte 186\)/],
  ];
  for (const [at, values, message] of cases) refused(patched(RAW, at, values), message);
  refused(patched(RAW, 156, []).fill(0, 156, 160), /head CRC \(byte 156\)/);
  const headBytes = Buffer.from(RAW);
  headBytes.writeUInt32LE(159, 12);
  refused(headBytes, /head bytes \(byte 12\)/);
  headBytes.writeUInt32LE(2 ** 32 - 1, 12);
  refused(headBytes, /head bytes \(byte 12\)/);
});

test('each field of the tables is named', () => {
  const second = EXTENTS_AT + 24;
  const cases: [at: number, values: number[], message: RegExp][] = [
    [FRAMES_AT, [2], /frame 0, compression .*: 2 is none of 0 \(none\), 1 \(zstd\)$/m],
    [FRAMES_AT + 1, [1], /frame 0, reserved/],
    [FRAMES_AT + 4, [1, 1, 1, 1], /frame 0, CRC/],
    [FRAMES_AT + 8, [0, 0], /frame 0, stored bytes/],
    [FRAMES_AT + 8, [1], /frame 0, raw bytes .*: 1024, but 1025 are stored/],
    [FRAMES_AT + 12, [0, 0], /frame 0, raw bytes/],
    [FRAMES_AT + 12, [1], /frame 0, raw bytes .* no multiple/],
    [FRAMES_AT + 12, [0, 2, 0x40], /frame 0, raw bytes .*frameRawBytesMax/],
    [FRAMES_AT + 12, [0, 6], /frame 0, raw bytes .*: 1536, but 1024 are stored/],
    [EXTENTS_AT, [1], /extent 0, offset .* no multiple/],
    [EXTENTS_AT + 7, [1], /extent 0, offset .*: above 2\^53 - 1/],
    [EXTENTS_AT + 8, [0, 0], /extent 0, length .*: 0 is no multiple/],
    [EXTENTS_AT + 8, [0, 8], /extent 1, offset .*: 1024 overlaps .* ends at 2048/],
    [EXTENTS_AT + 15, [1], /extent 0, length .*: above 2\^53 - 1/],
    [EXTENTS_AT + 16, [2], /extent 0, kind .*: 2 is none of 0 \(literal\), 1 \(zeros\)$/m],
    [EXTENTS_AT + 17, [1], /extent 0, reserved/],
    [EXTENTS_AT + 23, [1], /extent 0, reserved/],
    [second, [0, 0x20], /extent 2, offset .*: 4096 overlaps or precedes/],
    [second + 8, [0, 0x10], /extent 2, offset .*: 4096 overlaps/],
    [second + 16, [0], /extent table .*: 3072 literal bytes in all, but the frames hold 1024/],
    [second + 24 + 2, [0x10], /extent 2, length .* past the volume's end at 1048576/],
  ];
  for (const [at, values, message] of cases) refused(patched(RAW, at, values), message);
  const stored = ZSTD[FRAMES_AT + 8] ?? 0;
  refused(patched(ZSTD, FRAMES_AT + 8, [stored + 1]), /total bytes \(byte 16\): \d+, but a head of/);
});

test('a newer delta waits for a newer program', () => {
  const newer = patched(RAW, 8, [3, 0, 3, 0]);
  for (const read of [parseHead, openDelta, checkDelta]) {
    assert.throws(() => read(newer), { code: 'VERSION_TOO_NEW', message: /needs format 3/ });
  }
  assert.match(describeDelta(newer).problems.join(), /oldest reader \(byte 10\): needs format 3/);
});

test('a newer delta that allows this reader is read, what is reserved here ignored', () => {
  const of = { volumeBytes: MIB, extents: [{ offset: 0, length: 512, kind: 1 }], tail: Buffer.alloc(24, 5) };
  const { digest } = encodeDelta({ ...parseHead(RAW), marker: undefined, extents: [{ offset: 0, zerosBytes: 512 }] });
  const same = craft({ ...of, digest });
  refused(same, /head bytes/);
  const newer = patched(patched(same, 8, [3, 0, 1, 0]), 144, [1, 2, 3]);
  assert.equal(checkDelta(newer).head.formatVersion, 3);
});

/** A zstd frame of `blocks` times 128 KiB of zeros in 4 bytes each; RFC 8878, "RLE_Block". */
function bomb(blocks: number, windowLog = 17): Buffer {
  const start = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, (windowLog - 10) << 3]);
  const block = (last: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeUIntLE(((128 * 1024) << 3) | (1 << 1) | last, 0, 3);
    return bytes;
  };
  return Buffer.concat([start, ...Array.from({ length: blocks }, (_, index) => block(index === blocks - 1 ? 1 : 0))]);
}

function frameOf(stored: Uint8Array, rawBytes: number): Crafted {
  const frame: CraftedFrame = { compression: 1, stored, rawBytes };
  return { volumeBytes: 8 * MIB, frames: [frame], extents: [{ offset: 0, length: rawBytes, kind: 0 }] };
}

test('a bomb does not go off', () => {
  const zeros = encodeDelta({
    ...parseHead(RAW),
    volumeBytes: 8 * MIB,
    marker: undefined,
    extents: [{ offset: 0, zerosBytes: 4 * MIB }],
  });
  const honest = craft({ ...frameOf(bomb(32), 4 * MIB), digest: zeros.digest });
  assert.equal(checkDelta(honest).head.literalBytes, 4 * MIB, 'the bomb is sound zstd');

  const before = process.resourceUsage().maxRSS;
  for (const rawBytes of [512, 4 * MIB - 512, 4 * MIB]) {
    refused(craft(frameOf(bomb(8192), rawBytes)), /frame 0, stored bytes .*: zstd does not give/);
  }
  refused(craft(frameOf(bomb(1, 23), 128 * 1024)), /zstd does not give/);
  refused(craft(frameOf(bomb(31), 4 * MIB)), /frame 0, raw bytes .*: 4194304, but only 4063232 come out/);
  refused(craft(frameOf(bomb(8192), GIB)), /frameRawBytesMax/);
  const grownKib = process.resourceUsage().maxRSS - before;
  assert.ok(grownKib < 64 * 1024, `a GiB of zeros took ${grownKib} KiB`);
});

test('frames of more than the limit in all are refused before one is opened', () => {
  const frames = Array.from({ length: 5 }, () => ({ compression: 1, stored: bomb(32), rawBytes: 4 * MIB }));
  const extents = [{ offset: 0, length: 20 * MIB, kind: 0 }];
  const bytes = craft({ volumeBytes: 64 * MIB, frames, extents });
  assert.throws(() => openDelta(bytes), refusal(/frame table .*contentBytesMax/));
  refused(bytes, /contentBytesMax/);
});

test('what is no zstd, is cut, or has more behind it is refused', () => {
  const sound = zstdFrame(Buffer.alloc(512, 3)).stored;
  for (const stored of [
    Buffer.alloc(16, 1),
    sound.subarray(0, -1),
    Buffer.concat([sound, Buffer.from('xx')]),
    Buffer.concat([sound, sound]),
  ]) {
    refused(craft(frameOf(stored, 512)), /frame 0, stored bytes .*: zstd does not give 512 bytes/);
  }
});

test('an empty delta with sizes that do not fit each other is refused', () => {
  refused(
    craft({ frames: [rawFrame(Buffer.alloc(512, 1))] }),
    /extent table .*: 0 literal bytes in all, but the frames hold 512/,
  );
  refused(craft({ extents: [{ offset: 0, length: 512, kind: 0 }] }), /extent table/);
  refused(craft({}), /digest \(byte 88\)/);
});

test('no message repeats what a delta smuggles in', () => {
  const bytes = craft({ volume: `a/b/c/${'x'.repeat(5000)}\n\u001b[31m` });
  assert.throws(
    () => openDelta(bytes),
    (error) => {
      assert.ok(isLeewardError(error, 'DELTA_INVALID'));
      assert.ok(error.message.length < 300);
      return true;
    },
  );
});

test('a broken delta is still described', () => {
  const description = describeDelta(patched(patched(RAW, 24, [0]), 28, [0]));
  assert.equal(description.head?.volume, 'acme/berlin/erp/data');
  assert.equal(description.extents?.length, 3);
  assert.deepEqual(
    description.problems.map((line) => line.split(' ')[0]),
    ['generation', 'term'],
  );
  assert.deepEqual(JSON.parse(JSON.stringify(description)), description);

  const damaged = Buffer.from(ZSTD);
  damaged[damaged.length - 1] = (damaged.at(-1) ?? 0) ^ 1;
  assert.match(describeDelta(damaged).problems.join(), /^frame 0, CRC \(byte \d+\)/);
});
