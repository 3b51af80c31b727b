/** Range lists: whatever is wrong with one is refused with the field's name, and nothing is made room for before. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { RANGE_BYTES, RANGE_HASH_BYTES, blockHashes, rangeCount, rangeHash } from '../../src/ranges/blocks.ts';
import {
  RANGE_HEAD_BYTES,
  SEGMENT_RANGES,
  encodeRangeList,
  parseRangeHead,
  parseSegment,
  rangeListBytes,
  segmentOf,
} from '../../src/ranges/list.ts';
import type { RangeList } from '../../src/ranges/list.ts';
import { parseRangeList } from '../support/range-lists.ts';
import { isLeewardError } from '../../src/kernel/errors.ts';
import type { ErrorCode } from '../../src/kernel/errors.ts';

function listOf(ranges: number): RangeList {
  const hashes = new Uint8Array(ranges * RANGE_HASH_BYTES);
  for (let at = 0; at < hashes.length; at += 4) hashes[at] = at % 251;
  return {
    volume: 'acme/berlin/erp/data',
    generation: 3,
    number: 9,
    digest: 'ab'.repeat(32),
    volumeBytes: ranges * RANGE_BYTES - (ranges > 0 ? 512 : 0),
    hashes,
  };
}

/** Accepts a refusal that names the field. */
function says(code: ErrorCode, words: RegExp): (error: unknown) => boolean {
  return (error) => isLeewardError(error, code) && words.test(error.message);
}

function resealed(bytes: Uint8Array, change: (view: DataView) => void): Uint8Array {
  const changed = bytes.slice();
  const view = new DataView(changed.buffer);
  change(view);
  view.setUint32(RANGE_HEAD_BYTES - 4, crc32(changed.subarray(0, RANGE_HEAD_BYTES - 4)), true);
  return changed;
}

test('a list of several segments comes back whole, and segment by segment', () => {
  for (const ranges of [0, 1, SEGMENT_RANGES - 1, SEGMENT_RANGES, SEGMENT_RANGES + 1, 2 * SEGMENT_RANGES + 7]) {
    const list = listOf(ranges);
    const bytes = encodeRangeList(list);
    assert.equal(bytes.length, rangeListBytes(list.volumeBytes));
    assert.deepEqual(parseRangeList(bytes), list);
    const parts: Uint8Array[] = [];
    for (let range = 0; range < ranges;) {
      const segment = segmentOf(parseRangeHead(bytes), range);
      parts.push(parseSegment(bytes.subarray(segment.offset, segment.offset + segment.lengthBytes)));
      range = segment.firstRange + segment.ranges;
    }
    assert.deepEqual(new Uint8Array(Buffer.concat(parts)), list.hashes);
  }
});

test('each fault is refused by its field', () => {
  const list = listOf(3);
  const bytes = encodeRangeList(list);
  const refused = (broken: Uint8Array, field: RegExp): void => {
    assert.throws(() => parseRangeList(broken), says('MESSAGE_INVALID', field));
  };
  refused(new Uint8Array(0), /head/);
  refused(bytes.subarray(0, 511), /head/);
  refused(
    resealed(bytes, (view) => {
      view.setUint8(3, 0x44);
    }),
    /magic/,
  );
  refused(
    bytes.map((byte, at) => (at === 20 ? byte ^ 1 : byte)),
    /head CRC/,
  );
  refused(
    resealed(bytes, (view) => {
      view.setUint16(10, 0, true);
    }),
    /oldest reader/,
  );
  refused(
    resealed(bytes, (view) => {
      view.setUint16(12, 60_000, true);
    }),
    /volume id bytes/,
  );
  refused(
    resealed(bytes, (view) => {
      view.setUint16(12, 3, true);
    }),
    /reserved/,
  );
  refused(
    resealed(bytes, (view) => {
      view.setUint8(64, 0x2f);
    }),
    /volume id/,
  );
  refused(
    resealed(bytes, (view) => {
      view.setUint8(200, 1);
    }),
    /reserved/,
  );
  refused(
    resealed(bytes, (view) => {
      view.setUint32(16, 0, true);
    }),
    /generation/,
  );
  refused(
    resealed(bytes, (view) => {
      view.setBigUint64(24, 513n, true);
    }),
    /volume bytes/,
  );
  refused(
    resealed(bytes, (view) => {
      view.setBigUint64(24, 2n ** 63n, true);
    }),
    /volume bytes/,
  );
  refused(
    resealed(bytes, (view) => {
      view.setBigUint64(24, 2n ** 40n, true);
    }),
    /segment/,
  );
  refused(
    bytes.map((byte, at) => (at === RANGE_HEAD_BYTES ? byte ^ 1 : byte)),
    /segment CRC/,
  );
  const newer = resealed(bytes, (view) => {
    view.setUint32(8, 0x0002_0002, true);
  });
  assert.throws(() => parseRangeList(newer), says('VERSION_TOO_NEW', /needs format 2/));
});

test('a list is not made of what does not fit it', () => {
  const refused = (broken: RangeList, field: RegExp): void => {
    assert.throws(() => encodeRangeList(broken), says('MESSAGE_INVALID', field));
  };
  refused({ ...listOf(2), hashes: new Uint8Array(32) }, /hashes/);
  refused({ ...listOf(2), volume: 'acme/berlin' }, /volume id/);
  refused({ ...listOf(2), digest: 'no' }, /digest/);
  refused({ ...listOf(2), number: -1 }, /number/);
});

test('no bytes whatever do more than be refused', () => {
  const whole = encodeRangeList(listOf(2));
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 8 }),
      fc.boolean(),
      (at, seal) => {
        const bytes = whole.slice();
        for (const [offset, byte] of at) bytes[offset] = byte;
        const broken = seal ? resealed(bytes, () => undefined) : bytes;
        try {
          parseRangeList(broken);
        } catch (error) {
          assert.ok(isLeewardError(error, 'MESSAGE_INVALID', 'VERSION_TOO_NEW'), String(error));
        }
      },
    ),
  );
});

test('blocks and ranges of zeros have no hash, a short block is hashed as it is', () => {
  const zeros = new Uint8Array(RANGE_BYTES);
  assert.deepEqual(rangeHash(blockHashes(zeros)), new Uint8Array(RANGE_HASH_BYTES));
  const short = new Uint8Array(4096 + 512).fill(1, 4096);
  const padded = new Uint8Array(8192).fill(1, 4096, 4608);
  assert.equal(blockHashes(short).length, 32);
  assert.notDeepEqual(blockHashes(short), blockHashes(padded));
  assert.ok(
    blockHashes(short)
      .subarray(0, 16)
      .every((byte) => byte === 0),
  );
  assert.notDeepEqual(rangeHash(blockHashes(short)), new Uint8Array(RANGE_HASH_BYTES));
  assert.deepEqual([0, 512, RANGE_BYTES, RANGE_BYTES + 512].map(rangeCount), [0, 1, 1, 2]);
});
