import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applied, endedCalls } from '../../scripts/bench/host-log.ts';

const ID = '01234567-89ab-cdef-0123-456789abcdef';
const OTHER = 'fedcba98-89ab-cdef-0123-456789abcdef';

test('a call is what one invocation said, up to its end', () => {
  const log = [
    `2026-11-21T12:00:00.000Z information [ingest ${ID}] executing (message 1)`,
    `2026-11-21T12:00:00.000Z information [ingest ${OTHER}] executing (message 2)`,
    `2026-11-21T12:00:00.010Z information [ingest ${ID}] t/s/g/v: delta 12 applied`,
    `2026-11-21T12:00:00.012Z information [ingest ${ID}] succeeded after 12 ms`,
    `2026-11-21T12:00:00.020Z error [ingest ${OTHER}] failed after 20 ms: it did`,
    'a line that is none of a call',
  ].join('\n');
  const [first, second, ...more] = endedCalls(log);
  assert.deepEqual(more, []);
  assert.deepEqual([first?.tookMs, first?.succeeded, second?.succeeded], [12, true, false]);
  assert.equal(first && applied('t/s/g/v', 12)(first), true);
  assert.equal(first && applied('t/s/g/v', 1)(first), false);
  assert.equal(second && applied('t/s/g/v', 12)(second), false);
});
