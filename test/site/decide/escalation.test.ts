/** Which step follows: a table of histories, and what holds for any machine that goes on failing. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { STEPS, nextStep } from '../../../src/site/decide/escalation.ts';
import type { EscalationEvent, EscalationLimits, NextStep, Step } from '../../../src/site/decide/escalation.ts';
import type { Moment } from '../../../src/site/decide/moment.ts';

const MINUTE_MS = 60_000;

/** Three restarts of applications in ten minutes, two of the machine in an hour, one failover in a day; well for half an hour. */
const LIMITS: EscalationLimits = {
  steps: {
    'restart-application': { countMax: 3, windowMs: 10 * MINUTE_MS, timeoutMs: 2 * MINUTE_MS },
    'restart-machine': { countMax: 2, windowMs: 60 * MINUTE_MS, timeoutMs: 5 * MINUTE_MS },
    'fail-over': { countMax: 1, windowMs: 24 * 60 * MINUTE_MS, timeoutMs: 30 * MINUTE_MS },
  },
  lastingMs: 30 * MINUTE_MS,
};

const moment = (minutes: number, bootId = 'boot'): Moment => ({
  bootId,
  bootMs: minutes * MINUTE_MS,
  wallMs: minutes * MINUTE_MS,
});

type Outcome = Extract<EscalationEvent, { what: 'attempt' }>['outcome'];
const attempt = (step: Step, minutes: number, outcome: Outcome = 'failed'): EscalationEvent => ({
  what: 'attempt',
  step,
  at: moment(minutes),
  outcome,
});
const app = (minutes: number, outcome?: Outcome): EscalationEvent => attempt('restart-application', minutes, outcome);
const boot = (minutes: number, outcome?: Outcome): EscalationEvent => attempt('restart-machine', minutes, outcome);
const over = (minutes: number, outcome?: Outcome): EscalationEvent => attempt('fail-over', minutes, outcome);
const well = (since: number, until: number): EscalationEvent => ({
  what: 'well',
  since: moment(since),
  until: moment(until),
});

/** As {@link LIMITS}, with other counts. */
function counting(applications: number, machines: number, failovers: number): EscalationLimits {
  const { steps } = LIMITS;
  return {
    ...LIMITS,
    steps: {
      'restart-application': { ...steps['restart-application'], countMax: applications },
      'restart-machine': { ...steps['restart-machine'], countMax: machines },
      'fail-over': { ...steps['fail-over'], countMax: failovers },
    },
  };
}

interface Case {
  readonly name: string;
  readonly history: readonly EscalationEvent[];
  readonly atMinutes: number;
  readonly next: NextStep['next'];
  readonly limits?: EscalationLimits;
}

const USED_UP = [app(0), app(1), app(2), boot(3), boot(8), over(14)];

const CASES: readonly Case[] = [
  { name: 'nothing was tried', history: [], atMinutes: 0, next: 'restart-application' },
  { name: 'below the limit', history: [app(0), app(1)], atMinutes: 2, next: 'restart-application' },
  { name: 'at the limit', history: [app(0), app(1), app(2)], atMinutes: 3, next: 'restart-machine' },
  {
    name: 'restarts that worked count too',
    history: [0, 1, 2].map((at) => app(at, 'succeeded')),
    atMinutes: 3,
    next: 'restart-machine',
  },
  { name: 'one has left the window', history: [app(0), app(1), app(2)], atMinutes: 10, next: 'restart-application' },
  {
    name: 'one is just within the window',
    history: [app(0), app(1), app(2)],
    atMinutes: 9.99,
    next: 'restart-machine',
  },
  {
    name: 'no way back to the milder step when its window is over',
    history: [app(0), app(1), app(2), boot(3)],
    atMinutes: 40,
    next: 'restart-machine',
  },
  {
    name: 'the machine at its limit',
    history: [app(0), app(1), app(2), boot(3), boot(8)],
    atMinutes: 14,
    next: 'fail-over',
  },
  {
    name: 'the machine is within its limit again',
    history: [boot(3), boot(8)],
    atMinutes: 63,
    next: 'restart-machine',
  },
  { name: 'all used up', history: USED_UP, atMinutes: 45, next: 'tell-person' },
  { name: 'still, however the milder windows end', history: USED_UP, atMinutes: 23 * 60, next: 'tell-person' },
  { name: 'the failover is within its limit again', history: USED_UP, atMinutes: 24 * 60 + 14, next: 'fail-over' },
  {
    name: 'a lasting success resets all',
    history: [...USED_UP, well(50, 80)],
    atMinutes: 80,
    next: 'restart-application',
  },
  {
    name: 'a success that did not last resets nothing',
    history: [...USED_UP, well(50, 79)],
    atMinutes: 79,
    next: 'tell-person',
  },
  {
    name: 'two successes that did not last do not add up',
    history: [...USED_UP, well(50, 70), well(71, 91)],
    atMinutes: 91,
    next: 'tell-person',
  },
  {
    name: 'a lasting success, then a short one',
    history: [...USED_UP, well(50, 80), app(80), well(81, 82)],
    atMinutes: 82,
    next: 'restart-application',
  },
  {
    name: 'the newest lasting success resets',
    history: [well(0, 30), boot(31), well(32, 62)],
    atMinutes: 62,
    next: 'restart-application',
  },
  {
    name: 'what came after the lasting success counts',
    history: [...USED_UP, well(50, 80), app(80), app(81), app(82)],
    atMinutes: 83,
    next: 'restart-machine',
  },
  { name: 'a step is under way', history: [app(0, 'pending')], atMinutes: 1, next: 'wait' },
  { name: 'a step timed out', history: [app(0, 'pending')], atMinutes: 2, next: 'restart-application' },
  {
    name: 'a step that timed out counts',
    history: [app(0), app(1), app(2, 'pending')],
    atMinutes: 4,
    next: 'restart-machine',
  },
  { name: 'a failover is under way', history: [over(0, 'pending')], atMinutes: 29, next: 'wait' },
  {
    name: 'what was under way before a lasting success is over',
    history: [over(0, 'pending'), well(1, 31)],
    atMinutes: 31,
    next: 'restart-application',
  },
  {
    name: 'no machine control',
    history: [app(0), app(1), app(2)],
    atMinutes: 3,
    next: 'fail-over',
    limits: counting(3, 0, 1),
  },
  {
    name: 'no failover allowed',
    history: [app(0), app(1), app(2), boot(3), boot(8)],
    atMinutes: 14,
    next: 'tell-person',
    limits: counting(3, 2, 0),
  },
  { name: 'nothing allowed', history: [], atMinutes: 0, next: 'tell-person', limits: counting(0, 0, 0) },
];

suite('the next step', () => {
  for (const { name, history, atMinutes, next, limits = LIMITS } of CASES) {
    test(`${name}: ${next}`, () => {
      const decided = nextStep(history, limits, moment(atMinutes));
      assert.equal(decided.next, next, decided.reason);
    });
  }

  test('across a boot the wall clock tells the age of what was tried before it', () => {
    const history = [app(0), app(1), app(2)];
    const afterBoot = (minutes: number): Moment => ({ ...moment(minutes, 'next'), bootMs: MINUTE_MS });
    assert.equal(nextStep(history, LIMITS, afterBoot(5)).next, 'restart-machine');
    assert.equal(nextStep(history, LIMITS, afterBoot(10)).next, 'restart-application');
    // Set back behind what was tried: as young as the boot, so it counts.
    assert.equal(nextStep(history, LIMITS, afterBoot(-500)).next, 'restart-machine');
  });
});

suite('what it tells', () => {
  test('why each milder step is passed, and the counts', () => {
    assert.deepEqual(nextStep([app(0), app(1), app(2)], LIMITS, moment(3)), {
      next: 'restart-machine',
      reason:
        'restart of the failed applications: 3 of at most 3 within 600 s; restart of the machine in place: due, 0 of at most 2 within 3600 s so far',
      againInMs: undefined,
      counts: { 'restart-application': 3, 'restart-machine': 0, 'fail-over': 0 },
    });
  });

  test('why a person is told, and when a step is within its limit again', () => {
    assert.deepEqual(nextStep(USED_UP, counting(0, 2, 1), moment(45)), {
      next: 'tell-person',
      reason:
        "restart of the failed applications: left out; restart of the machine in place: a stronger step was taken since; failover of the machine's group: 1 of at most 1 within 86400 s; nothing is left to try: a person is told",
      againInMs: (24 * 60 + 14 - 45) * MINUTE_MS,
      counts: { 'restart-application': 0, 'restart-machine': 2, 'fail-over': 1 },
    });
    assert.equal(nextStep([], counting(0, 0, 0), moment(0)).againInMs, undefined);
    assert.equal(nextStep([over(0)], counting(3, 2, 0), moment(1)).againInMs, undefined);
    // The second newest of three must go before a limit of two allows another.
    const machine = [boot(0), boot(10), boot(20)];
    assert.equal(nextStep(machine, counting(3, 2, 0), moment(21)).againInMs, (10 + 60 - 21) * MINUTE_MS);
  });

  test('what is under way, and for how long at most', () => {
    const { reason, againInMs } = nextStep([boot(0, 'pending')], LIMITS, moment(4));
    assert.equal(reason, 'restart of the machine in place: under way, for 60 s more at most');
    assert.equal(againInMs, MINUTE_MS);
  });
});

test('whatever fails at whatever times: no limit is broken, nothing milder comes back, and it is told when to ask again', () => {
  const wait = fc.integer({ min: 1, max: 90 });
  const outcome = fc.constantFrom('failed' as const, 'succeeded' as const, 'pending' as const);
  fc.assert(
    fc.property(fc.array(fc.tuple(wait, outcome), { maxLength: 60 }), (turns) => {
      const history: Extract<EscalationEvent, { what: 'attempt' }>[] = [];
      let minutes = 0;
      for (const [waited, came] of turns) {
        minutes += waited;
        const { next, againInMs } = nextStep(history, LIMITS, moment(minutes));
        if (next === 'wait' || next === 'tell-person') {
          // Asking again then, and only then, brings something else.
          const then = (ms: number): Moment => moment(minutes + ms / MINUTE_MS);
          assert.ok(againInMs !== undefined && againInMs > 0);
          assert.equal(nextStep(history, LIMITS, then(againInMs - 1)).next, next);
          assert.notEqual(nextStep(history, LIMITS, then(againInMs)).next, next);
          continue;
        }
        history.push({ what: 'attempt', step: next, at: moment(minutes), outcome: came });
        const { countMax, windowMs } = LIMITS.steps[next];
        const recent = history.filter(({ step, at }) => step === next && minutes * MINUTE_MS - at.bootMs < windowMs);
        assert.ok(recent.length <= countMax, `${recent.length} of ${next}`);
      }
      const order = history.map(({ step }) => STEPS.indexOf(step));
      assert.deepEqual(order, order.toSorted());
    }),
  );
});
