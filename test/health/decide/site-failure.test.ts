/** The decision on a site's failure: by table over every branch, and by properties over what cannot be listed. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { SINGLE_WITNESS_CONSENT, STRICT_LEASE_CONSENT } from '../../../src/documents/plan.ts';
import { siteDecisionSchema, siteHistorySchema } from '../../../src/documents/site-failure.ts';
import type { SiteHistory } from '../../../src/documents/site-failure.ts';
import type { Spoken } from '../../../src/documents/witness.ts';
import { LINE_MAX, explain, timeline } from '../../../src/health/decide/explain.ts';
import { decideSiteFailure } from '../../../src/health/decide/site-failure.ts';
import type { SiteVerdict } from '../../../src/health/decide/site-failure.ts';
import { domainsOf } from '../../../src/health/decide/votes.ts';
import { sha256Hex } from '../../../src/kernel/hash.ts';
import { CURRENT_VERSION } from '../../../src/kernel/versions.ts';
import { OFFLINE_MS_MAX } from '../../../src/protocol/heartbeat.ts';

type Configured = SiteHistory['witnesses'][number];

const NOW = 10_000_000_000;
const WINDOW = 60_000;
const START = NOW - WINDOW;

const DOWN: Spoken = { verdict: 'down', sinceMs: START, lastSeenMs: NOW, lastUpMs: START - 10_000 };
const UP: Spoken = { verdict: 'up', sinceMs: 1, lastSeenMs: NOW, lastUpMs: NOW };
const DUNNO: Spoken = { verdict: 'none', sinceMs: 1, lastSeenMs: NOW, lastUpMs: null };

const HEARTBEAT: Configured = { name: 'heartbeats', kind: 'heartbeat', domain: 'home', everyMs: 10_000, spoken: null };

function observer(name: string, spoken: Spoken | null, domain = name): Configured {
  return { name, kind: 'observer', domain, everyMs: 10_000, spoken };
}

/** Three domains; all say down for just long enough, and everything permits it. */
const DEAD: SiteHistory = {
  nowMs: NOW,
  term: 3,
  phase: 'open',
  holder: 'site',
  run: null,
  renewals: 12,
  lastRenewalMs: START,
  keep: false,
  guards: ['a', 'b'],
  lastHeartbeatMs: START,
  nodes: ['a', 'b'],
  siteWord: null,
  wish: null,
  offlineUntilMs: null,
  mode: 'automatic',
  consents: [STRICT_LEASE_CONSENT],
  windowMs: WINDOW,
  noAnswer: 'no',
  question: null,
  awakeSinceMs: START,
  canarySinceMs: START,
  watchedMs: NOW,
  alertAfterMs: 600_000,
  witnesses: [HEARTBEAT, observer('paris', DOWN), observer('oslo', DOWN)],
};

const ALIVE: Partial<SiteHistory> = { lastHeartbeatMs: NOW - 5000, lastRenewalMs: NOW - 5000 };
const WISH = { decision: 'm-1', reason: 'db-1 fails', sinceMs: NOW - 20_000 };
/** Nothing is read from what a question is about. */
const ASKED = {
  about: 'what-was-asked',
  kind: 'down-silent',
  askedAtMs: START + 30_000,
  untilMs: NOW + 1,
  answer: null,
};
/** The kind of a question about the wish. */
const WISHED = `wish-${sha256Hex(WISH.decision).slice(0, 16)}`;
const LATE = { ...ASKED, untilMs: NOW };
const said = (is: 'yes' | 'no', atMs = NOW - 10) => ({ ...LATE, answer: { is, by: 'Ada', atMs } });
const only = (...witnesses: Configured[]): Partial<SiteHistory> => ({ witnesses: [HEARTBEAT, ...witnesses] });
const stopped = (sinceMs: number, lastUpMs: number | null = null): Partial<SiteHistory> => ({
  lastHeartbeatMs: NOW - 5000,
  siteWord: { verdict: 'down', sinceMs, lastSeenMs: NOW - 5000, lastUpMs },
});
const fewer = [STRICT_LEASE_CONSENT, SINGLE_WITNESS_CONSENT];

const CASES: readonly (readonly [what: string, Partial<SiteHistory>, SiteVerdict['verdict'], RegExp])[] = [
  // The majority.
  ['all say down', {}, 'fail-over', /^3 of 3 .*heartbeats: no heartbeat for 60 s.*the plan is automatic$/],
  ['two of three say down', only(observer('paris', DOWN), observer('oslo', UP)), 'fail-over', /^2 of 3/],
  ['heartbeats go on, the others say down', ALIVE, 'fail-over', /^2 of 3 .*paris: .*oslo:/],
  [
    'one of three says down',
    { ...ALIVE, ...only(observer('p', DOWN), observer('o', UP)) },
    'alert',
    /no majority \(p:/,
  ],
  ['two of four', only(observer('p', DOWN), observer('o', UP), observer('r', null)), 'alert', /^2 of 4 .* no majority/],
  ['one of two', { ...only(observer('p', null)), consents: fewer }, 'alert', /^1 of 2/],
  ['all up', { ...ALIVE, ...only(observer('p', UP), observer('o', UP)) }, 'none', /^0 of 3/],
  [
    'the configured ones count, not those that speak',
    only(observer('p', null), observer('o', null)),
    'alert',
    /^1 of 3/,
  ],

  // Another witness's vote.
  [
    'down for not quite the window',
    { ...ALIVE, ...only(observer('p', { ...DOWN, sinceMs: START + 1 }), observer('o', UP)) },
    'none',
    /^0 of 3/,
  ],
  [
    'down, and silent since',
    { ...ALIVE, ...only(observer('p', { ...DOWN, lastSeenMs: NOW - 30_001 }), observer('o', UP)) },
    'none',
    /^0 of 3/,
  ],
  [
    'down, and just not silent',
    { ...ALIVE, ...only(observer('p', { ...DOWN, lastSeenMs: NOW - 30_000 }), observer('o', UP)) },
    'alert',
    /^1 of 3/,
  ],
  [
    'down from ahead of the clock',
    { ...ALIVE, ...only(observer('p', { ...DOWN, lastSeenMs: NOW + 30_001 }), observer('o', UP)) },
    'none',
    /^0/,
  ],
  [
    'up inside the window by a late word',
    { ...ALIVE, ...only(observer('p', { ...DOWN, lastUpMs: START + 1 }), observer('o', UP)) },
    'none',
    /^0/,
  ],
  [
    'up, though long ago, and still',
    { ...ALIVE, ...only(observer('p', { ...UP, lastUpMs: START }), observer('o', UP)) },
    'none',
    /^0/,
  ],
  ['no witness can tell', { ...ALIVE, ...only(observer('p', DUNNO), observer('o', DUNNO)) }, 'none', /^0 of 3/],

  // Domains.
  [
    'three witnesses of one domain',
    only(observer('p', DOWN, 'home'), observer('o', DOWN, 'home')),
    'report',
    /^1 of 1 .*1 of the 3/,
  ],
  [
    'siblings count once',
    { ...ALIVE, ...only(observer('p', DOWN, 'x'), observer('q', DOWN, 'x'), observer('o', UP)) },
    'alert',
    /^1 of 3/,
  ],
  [
    'a sibling that sees the site is believed',
    only(observer('p', DOWN, 'x'), observer('q', UP, 'x'), observer('o', UP)),
    'alert',
    /^1 of 3/,
  ],
  [
    'a silent sibling holds nothing up',
    only(observer('p', DOWN, 'x'), observer('q', null, 'x'), observer('o', UP)),
    'fail-over',
    /^2 of 3/,
  ],
  [
    'down, outvoted in its domain',
    { ...ALIVE, ...only(observer('p', DOWN, 'x'), observer('q', UP, 'x'), observer('o', UP)) },
    'alert',
    /^0 of 3 .*p: /,
  ],
  ['two domains', only(observer('p', DOWN)), 'report', /2 of the 3 failure domains/],
  ['two domains, with consent', { ...only(observer('p', DOWN)), consents: fewer }, 'fail-over', /^2 of 2/],
  ['heartbeats alone, with consent', { ...only(), consents: fewer }, 'fail-over', /^1 of 1/],

  // The heartbeat's vote.
  [
    'a renewal is a sign of life',
    { ...only(), lastRenewalMs: START + 1 },
    'alert',
    /no heartbeat came for a whole window.*the lease was renewed/,
  ],
  ['the canary is dead too', { ...only(), canarySinceMs: null }, 'alert', /our own door is shut/],
  [
    'the canary came back inside the window',
    { ...only(), canarySinceMs: START + 1 },
    'alert',
    /canaries have got through for 60 s only/,
  ],
  [
    'a plan that does not fit any more',
    { unfit: ['window ≥ 2 × lease/3 does not hold: 1 s ≥ 2 × 2 s'] },
    'report',
    /automatic, but window ≥ 2/,
  ],
  [
    'a plan that does not fit any more, and a site that is well',
    { ...ALIVE, ...only(), unfit: ['it is short'] },
    'alert',
    /it is short$/,
  ],
  ['one that moves nothing unasked', { ...ALIVE, ...only(), mode: 'ask', unfit: ['it is short'] }, 'none', /^0 of 1/],
  [
    'no canary, and the others say down: what stopped may have stopped for want of a lease',
    { canarySinceMs: null },
    'report',
    /^2 of 3 .*automatic, but the canary does not get through.*a person decides$/,
  ],
  [
    'a canary for not quite the window, and the others say down',
    { canarySinceMs: START + 1 },
    'report',
    /for 60 s only, so that strict leases may have ended/,
  ],
  [
    'no canary, and a person is asked',
    { canarySinceMs: null, mode: 'ask' },
    'ask',
    /to be known: the canary does not get through/,
  ],
  [
    'no canary, and a person said yes',
    { canarySinceMs: null, mode: 'ask', question: { ...said('yes'), kind: 'down-heard' } },
    'fail-over',
    /Ada said yes; to be known: the canary/,
  ],
  ['no canary, and a wish of the site', { ...ALIVE, canarySinceMs: null, wish: WISH }, 'fail-over', /db-1 fails/],
  ['a heartbeat inside the window', { ...only(), lastHeartbeatMs: START + 1, consents: fewer }, 'none', /^0 of 1/],
  ['a heartbeat after the tick', { ...only(), lastHeartbeatMs: NOW + 500, consents: fewer }, 'none', /^0 of 1/],
  ['silent, and never renewed', { lastRenewalMs: null, renewals: 0 }, 'report', /never renewed in term 3/],
  ['it says stopped', { ...only(), ...stopped(START), consents: fewer }, 'fail-over', /"stopped, no lease" for 60 s/],
  [
    'it says stopped, and the canary does not get through: it may be our door that grants no lease',
    { ...only(), ...stopped(START), canarySinceMs: null, consents: fewer },
    'alert',
    /"stopped, no lease" for 60 s, but the canary does not get through/,
  ],
  [
    'it says stopped, and canaries got through for not quite the window',
    { ...only(), ...stopped(START), canarySinceMs: START + 1, consents: fewer },
    'alert',
    /canaries have got through for 60 s only/,
  ],
  [
    'it says stopped since not quite the window',
    { ...only(), ...stopped(START + 1), consents: fewer },
    'none',
    /^0 of 1/,
  ],
  [
    'it held the lease inside the window',
    { ...only(), ...stopped(START, START + 1), consents: fewer },
    'none',
    /^0 of 1/,
  ],
  [
    'it says stopped, but the lease was renewed',
    { ...only(), ...stopped(START), lastRenewalMs: START + 1, consents: fewer },
    'none',
    /^0/,
  ],
  [
    'a word older than the last heartbeat',
    { ...only(), ...stopped(START), lastHeartbeatMs: NOW - 4999, consents: fewer },
    'none',
    /^0/,
  ],
  [
    'it said stopped, then died',
    {
      ...only(),
      lastHeartbeatMs: NOW - 40_000,
      siteWord: { ...DOWN, lastSeenMs: NOW - 40_000 },
      consents: fewer,
    },
    'fail-over',
    /stopped, no lease" for 60 s; no heartbeat for 40 s/,
  ],
  [
    'it said stopped, then the route died',
    {
      ...only(),
      lastHeartbeatMs: NOW - 40_000,
      siteWord: { ...DOWN, lastSeenMs: NOW - 40_000 },
      consents: fewer,
      canarySinceMs: NOW - 39_999,
    },
    'alert',
    /canaries have got through for 40 s only/,
  ],

  // The monitor's own watch.
  ['awake for not quite the window', { awakeSinceMs: START + 1 }, 'none', /awake for 60 s only/],
  ['its clock jumped', { awakeSinceMs: NOW + 5 }, 'none', /awake for 0 s only/],
  ['starting anew, just within the bound', { awakeSinceMs: NOW, watchedMs: NOW - 600_000 }, 'none', /awake/],
  [
    'starting anew for too long',
    { awakeSinceMs: NOW, watchedMs: NOW - 600_001 },
    'alert',
    /no whole window was watched for 600/,
  ],

  // Nothing to decide.
  ['a closing term', { phase: 'closing' }, 'none', /term 3 is closing/],
  ['an ended term', { phase: 'ended' }, 'none', /term 3 is ended/],
  ["the cloud's term", { holder: 'cloud' }, 'none', /the cloud has term 3/],
  ['a run', { run: 't3-x' }, 'none', /run t3-x moves/],
  ['no heartbeat ever', { lastHeartbeatMs: null }, 'none', /nothing to lose yet/],
  ['no heartbeat ever, though a renewal', { lastHeartbeatMs: null, lastRenewalMs: NOW }, 'none', /nothing to lose yet/],

  // Offline on purpose.
  ['offline on purpose', { offlineUntilMs: NOW + 1 }, 'none', /offline on purpose until 1970-04-26T17:46:40.001Z$/],
  ['offline until now', { offlineUntilMs: NOW }, 'fail-over', /^3 of 3/],
  [
    'offline, and it wants to be moved',
    { ...ALIVE, wish: WISH, offlineUntilMs: NOW + 1 },
    'none',
    /offline on purpose/,
  ],
  [
    'offline for longer than anybody remembers',
    { offlineUntilMs: NOW + 1, lastHeartbeatMs: NOW - OFFLINE_MS_MAX },
    'fail-over',
    /^3 of 3/,
  ],
  [
    'offline for just not that long',
    { offlineUntilMs: NOW + 9, lastHeartbeatMs: NOW - OFFLINE_MS_MAX + 1 },
    'none',
    /40.001Z/,
  ],

  // The site's own wish.
  ['it wants to be moved', { ...ALIVE, wish: WISH }, 'fail-over', /^the site wants .* decision m-1: db-1 fails;/],
  [
    'it wants to be moved, and the plan only reports',
    { ...ALIVE, wish: WISH, mode: 'report' },
    'report',
    /m-1.*only reports/,
  ],
  ['it wants to be moved, without a guard', { ...ALIVE, wish: WISH, guards: ['a'] }, 'report', /no guard on b/],
  ['it wants to be moved: a person is asked', { ...ALIVE, wish: WISH, mode: 'ask' }, 'ask', /asks a person first$/],
  [
    'it wants to be moved: the yes to what it wanted',
    { ...ALIVE, wish: WISH, mode: 'ask', question: { ...said('yes'), kind: WISHED } },
    'fail-over',
    /said yes/,
  ],
  [
    'it wants to be moved: the yes to it, though a heartbeat since did not say so',
    { ...ALIVE, wish: WISH, mode: 'ask', question: { ...said('yes'), kind: WISHED, askedAtMs: WISH.sinceMs - 1 } },
    'fail-over',
    /said yes/,
  ],
  [
    'it wants to be moved: a yes to another wish',
    { ...ALIVE, wish: { ...WISH, decision: 'm-2' }, mode: 'ask', question: { ...said('yes'), kind: WISHED } },
    'ask',
    /asks/,
  ],
  [
    'it wants to be moved: a yes to its death',
    { ...ALIVE, wish: WISH, mode: 'ask', question: said('yes') },
    'ask',
    /asks/,
  ],
  ['its wish needs no window of the monitor', { ...ALIVE, wish: WISH, awakeSinceMs: NOW }, 'fail-over', /m-1/],
  [
    'it wanted to be moved, and is not heard any more',
    { ...ALIVE, wish: WISH, lastHeartbeatMs: NOW - 30_001, ...only(observer('p', UP), observer('o', UP)) },
    'none',
    /^0 of 3/,
  ],

  // What forbids that it fails over by itself.
  ['no consent to strict leases', { consents: [] }, 'report', /does not consent to "applications stop/],
  ['applications that run on without a lease', { keep: true }, 'report', /run on when their lease is over/],
  ['a node without a guard', { guards: ['a'] }, 'report', /no guard on b: a person decides/],
  ['a site that names no nodes', { nodes: [] }, 'report', /has not named the nodes/],

  // Modes.
  ['report only', { mode: 'report' }, 'report', /the plan only reports/],
  ['ask: nobody was asked', { mode: 'ask' }, 'ask', /asks a person first$/],
  ['ask: what is to be known', { mode: 'ask', guards: [] }, 'ask', /to be known: there is no guard on a, b/],
  ['ask: waiting', { mode: 'ask', question: ASKED }, 'ask', /may answer for another 0 s/],
  ['ask: yes', { mode: 'ask', question: said('yes') }, 'fail-over', /Ada said yes$/],
  [
    'ask: yes to a group without guards',
    { mode: 'ask', question: said('yes'), guards: [] },
    'fail-over',
    /Ada said yes; to be known/,
  ],
  [
    'ask: yes, but it lives',
    { ...ALIVE, mode: 'ask', question: said('yes'), ...only(observer('p', UP), observer('o', UP)) },
    'none',
    /^0 of 3/,
  ],
  ['ask: a no to what the site wanted', { mode: 'ask', question: { ...said('no'), kind: WISHED } }, 'ask', /asks/],
  [
    'ask: a no while the site was heard',
    { mode: 'ask', question: { ...said('no'), kind: 'down-heard' } },
    'ask',
    /asks/,
  ],
  [
    'ask: yes to this very failure, from before a question had a kind',
    { mode: 'ask', question: { ...said('yes'), kind: undefined, about: `down-silent-${START}` } },
    'fail-over',
    /Ada said yes$/,
  ],
  [
    'ask: yes to another failure, from before a question had a kind',
    { mode: 'ask', question: { ...said('yes'), kind: undefined } },
    'ask',
    /asks a person first/,
  ],
  [
    'ask: yes to an earlier failure',
    { mode: 'ask', question: { ...said('yes'), askedAtMs: START - 1 } },
    'ask',
    /asks a person first/,
  ],
  [
    'ask: yes, but the lease was renewed since it was asked',
    { ...only(), mode: 'ask', lastHeartbeatMs: START - 10_000, question: { ...said('yes'), askedAtMs: START - 1 } },
    'ask',
    /asks a person first/,
  ],
  [
    'ask: yes, before the last witness of a domain said so',
    {
      ...only(observer('p', DOWN, 'x'), observer('q', { ...DOWN, sinceMs: START - 10_000 }, 'x')),
      mode: 'ask',
      lastHeartbeatMs: START - 10_000,
      lastRenewalMs: START - 10_000,
      question: { ...said('yes'), askedAtMs: START - 1 },
    },
    'ask',
    /asks a person first/,
  ],
  [
    'ask: yes, too late',
    { mode: 'ask', question: said('yes', NOW + 1) },
    'report',
    /nobody answered in time, which means no/,
  ],
  ['ask: no', { mode: 'ask', question: said('no') }, 'report', /Ada said no/],
  [
    'ask: a late no is one',
    { mode: 'ask', noAnswer: 'fail-over', question: said('no', NOW + 1) },
    'report',
    /Ada said no/,
  ],
  ['ask: no answer', { mode: 'ask', question: LATE }, 'report', /nobody answered in time, which means no/],
  [
    'ask: no answer, taken for a yes',
    { mode: 'ask', noAnswer: 'fail-over', question: LATE },
    'fail-over',
    /takes for a yes/,
  ],
  [
    'ask: the same, without a guard',
    { mode: 'ask', noAnswer: 'fail-over', question: LATE, guards: ['b'] },
    'report',
    /no guard on a/,
  ],
];

function stored(history: SiteHistory) {
  const { verdict, reason } = decideSiteFailure(history);
  const document = {
    version: CURRENT_VERSION,
    decision: 'd1',
    group: 'acme/paris/shop',
    actor: { kind: 'by-hand' },
    verdict,
    reason,
    history,
  };
  return siteDecisionSchema.parse(JSON.parse(JSON.stringify(siteDecisionSchema.parse(document))));
}

suite("the decision on a site's failure", () => {
  for (const [what, change, verdict, reason] of CASES) {
    test(`${what}: ${verdict}`, () => {
      const history = siteHistorySchema.parse({ ...DEAD, ...change });
      const decided = decideSiteFailure(history);
      assert.equal(decided.verdict, verdict, decided.reason);
      assert.match(decided.reason, reason);
      assert.equal(decided.votes.length, history.witnesses.length);

      const decision = stored(history);
      assert.deepEqual(decideSiteFailure(decision.history), decided);
      const told = explain(decision).join(' ').replaceAll(/ +/g, ' ');
      assert(told.includes('the decision is the same'), told);
      for (const vote of decided.votes) assert(told.includes(vote.witness) && told.includes(vote.reason), told);
      assert.equal(timeline(decision.history).at(-1)?.split(/ {2,}/).at(-1), verdict);
    });
  }
});

const atMs = fc.oneof(
  fc.integer({ min: 0, max: NOW + 100_000 }),
  fc.constantFrom(START - 1, START, START + 1, NOW - 30_000, NOW, NOW + 1),
);
const anySpoken: fc.Arbitrary<Spoken> = fc.record({
  verdict: fc.constantFrom('up', 'down', 'none'),
  sinceMs: atMs,
  lastSeenMs: atMs,
  lastUpMs: fc.option(atMs),
});
/** Everything that is no witness's word: it may be in whatever state. */
const anySetting = fc.record({
  mode: fc.constantFrom('automatic', 'ask', 'report'),
  consents: fc.subarray([STRICT_LEASE_CONSENT, SINGLE_WITNESS_CONSENT]),
  guards: fc.subarray(['a', 'b']),
  noAnswer: fc.constantFrom('no', 'fail-over'),
  question: fc.constantFrom(null, ASKED, LATE, said('yes'), said('no')),
  awakeSinceMs: atMs,
  watchedMs: atMs,
} as const);
/** What the heartbeat witness goes by. */
const anySite = fc.record({
  lastHeartbeatMs: fc.option(atMs),
  lastRenewalMs: fc.option(atMs),
  siteWord: fc.option(anySpoken),
  canarySinceMs: fc.option(atMs),
});
const dead = anySpoken.map((spoken): Spoken => ({ ...DOWN, sinceMs: Math.min(spoken.sinceMs, START) }));
/** A witness that does not say down: of a healthy site, or itself broken. */
const notDown = fc.constantFrom(UP, DUNNO, null, { ...UP, lastSeenMs: NOW - 20_000, lastUpMs: NOW - 20_000 });
/** Two or more, each of a domain of its own, beside the heartbeat. */
const others = fc.array(notDown, { minLength: 2, maxLength: 5 });

suite('what a verdict is about', () => {
  const about = (change: Partial<SiteHistory>): string => decideSiteFailure({ ...DEAD, ...change }).about;

  test('is the same while the failure lasts, whatever the mode, the time and the words', () => {
    const later = { nowMs: NOW + 5000, watchedMs: NOW + 5000, witnesses: DEAD.witnesses };
    for (const change of [later, { mode: 'report' as const }, { mode: 'ask' as const }, { guards: [] }]) {
      assert.equal(about(change), about({}));
    }
    assert.equal(about({}), `down-silent-${START}`);
    const heard = { ...ALIVE, renewals: 13 };
    assert.equal(about(heard), about({ ...heard, lastHeartbeatMs: NOW - 1, renewals: 14 }));
  });

  test('is another for the next failure, and for one in which the site is heard', () => {
    assert.notEqual(about(ALIVE), about({}));
    assert.notEqual(
      about({ ...only(), consents: fewer, lastHeartbeatMs: START - 1, lastRenewalMs: START - 1 }),
      about({ ...only(), consents: fewer }),
    );
    assert.notEqual(about({ ...ALIVE, wish: WISH }), about({ ...ALIVE, wish: { ...WISH, decision: 'm-2' } }));
  });

  test('of a question that waits is what was asked, though the wish was seen anew', () => {
    const asked = { ...ALIVE, mode: 'ask' as const, wish: { ...WISH, sinceMs: WISH.sinceMs - 10_000 } };
    const { about: first, kind } = decideSiteFailure({ ...DEAD, ...asked });
    const question = { ...ASKED, about: first, kind };
    assert.equal(about({ ...asked, wish: WISH, question }), first);
    assert.notEqual(about({ ...asked, wish: WISH }), first);
  });

  test('is fit for a name, and empty where nothing is to be told', () => {
    for (const [, change] of CASES) {
      const { verdict, about: text } = decideSiteFailure({ ...DEAD, ...change });
      assert.match(text, verdict === 'none' ? /^$/ : /^[a-z0-9-]{1,100}$/);
    }
  });

  test('concerns the monitor alone where that did not watch', () => {
    const asleep = { awakeSinceMs: NOW, watchedMs: NOW - 600_001 };
    assert.equal(decideSiteFailure({ ...DEAD, ...asleep }).subject, 'monitor');
    assert.equal(decideSiteFailure(DEAD).subject, 'group');
  });
});

suite("properties of the decision on a site's failure", () => {
  test('no single witness fails a site over, lying or not, where three or more domains are configured', () => {
    const wrong = fc.oneof(
      fc.record({ site: anySite }),
      fc.record({ at: fc.nat(), spoken: fc.oneof(dead, anySpoken) }),
    );
    fc.assert(
      fc.property(anySetting, others, wrong, (setting, words, one) => {
        const witnesses = words.map((spoken, at) =>
          observer(`w${at}`, 'at' in one && one.at % words.length === at ? one.spoken : spoken),
        );
        const site = 'site' in one ? one.site : ALIVE;
        const { verdict } = decideSiteFailure({ ...DEAD, ...setting, ...site, ...only(...witnesses) });
        assert(verdict === 'none' || verdict === 'alert', verdict);
      }),
      { numRuns: 2000 },
    );
  });

  test('with all witnesses up nothing is decided, whatever else holds', () => {
    const setting = fc.tuple(anySetting, fc.integer({ min: 0, max: 5 }), fc.option(atMs));
    fc.assert(
      fc.property(setting, ([set, count, canarySinceMs]) => {
        const witnesses = Array.from({ length: count }, (_, at) => observer(`w${at}`, UP));
        const { verdict } = decideSiteFailure({ ...DEAD, ...set, ...ALIVE, canarySinceMs, ...only(...witnesses) });
        // An alert may still say that the monitor does not watch.
        assert(verdict === 'none' || (verdict === 'alert' && set.awakeSinceMs > START), verdict);
      }),
    );
  });

  test('whatever fails over has a majority of domains with a down and no up, and a monitor that watched', () => {
    const words = fc.array(
      fc.record({ spoken: fc.option(fc.oneof(dead, anySpoken)), domain: fc.constantFrom('home', 'x', 'y', 'z') }),
      { maxLength: 6 },
    );
    let moved = 0;
    fc.assert(
      fc.property(anySetting, anySite, fc.boolean(), words, (setting, site, isDead, witnessed) => {
        const witnesses = witnessed.map(({ spoken, domain }, at) => observer(`w${at}`, spoken, domain));
        const history = siteHistorySchema.parse({
          ...DEAD,
          ...setting,
          ...(isDead ? {} : site),
          ...only(...witnesses),
        });
        const { verdict, votes } = decideSiteFailure(history);
        assert.deepEqual(decideSiteFailure(stored(history).history).verdict, verdict);
        for (const line of [...timeline(history), ...explain(stored(history))]) {
          assert(line.length <= LINE_MAX && /^[\x20-\x7e]*$/.test(line), line);
        }
        if (verdict !== 'fail-over') return;
        moved += 1;
        const domains = domainsOf(votes);
        const down = domains.filter(({ domain }) => {
          const members = votes.filter((vote) => vote.domain === domain).map(({ vote }) => vote);
          return members.includes('down') && !members.includes('up');
        });
        assert(down.length * 2 > new Set(history.witnesses.map(({ domain }) => domain)).size);
        assert(history.awakeSinceMs <= START);
        if (history.mode === 'automatic') assert(history.nodes.every((node) => history.guards.includes(node)));
        assert.notEqual(history.mode, 'report');
      }),
      { numRuns: 3000 },
    );
    assert(moved > 20, `only ${moved} of these failed over: nothing was shown`);
  });
});
