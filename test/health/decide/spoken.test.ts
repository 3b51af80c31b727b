/** What is kept of a witness's words: one run, however long it lasts. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { spokenSchema, witnessesSchema } from '../../../src/documents/witness.ts';
import type { Spoken } from '../../../src/documents/witness.ts';
import { silenceAllowedMs, spoke, watchedUntilMs } from '../../../src/health/decide/spoken.ts';

const EVERY = { everyMs: 1000 };

type Word = readonly [verdict: Spoken['verdict'], atMs: number];

function after(...words: readonly Word[]): Spoken | undefined {
  let spoken: Spoken | undefined;
  for (const [verdict, atMs] of words) spoken = spoke(spoken, { verdict, atMs }, EVERY);
  return spoken;
}

const RUNS: readonly (readonly [string, readonly Word[], Spoken])[] = [
  [
    'a late up changes no up',
    [
      ['up', 10],
      ['up', 30],
      ['up', 20],
    ],
    { verdict: 'up', sinceMs: 10, lastSeenMs: 30, lastUpMs: 30 },
  ],
  ['the first word', [['down', 10]], { verdict: 'down', sinceMs: 10, lastSeenMs: 10, lastUpMs: null }],
  [
    'the same goes on',
    [
      ['down', 10],
      ['down', 3010],
    ],
    { verdict: 'down', sinceMs: 10, lastSeenMs: 3010, lastUpMs: null },
  ],
  [
    'a silence ends it',
    [
      ['down', 10],
      ['down', 3011],
    ],
    { verdict: 'down', sinceMs: 3011, lastSeenMs: 3011, lastUpMs: null },
  ],
  [
    'another verdict',
    [
      ['up', 10],
      ['down', 20],
    ],
    { verdict: 'down', sinceMs: 20, lastSeenMs: 20, lastUpMs: 10 },
  ],
  [
    'it cannot tell',
    [
      ['down', 10],
      ['none', 20],
      ['down', 30],
    ],
    { verdict: 'down', sinceMs: 30, lastSeenMs: 30, lastUpMs: null },
  ],
  [
    'a late up shortens down',
    [
      ['down', 10],
      ['down', 30],
      ['up', 20],
    ],
    { verdict: 'down', sinceMs: 30, lastSeenMs: 30, lastUpMs: 20 },
  ],
  [
    'a late none does too',
    [
      ['down', 10],
      ['down', 30],
      ['none', 20],
    ],
    { verdict: 'down', sinceMs: 30, lastSeenMs: 30, lastUpMs: null },
  ],
  [
    'a late up from before it',
    [
      ['down', 20],
      ['down', 30],
      ['up', 10],
    ],
    { verdict: 'down', sinceMs: 20, lastSeenMs: 30, lastUpMs: 10 },
  ],
  [
    'a late down lengthens nothing',
    [
      ['down', 20],
      ['down', 10],
    ],
    { verdict: 'down', sinceMs: 20, lastSeenMs: 20, lastUpMs: null },
  ],
  [
    'a late down is not up',
    [
      ['up', 20],
      ['down', 10],
    ],
    { verdict: 'up', sinceMs: 20, lastSeenMs: 20, lastUpMs: 20 },
  ],
  [
    'the clock jumped back',
    [
      ['up', 9000],
      ['down', 5999],
    ],
    { verdict: 'down', sinceMs: 5999, lastSeenMs: 5999, lastUpMs: null },
  ],
];

suite("a witness's words", () => {
  for (const [what, words, run] of RUNS) {
    test(what, () => {
      assert.deepEqual(after(...words), run);
      spokenSchema.parse(run);
    });
  }

  test('cost the same after a year as after a day, and keep what a newer program wrote', () => {
    const start: Spoken = { ...spoke(undefined, { verdict: 'up', atMs: 1_700_000_000_000 }, EVERY), novel: 1 };
    let spoken = start;
    const minutes = 365 * 24 * 60;
    for (let minute = 1; minute <= minutes; minute += 1) {
      const atMs = start.sinceMs + minute * 60_000;
      spoken = spoke(spoken, { verdict: minute % 7 === 0 ? 'down' : 'up', atMs }, { everyMs: 60_000 });
    }
    assert(JSON.stringify(spoken).length <= JSON.stringify(start).length + '"down"'.length);
    assert.partialDeepStrictEqual(spoken, { novel: 1, lastSeenMs: start.sinceMs + minutes * 60_000 });
  });

  test('may be lost twice', () => {
    assert.equal(silenceAllowedMs(EVERY), 3000);
  });
});

test('the last whole window that was watched stays known while the monitor starts anew', () => {
  const window = { windowMs: 100 };
  assert.equal(watchedUntilMs(undefined, { nowMs: 1000, awakeSinceMs: 1000, ...window }), 1000);
  assert.equal(watchedUntilMs(1000, { nowMs: 1100, awakeSinceMs: 1000, ...window }), 1100);
  assert.equal(watchedUntilMs(1100, { nowMs: 1299, awakeSinceMs: 1200, ...window }), 1100);
});

suite('the configuration of witnesses', () => {
  const heartbeat = { name: 'h', kind: 'heartbeat', domain: 'westeurope', everyMs: 15_000 };
  const probe = {
    name: 'p',
    kind: 'probe',
    domain: 'provider: acme net',
    everyMs: 15_000,
    url: 'https://shop.example/',
  };
  const region = { ...probe, name: 'r', kind: 'region' };
  const watcher = { ...heartbeat, name: 'o', kind: 'observer' };

  test('takes every kind', () => {
    witnessesSchema.parse([heartbeat, probe, region, watcher]);
  });

  const REFUSED: readonly (readonly [string, readonly object[], RegExp])[] = [
    ['no heartbeat', [probe], /exactly one witness is the heartbeat/],
    ['two heartbeats', [heartbeat, { ...heartbeat, name: 'h2' }], /exactly one witness is the heartbeat/],
    ['one name twice', [heartbeat, { ...watcher, name: 'h' }], /two witnesses have one name/],
    ['a probe of nothing', [heartbeat, { ...probe, url: undefined }], /have a URL to ask/],
    ['an observer with a URL', [heartbeat, { ...watcher, url: 'https://x.example' }], /have a URL to ask/],
    ['another protocol', [heartbeat, { ...probe, url: 'file:///etc/passwd' }], /Invalid URL/],
    ['a domain that a terminal would act on', [{ ...heartbeat, domain: 'a\u001b[2J' }], /domain/],
    ['a kind that is not known', [heartbeat, { ...watcher, kind: 'oracle' }], /kind/],
    ['too many', [heartbeat, ...Array.from({ length: 16 }, (_, at) => ({ ...watcher, name: `o${at}` }))], /16/],
  ];
  for (const [what, witnesses, message] of REFUSED) {
    test(`refuses ${what}`, () => {
      assert.throws(() => witnessesSchema.parse(witnesses), message);
    });
  }
});
