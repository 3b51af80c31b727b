/** A decision told again: the words, the timeline, and what is said when a newer program would decide otherwise. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { SiteHistory } from '../../../src/documents/site-failure.ts';
import { LINE_MAX, explain, timeline } from '../../../src/health/decide/explain.ts';
import { decideSiteFailure } from '../../../src/health/decide/site-failure.ts';

const NOW = Date.UTC(2026, 10, 21, 12);

const HISTORY: SiteHistory = {
  nowMs: NOW,
  term: 3,
  phase: 'open',
  holder: 'site',
  run: null,
  renewals: 12,
  lastRenewalMs: NOW - 64_000,
  keep: false,
  guards: ['a'],
  lastHeartbeatMs: NOW - 65_500,
  nodes: ['a'],
  siteWord: { verdict: 'up', sinceMs: NOW - 900_000, lastSeenMs: NOW - 65_500, lastUpMs: NOW - 65_500 },
  wish: null,
  offlineUntilMs: null,
  mode: 'ask',
  consents: ['applications stop when their lease runs out'],
  windowMs: 60_000,
  noAnswer: 'no',
  question: {
    about: `down-silent-${NOW - 60_000}`,
    kind: 'down-silent',
    askedAtMs: NOW - 3000,
    untilMs: NOW + 60_000,
    answer: { is: 'yes', by: 'Zoë', atMs: NOW - 1000 },
  },
  awakeSinceMs: NOW - 31_536_000_000,
  canarySinceMs: NOW - 7_200_000,
  watchedMs: NOW,
  alertAfterMs: 600_000,
  witnesses: [
    { name: 'heartbeats', kind: 'heartbeat', domain: 'westeurope', everyMs: 10_000, spoken: null },
    {
      name: 'oslo',
      kind: 'observer',
      domain: 'oslo',
      everyMs: 10_000,
      spoken: { verdict: 'down', sinceMs: NOW - 61_000, lastSeenMs: NOW - 2000, lastUpMs: NOW - 71_000 },
    },
    { name: 'lima', kind: 'observer', domain: 'lima', everyMs: 10_000, spoken: null },
  ],
};

const TIMELINE = `
2025-11-21 12:00:00Z  -31536000.0 s  monitor                   awake from here on
2026-11-21 10:00:00Z      -7200.0 s  canary                    every one got through from here on
2026-11-21 11:58:49Z        -71.0 s  oslo                      last saw the site up
2026-11-21 11:58:54Z        -65.5 s  site                      last heartbeat
2026-11-21 11:58:54Z        -65.5 s  site                      last said that it holds the lease
2026-11-21 11:58:56Z        -64.0 s  site                      last renewal of the lease
2026-11-21 11:58:59Z        -61.0 s  oslo                      says down from here on
2026-11-21 11:59:00Z        -60.0 s  window                    begins: 60 s
2026-11-21 11:59:57Z         -3.0 s  question                  a person is asked
2026-11-21 11:59:58Z         -2.0 s  oslo                      last heard
2026-11-21 11:59:59Z         -1.0 s  question                  Zo? says yes
2026-11-21 12:00:00Z          0.0 s  monitor                   last had watched a whole window
2026-11-21 12:00:00Z          0.0 s  verdict                   fail-over
`;

suite('explaining', () => {
  test('draws what happened, oldest first, in columns of plain characters', () => {
    assert.deepEqual(timeline(HISTORY), TIMELINE.trim().split('\n'));
  });

  test('leaves out what lies ahead, and says what the site said last', () => {
    const lines = timeline({
      ...HISTORY,
      canarySinceMs: null,
      question: { about: `down-silent-${NOW - 60_000}`, askedAtMs: NOW - 3000, untilMs: NOW + 1, answer: null },
      siteWord: { verdict: 'down', sinceMs: NOW - 80_000, lastSeenMs: NOW - 65_500, lastUpMs: null },
    }).join('\n');
    assert.match(lines, /says "stopped, no lease" from here on/);
    assert.doesNotMatch(lines, /canary|time to answer/);
  });

  test('tells verdict, reason, each vote and each domain', () => {
    const { verdict, reason } = decideSiteFailure(HISTORY);
    const lines = explain({ decision: 'd1', group: 'acme/paris/shop', verdict, reason, history: HISTORY });
    assert.equal(lines[0], 'Decision d1 on acme/paris/shop, 2026-11-21 12:00:00Z: fail-over');
    assert(lines.every((line) => line.length <= LINE_MAX && /^[\x20-\x7e]*$/.test(line)));
    const told = lines.join('').replaceAll(/ +/g, ' ');
    for (const words of [
      'because 2 of 3 failure domains say that the site is down (heartbeats: no heartbeat for 65.5 s, while every canary got through; oslo: it has said down for 61 s); Zo? said yes.',
      "The plan's mode is ask, its window 60 s.",
      'Witness lima (lima): no vote, for it never spoke.',
      'Failure domain oslo: down.',
      'Replayed from its history, the decision is the same.',
    ]) {
      assert(told.includes(words), `${words}\n${told}`);
    }
  });

  test('says where this program decides otherwise, and is not deceived by what a document holds', () => {
    const forged = {
      decision: 'd1',
      group: 'acme/paris/shop',
      verdict: 'none',
      reason: `\u001b[2J${'x'.repeat(300)}`,
    } as const;
    const lines = explain({ ...forged, history: HISTORY });
    assert(lines.every((line) => line.length <= LINE_MAX && /^[\x20-\x7e]*$/.test(line)));
    assert.match(lines.join(''), /Replayed by this program it would be: fail-over, because 2 of 3/);
  });
});
