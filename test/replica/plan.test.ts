/** The requests of any delta: in order, never two on one page, none too long, and together exactly what the delta sets. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { DeltaPiece } from '../../src/delta/delta.ts';
import { MIB, PAGE_BYTES } from '../../src/kernel/units.ts';
import { WRITE_BYTES_MAX } from '../../src/ports/replica-store.ts';
import { planRequests } from '../../src/replica/plan.ts';

const piece = fc.record({
  gapPages: fc.integer({ min: 0, max: 3 }),
  pages: fc.integer({ min: 1, max: 6 }),
  fill: fc.integer({ min: 0, max: 255 }),
  zeros: fc.boolean(),
});

function literalBytesOf(pieces: readonly DeltaPiece[]): number {
  return pieces.reduce((sum, each) => sum + ('bytes' in each ? each.bytes.length : 0), 0);
}

test('any pieces', () => {
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), (wishes) => {
      const pieces: DeltaPiece[] = [];
      const expected = Buffer.alloc(400 * PAGE_BYTES, 0xaa);
      let offset = 0;
      for (const { gapPages, pages, fill, zeros } of wishes) {
        offset += gapPages * PAGE_BYTES;
        const lengthBytes = pages * PAGE_BYTES;
        expected.fill(zeros ? 0 : fill, offset, offset + lengthBytes);
        pieces.push(zeros ? { offset, zerosBytes: lengthBytes } : { offset, bytes: Buffer.alloc(lengthBytes, fill) });
        offset += lengthBytes;
      }
      const written = Buffer.alloc(400 * PAGE_BYTES, 0xaa);
      let end = 0;
      for (const request of planRequests(pieces, literalBytesOf(pieces))) {
        const lengthBytes = request.kind === 'write' ? request.bytes.length : request.lengthBytes;
        assert(request.offset >= end && lengthBytes > 0 && lengthBytes % PAGE_BYTES === 0);
        end = request.offset + lengthBytes;
        if (request.kind === 'write') written.set(request.bytes, request.offset);
        else written.fill(0, request.offset, end);
      }
      assert(written.equals(expected));
    }),
  );
});

test('neighbours share a request, and none is longer than the largest write', () => {
  const bytes = Buffer.alloc(MIB, 1);
  const pieces = Array.from({ length: 9 }, (_, index) => ({ offset: index * MIB, bytes }));
  const requests = [...planRequests(pieces, 9 * MIB)];
  assert.deepEqual(
    requests.map((request) => (request.kind === 'write' ? request.bytes.length : 0)),
    [WRITE_BYTES_MAX, WRITE_BYTES_MAX, MIB],
  );
});

test('bytes that are reused by who gave them do not change a request that is under way', () => {
  const shared = Buffer.alloc(PAGE_BYTES);
  function* reusing(): Generator<DeltaPiece> {
    for (let index = 0; index < 3; index += 1) yield { offset: index * 2 * PAGE_BYTES, bytes: shared.fill(index + 1) };
  }
  const fills = [...planRequests(reusing(), 3 * PAGE_BYTES)].map(
    (request) => request.kind === 'write' && request.bytes[0],
  );
  assert.deepEqual(fills, [1, 2, 3]);
});
