/** Plans carried out over a blob: what they leave is exactly what the delta says, and what it does not name stays. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { DeltaPiece } from '../../../src/delta/delta.ts';
import { joined, lengthOf, partsOf } from '../../../src/kernel/byte-parts.ts';
import { KIB, MIB, PAGE_BYTES } from '../../../src/kernel/units.ts';
import { executePlan } from '../../../src/replica/plan/execute.ts';
import type { PageRequest, ReadRange } from '../../../src/replica/plan/execute.ts';
import { planApply } from '../../../src/replica/plan/plan.ts';
import type { PageRun } from '../../../src/replica/plan/segments.ts';
import { failsWith } from '../../support/fails-with.ts';

async function all(requests: AsyncIterable<PageRequest>): Promise<PageRequest[]> {
  const sent: PageRequest[] = [];
  for await (const each of requests) sent.push(each);
  return sent;
}

const BLOB_PAGES = 200;

/** A run with what comes before it; a piece of it is at most `piecePages` long, as frames cut them. */
const wish = fc.record({
  gapPages: fc.integer({ min: 0, max: 4 }),
  pages: fc.integer({ min: 1, max: 6 }),
  piecePages: fc.integer({ min: 1, max: 4 }),
  fill: fc.constantFrom(0, 1, 2, 3),
  zeros: fc.boolean(),
});

const figures = fc.record({
  requestsPerS: fc.integer({ min: 1, max: 6 }),
  pagesPerS: fc.integer({ min: 1, max: 40 }),
  writePagesMax: fc.integer({ min: 1, max: 12 }),
  readPagesMax: fc.integer({ min: 1, max: 12 }),
});

function request(blob: Buffer, asked: PageRequest): { offset: number; end: number } {
  const end = asked.offset + (asked.kind === 'write' ? lengthOf(asked.bytes) : asked.lengthBytes);
  if (asked.kind === 'write') blob.set(joined(asked.bytes), asked.offset);
  else blob.fill(0, asked.offset, end);
  return { offset: asked.offset, end };
}

test('any pieces over any blob, by any figures', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(wish, { maxLength: 30 }),
      figures,
      fc.constantFrom(0, 17, 60, Infinity),
      async (wishes, { requestsPerS, pagesPerS, writePagesMax, readPagesMax }, zerosFromPage) => {
        const zerosFrom = zerosFromPage * PAGE_BYTES;
        const blob = Buffer.alloc(BLOB_PAGES * PAGE_BYTES * 2);
        blob.forEach((_, at) => (blob[at] = at < zerosFrom ? 0x80 | (at % 97) : 0));
        const expected = Buffer.from(blob);
        const runs: PageRun[] = [];
        const pieces: DeltaPiece[] = [];
        let offset = 0;
        for (const { gapPages, pages, piecePages, fill, zeros } of wishes) {
          offset += gapPages * PAGE_BYTES;
          const lengthBytes = pages * PAGE_BYTES;
          runs.push({ kind: zeros ? 'zeros' : 'literal', offset, lengthBytes });
          expected.fill(zeros ? 0 : fill, offset, offset + lengthBytes);
          if (zeros) pieces.push({ offset, zerosBytes: lengthBytes });
          for (let done = 0; !zeros && done < pages; done += piecePages) {
            const bytes = Buffer.alloc(Math.min(piecePages, pages - done) * PAGE_BYTES, fill);
            pieces.push({ offset: offset + done * PAGE_BYTES, bytes });
          }
          offset += lengthBytes;
        }
        const plan = planApply(runs, {
          zerosFrom,
          costs: { requestsPerS, bytesPerS: pagesPerS * PAGE_BYTES },
          limits: { writeBytesMax: writePagesMax * PAGE_BYTES, readBytesMax: readPagesMax * PAGE_BYTES },
        });
        const read: ReadRange = async ({ offset: from, lengthBytes }) =>
          Uint8Array.from(blob.subarray(from, from + lengthBytes));
        const sent = await all(executePlan(plan, pieces, read));
        let end = 0;
        for (const each of sent) {
          const done = request(blob, each);
          assert(done.offset >= end && done.end > done.offset, 'requests do not ascend, or share a page');
          end = done.end;
        }
        assert.equal(sent.length + plan.reads.length, plan.requests);
        assert(blob.equals(expected));
      },
    ),
  );
});

const THREE = [0, 2, 4].map((page): PageRun => ({
  kind: 'literal',
  offset: page * PAGE_BYTES,
  lengthBytes: PAGE_BYTES,
}));

function piecesOf(runs: readonly PageRun[], fill: number): DeltaPiece[] {
  return runs.map(({ offset, lengthBytes }) => ({ offset, bytes: Buffer.alloc(lengthBytes, fill) }));
}

test('a literal write that is all zeros is sent as a clear', async () => {
  const plan = planApply(THREE.slice(0, 1));
  const sent = await all(executePlan(plan, piecesOf(THREE.slice(0, 1), 0), async () => new Uint8Array()));
  assert.deepEqual(sent, [{ kind: 'clear', offset: 0, lengthBytes: PAGE_BYTES }]);
});

test('large pieces are sent as they lie, many small ones as one copy', async () => {
  const [offset, pieceBytes, holeBytes] = [PAGE_BYTES, 200 * KIB, 70 * KIB];
  const run = (at: number, lengthBytes: number): PageRun => ({ kind: 'literal', offset: offset + at, lengthBytes });
  const runs = [run(0, 4 * pieceBytes), run(4 * pieceBytes + holeBytes, PAGE_BYTES)];
  const source = Buffer.alloc(5 * pieceBytes, 7);
  const pieces = (pieceLength: number): DeltaPiece[] =>
    runs.flatMap(({ offset: from, lengthBytes }) =>
      Array.from({ length: Math.ceil(lengthBytes / pieceLength) }, (_, index) => {
        const at = index * pieceLength;
        return { offset: from + at, bytes: source.subarray(at, Math.min(at + pieceLength, lengthBytes)) };
      }),
    );
  const expected = Buffer.alloc(4 * pieceBytes + holeBytes + PAGE_BYTES, 7);
  expected.fill(0, 4 * pieceBytes, 4 * pieceBytes + holeBytes);
  const fresh = planApply(runs, { zerosFrom: 0, costs: { requestsPerS: 1, bytesPerS: 512 * MIB } });
  for (const [pieceLength, views] of [
    [pieceBytes, true],
    [8 * KIB, false],
  ] as const) {
    const [write, ...others] = await all(executePlan(fresh, pieces(pieceLength), async () => assert.fail()));
    assert(write?.kind === 'write' && others.length === 0);
    assert(expected.equals(joined(write.bytes)));
    assert.equal(
      partsOf(write.bytes).some(({ buffer }) => buffer === source.buffer),
      views,
    );
  }
});

test('a read that fails, or brings too little, ends the work with nothing under way', async () => {
  const plan = planApply(THREE);
  assert.equal(plan.reads.length, 1);
  const failing = all(
    executePlan(plan, piecesOf(THREE, 1), async () => {
      throw new Error('no answer');
    }),
  );
  await assert.rejects(failing, /no answer/);
  const short = all(executePlan(plan, piecesOf(THREE, 1), async () => new Uint8Array(PAGE_BYTES)));
  await assert.rejects(short, failsWith('UNAVAILABLE'));
});

test('who stops early leaves nothing behind: no read goes on, and the pieces are closed', async () => {
  let isClosed = false;
  const runs = Array.from({ length: 9 }, (_, index): PageRun => {
    return {
      kind: 'literal',
      offset: (index * 2 + Math.floor(index / 3) * 4000) * PAGE_BYTES,
      lengthBytes: PAGE_BYTES,
    };
  });
  function* closing(): Generator<DeltaPiece> {
    try {
      yield* piecesOf(runs, 1);
    } finally {
      isClosed = true;
    }
  }
  const plan = planApply(runs);
  assert.equal(plan.reads.length, 3);
  let underWay = 0;
  const requests = executePlan(plan, closing(), async ({ lengthBytes }) => {
    underWay += 1;
    await new Promise((resolve) => setImmediate(resolve));
    underWay -= 1;
    return new Uint8Array(lengthBytes);
  });
  await requests.next();
  await requests.return();
  assert(isClosed);
  assert.equal(underWay, 0);
});
