/** One price: what a pass from the left says of the rest is what the cheapest plan has there, at every boundary. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cheapest } from '../../../src/replica/plan/cheapest.ts';
import { standsOf, summed } from '../../../src/replica/plan/moves.ts';
import { reversed } from '../../../src/replica/plan/segments.ts';
import type { Segments } from '../../../src/replica/plan/segments.ts';
import { SeededRandom } from '../../simulation/random.ts';

function anySegments(random: SeededRandom): Segments {
  const count = random.between(1, 30);
  return {
    count,
    kinds: Uint8Array.from({ length: count }, () => random.between(0, 3)),
    offsets: new Float64Array(count),
    pages: Float64Array.from({ length: count }, () => random.between(1, 6)),
  };
}

test('the cheapest plan costs what its passes from either side say, and no less with rounded rooms', () => {
  const random = new SeededRandom(3);
  for (let index = 0; index < 2000; index += 1) {
    const segments = anySegments(random);
    const limits = { write: random.between(1, 20), read: random.between(1, 20) };
    const prices = { request: random.between(1, 20), page: random.between(1, 4) };
    const found = cheapest(segments, limits, prices);
    assert(found);
    const { requests, pages } = summed(segments, found.choices, limits);
    assert.deepEqual({ requests: found.requests, pages: found.pages }, { requests, pages });
    const backwards = cheapest(reversed(segments), limits, prices);
    assert(backwards);
    assert.equal(backwards.cost, found.cost);
    const stands = standsOf(reversed(segments), backwards.choices, limits);
    for (let boundary = 0; boundary <= segments.count; boundary += 1) {
      const from = segments.count - boundary;
      const stand = {
        requests: stands.requests[from] ?? NaN,
        pages: stands.pages[from] ?? NaN,
        writeRoom: stands.writeRooms[from] ?? NaN,
        readRoom: stands.readRooms[from] ?? NaN,
      };
      assert.equal(found.restFrom(boundary, stand), found.cost, `boundary ${boundary}`);
    }
    const rounded = cheapest(segments, limits, prices, 'rounded');
    assert(rounded && rounded.cost <= found.cost);
  }
});
