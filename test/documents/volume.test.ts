/** A volume's document refuses states that the protocol never makes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { volumeSchema } from '../../src/documents/volume.ts';
import { NO_DIGEST } from '../../src/kernel/hash.ts';
import { CURRENT_VERSION } from '../../src/kernel/versions.ts';

const point = (number: number): { number: number; digest: string } => ({
  number,
  digest: number === 0 ? NO_DIGEST : String(number % 10).repeat(64),
});

function volume(generation: object = {}, rest: object = {}): unknown {
  return {
    version: CURRENT_VERSION,
    volume: 'acme/paris/shop/data',
    term: 1,
    current: 1,
    published: null,
    generations: {
      '1': {
        generation: 1,
        replica: { account: 'acct', container: 'replicas', blob: 'b' },
        journal: { account: 'acct', container: 'journal-x' },
        volumeBytes: 0,
        createdAtMs: 0,
        epoch: 1,
        applied: { ...point(2), sourceTimeMs: 0 },
        claim: null,
        tip: point(4),
        snapshots: [],
        cut: null,
        beyond: 0,
        ...generation,
      },
    },
    resend: [],
    trouble: null,
    ...rest,
  };
}

const base = (phase: string): object => ({
  base: { from: 'upload', phase, source: null, list: null, next: 0, digest: NO_DIGEST, differing: [] },
});

const claim = (number: number): object => ({ claim: { ...point(number), entry: 'e', untilMs: 0 } });

test('what the protocol makes is accepted', () => {
  const fresh = { applied: { ...point(0), sourceTimeMs: 0 }, tip: point(0) };
  for (const good of [
    volume(),
    volume(claim(3)),
    volume({ cut: { ...point(4), term: 1 } }),
    volume(base('ready')),
    volume({ ...fresh, ...base('open') }),
  ]) {
    assert.ok(volumeSchema.safeParse(good).success);
  }
});

const WRONG: readonly [string, unknown][] = [
  ['applied beyond the tip', volume({ applied: { ...point(5), sourceTimeMs: 0 } })],
  ['a claim that is not the next delta', volume(claim(4))],
  ['a claim beyond the tip', volume({ applied: { ...point(4), sourceTimeMs: 0 }, ...claim(5) })],
  ['a cut that is not the tip', volume({ cut: { ...point(3), term: 1 } })],
  ['a delta before the base is ready', volume(base('open'))],
  [
    'a comparison of nothing',
    volume({ applied: { ...point(0), sourceTimeMs: 0 }, tip: point(0), ...base('comparing') }),
  ],
  ['a repair of nothing', volume({}, { repair: { id: 'r', ranges: [], sinceMs: 0 } })],
  ['a generation under another number', volume({ generation: 2 })],
  ['a current generation that is not there', volume({}, { current: 2 })],
  ['a published generation that is not there', volume({}, { published: 7 })],
];

for (const [what, wrong] of WRONG) {
  test(`${what} is refused`, () => {
    assert.equal(volumeSchema.safeParse(wrong).success, false);
  });
}
