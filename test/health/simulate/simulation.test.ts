/** Scenarios, run through the functions that run in production: the verdicts that come, and when. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { SINGLE_WITNESS_CONSENT, STRICT_LEASE_CONSENT, decidingSchema } from '../../../src/documents/plan.ts';
import { scenarioSchema } from '../../../src/health/simulate/scenario.ts';
import type { ScenarioEvent } from '../../../src/health/simulate/scenario.ts';
import { simulate } from '../../../src/health/simulate/simulation.ts';
import type { DecidingPlan, SimulatedMoment } from '../../../src/health/simulate/simulation.ts';
import { parseConfigFile } from '../../../src/kernel/config-file.ts';

const PLAN: DecidingPlan = {
  group: 'acme/paris/erp',
  mode: 'automatic',
  consents: [SINGLE_WITNESS_CONSENT, STRICT_LEASE_CONSENT],
  windowMs: 120_000,
  noAnswer: 'no',
  answerMs: 600_000,
  alertAfterMs: 900_000,
};
const S = 1000;

const verdicts = (plan: Partial<DecidingPlan>, events: readonly ScenarioEvent[], more: object = {}) =>
  simulate({ ...PLAN, ...plan }, scenarioSchema.parse({ forMs: 3_600_000, events, ...more })).flatMap(
    ({ atMs, verdict }) => (verdict ? [`${verdict} ${atMs / S}`] : []),
  );
const dies = (atMs: number): ScenarioEvent[] => [
  { atMs, heartbeats: 'stop' },
  { atMs, renewals: 'stop' },
];
const told = (moments: readonly SimulatedMoment[]): string => moments.map(({ text }) => text).join('\n');

suite('a simulated site', () => {
  test('that lives is left alone, and a dead one is failed over once the window is over', () => {
    assert.deepEqual(verdicts({}, []), []);
    assert.deepEqual(verdicts({}, dies(61 * S)), ['fail-over 180']);
    assert.deepEqual(verdicts({ mode: 'report' }, dies(61 * S)), ['report 180']);
  });

  test('by a plan that does not fit its lease is reported, as the monitor would', () => {
    assert.deepEqual(verdicts({}, dies(61 * S), { marginMs: 1 }), ['report 180']);
    const stopping = { stopMs: 50 * S, assumptions: { driftPpm: 200, pauseMs: 2000, killMs: 1000 } };
    assert.deepEqual(verdicts({ stopping }, dies(61 * S)), ['report 180'], 'nor its guards');
  });

  test('whose agent is dead, with its guards alive, is an alert and no more', () => {
    assert.deepEqual(verdicts({}, [{ atMs: 61 * S, heartbeats: 'stop' }]), ['alert 180']);
  });

  test('is not decided on while the monitor sleeps, nor before a whole window after it', () => {
    const asleep: ScenarioEvent[] = [
      ...dies(61 * S),
      { atMs: 70 * S, monitor: 'sleeps' },
      { atMs: 600 * S, monitor: 'wakes' },
    ];
    assert.deepEqual(verdicts({}, asleep), ['fail-over 720']);
  });

  test('is no vote of the heartbeats while canaries fail', () => {
    const cut: ScenarioEvent[] = [
      { atMs: 50 * S, canary: 'fails' },
      ...dies(61 * S),
      { atMs: 400 * S, canary: 'works' },
    ];
    assert.deepEqual(verdicts({}, cut), ['alert 180', 'fail-over 525']);
  });

  test('that is offline on purpose, or wants to be moved, is heeded', () => {
    assert.deepEqual(verdicts({}, [{ atMs: 31 * S, offlineForMs: 600 * S }, ...dies(61 * S)]), ['fail-over 645']);
    assert.deepEqual(verdicts({}, [{ atMs: 31 * S, wants: 'db-1 fails' }]), ['fail-over 45']);
    assert.deepEqual(verdicts({}, [{ atMs: 31 * S, wants: 'db-1 fails' }], { guards: [] }), ['report 45']);
  });

  test('waits for a person, and goes by the plan where nobody answers', () => {
    const ask = { mode: 'ask' as const };
    assert.deepEqual(verdicts(ask, dies(61 * S)), ['ask 180', 'report 780']);
    assert.deepEqual(verdicts({ ...ask, noAnswer: 'fail-over' }, dies(61 * S)), ['ask 180', 'fail-over 780']);
    const yes: ScenarioEvent = { atMs: 301 * S, answer: { is: 'yes', by: 'Ada' } };
    assert.deepEqual(verdicts(ask, [...dies(61 * S), yes]), ['ask 180', 'fail-over 315']);
    assert.match(
      told(simulate({ ...PLAN, ...ask }, scenarioSchema.parse({ forMs: 400_000, events: [yes] }))),
      /nobody was asked/,
    );
  });

  test('tells how long a run would wait for the last lease, or for promises where leases keep', () => {
    const wants: ScenarioEvent[] = [{ atMs: 31 * S, wants: 'db-1 fails' }];
    assert.match(
      told(simulate(PLAN, scenarioSchema.parse({ forMs: 60_000, events: wants }))),
      /wait: 6\d\.1 s at most/,
    );
    const ask = { ...PLAN, mode: 'ask' as const };
    const yes: ScenarioEvent[] = [...wants, { atMs: 50 * S, answer: { is: 'yes', by: 'Ada' } }];
    const keep = scenarioSchema.parse({ forMs: 120_000, keep: true, events: yes });
    assert.match(
      told(simulate(ask, keep)),
      /run on when their lease is over.*\n.*\n.*\n.*\n.*\n.*wait: leases keep: until every guard/,
    );
  });

  test('the examples are what their words say', () => {
    const read = (name: string): string => readFileSync(join(import.meta.dirname, '../../../examples', name), 'utf8');
    const check = (): [] => [];
    const plan = parseConfigFile('plan.yaml', read('plan.yaml'), { schema: decidingSchema, check });
    const scenario = parseConfigFile('scenario.yaml', read('scenario.yaml'), { schema: scenarioSchema, check });
    const found = simulate(plan, scenario).flatMap(({ verdict }) => verdict ?? []);
    assert.deepEqual(found, ['alert', 'ask', 'fail-over']);
  });

  test('a scenario that says two things at once, or nothing, is refused', () => {
    for (const event of [{ atMs: 1 }, { atMs: 1, heartbeats: 'stop', renewals: 'stop' }, { atMs: 1, heart: 'stop' }]) {
      assert.equal(scenarioSchema.safeParse({ forMs: 1000, events: [event] }).success, false);
    }
  });
});
