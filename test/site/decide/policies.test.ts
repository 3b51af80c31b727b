/** What the three policies say about a machine: a table of every branch, and what holds for any machine. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { PRIORITY_MAX, decideMachine } from '../../../src/site/decide/policies.ts';
import type { MachineApplication, MachineHistory, MachinePolicy } from '../../../src/site/decide/policies.ts';

const HIGHEST = 'highest-decides';
const FAILED_RUNNING = 'failed-against-running';
const WITH_OFFLINE = 'failed-against-running-and-offline';
const POLICIES: readonly MachinePolicy[] = [HIGHEST, FAILED_RUNNING, WITH_OFFLINE];
const NOW_MS = Date.UTC(2026, 10, 21, 12);

/** `failed 5, running 1` and so on, named after their place: a5, b1. */
function machine(said: string): MachineApplication[] {
  if (said === '') return [];
  return said.split(', ').map((part, index) => {
    const [state, priority] = part.split(' ');
    assert.ok(state === 'failed' || state === 'running' || state === 'offline', part);
    return { name: `${String.fromCharCode(97 + index)}${priority ?? ''}`, priority: Number(priority), state };
  });
}

function history(policy: MachinePolicy, said: string): MachineHistory {
  return { policy, applications: machine(said), offline: [], nowWallMs: NOW_MS };
}

suite('each policy on each machine', () => {
  const CASES: readonly (readonly [string, Record<MachinePolicy, 'act' | 'nothing'>, string])[] = [
    ['', all('nothing'), 'no applications'],
    ['running 5, running 1', all('nothing'), 'all run'],
    ['offline 5, offline 1', all('nothing'), 'none failed, all offline'],
    ['offline 5, running 1', all('nothing'), 'none failed, the first is offline'],
    ['failed 5', all('act'), 'the only one failed'],
    ['failed 5, running 1, offline 6', { ...only(FAILED_RUNNING) }, 'the example of the sums'],
    ['failed 6, running 1, offline 5', all('act'), 'the failed tie with all the others'],
    ['failed 5, running 5', all('act'), 'a tie, of equal top priorities'],
    ['failed 2, failed 3, running 5', only(FAILED_RUNNING, WITH_OFFLINE), 'a tie of sums, but the highest runs'],
    ['failed 5, running 3, running 3', only(HIGHEST), 'the highest failed, but the running outweigh'],
    ['failed 1, running 5', all('nothing'), 'the running outweigh'],
    ['offline 5, failed 1', only(FAILED_RUNNING), 'the highest is offline on purpose: nothing by it'],
    ['offline 5, failed 5', all('act'), 'equal top priorities: the failed one decides; a tie with offline ones'],
    ['running 5, offline 5, failed 5', only(HIGHEST, FAILED_RUNNING), 'equal top priorities, one of each'],
    ['running 5, offline 5, failed 1', all('nothing'), 'equal top priorities, none of them failed'],
    ['failed 0.3, running 0.1, running 0.2', all('act'), 'a tie of decimals, whatever doubles say'],
    ['failed 999999, running 1000000', all('nothing'), 'a difference of one at the largest priorities is no tie'],
  ];
  for (const [said, expected, why] of CASES) {
    for (const policy of POLICIES) {
      test(`${policy}: ${said === '' ? 'nothing' : said} (${why}): ${expected[policy]}`, () => {
        const { verdict, reason } = decideMachine(history(policy, said));
        assert.equal(verdict, expected[policy], reason);
      });
    }
  }

  function all(verdict: 'act' | 'nothing'): Record<MachinePolicy, 'act' | 'nothing'> {
    return { [HIGHEST]: verdict, [FAILED_RUNNING]: verdict, [WITH_OFFLINE]: verdict };
  }

  function only(...acting: MachinePolicy[]): Record<MachinePolicy, 'act' | 'nothing'> {
    const of = (policy: MachinePolicy): 'act' | 'nothing' => (acting.includes(policy) ? 'act' : 'nothing');
    return { [HIGHEST]: of(HIGHEST), [FAILED_RUNNING]: of(FAILED_RUNNING), [WITH_OFFLINE]: of(WITH_OFFLINE) };
  }
});

suite('what a verdict tells', () => {
  const CASES: readonly (readonly [MachinePolicy, string, string])[] = [
    [HIGHEST, 'failed 5, failed 5, running 5', 'the highest priority (5) decides: a5 has failed, b5 has failed'],
    [
      HIGHEST,
      'running 5, offline 5, failed 1',
      'the highest priority (5) decides: a5 is running, b5 is offline on purpose',
    ],
    [
      FAILED_RUNNING,
      'failed 5, running 1, offline 6',
      'failed 5 (a5) against 1 (running 1, offline 6 on neither side): the failed outweigh',
    ],
    [
      WITH_OFFLINE,
      'failed 5, running 1, offline 6',
      'failed 5 (a5) against 7 (running 1, offline 6 beside them): the failed do not outweigh',
    ],
    [
      FAILED_RUNNING,
      'failed 2, failed 3, running 5',
      'failed 5 (a2, b3) against 5 (running 5, offline 0 on neither side): a tie, which acts',
    ],
    [FAILED_RUNNING, 'running 5', 'no application has failed with its restart attempts used up'],
  ];
  for (const [policy, said, reason] of CASES) {
    test(`${policy}: ${said}`, () => {
      assert.equal(decideMachine(history(policy, said)).reason, reason);
    });
  }

  test('the sums by state', () => {
    const { sums } = decideMachine(history(HIGHEST, 'failed 5, running 1, offline 6, failed 2'));
    assert.deepEqual(sums, { failed: 7, running: 1, offline: 6 });
  });
});

suite('offline on purpose with an end time', () => {
  const failed = history(FAILED_RUNNING, 'failed 5, running 1');
  const mark = (what: 'machine' | 'group' | 'site', untilWallMs: number) => ({ what, name: 'erp', untilWallMs });

  for (const what of ['machine', 'group', 'site'] as const) {
    test(`of the ${what}: all its applications count as offline until then, and no longer`, () => {
      for (const policy of POLICIES) {
        const marked = { ...failed, policy, offline: [mark(what, NOW_MS + 1)] };
        assert.deepEqual(decideMachine(marked), {
          verdict: 'nothing',
          reason: `${what} erp is offline on purpose until 2026-11-21T12:00:00.001Z`,
          sums: { failed: 0, running: 0, offline: 6 },
        });
        assert.equal(decideMachine({ ...marked, nowWallMs: NOW_MS + 1 }).verdict, 'act');
      }
    });
  }

  test('of several, the one that lasts longest is told, and an ended one takes nothing away', () => {
    const offline = [mark('site', NOW_MS - 1), mark('machine', NOW_MS + 1000), mark('group', NOW_MS + 2000)];
    assert.match(decideMachine({ ...failed, offline }).reason, /^group erp .* until 2026-11-21T12:00:02/);
  });
});

test('numbers that nothing compares with are refused, all at once', () => {
  const numbers = [0, -1, NaN, Infinity, PRIORITY_MAX + 1, PRIORITY_MAX];
  const applications = numbers.map((priority) => ({ name: `p${priority}`, priority, state: 'failed' as const }));
  const offline = [{ what: 'site' as const, name: 'berlin', untilWallMs: Infinity }];
  assert.throws(
    () => decideMachine({ policy: HIGHEST, applications, offline, nowWallMs: NOW_MS }),
    (error: Error & { code?: string }) => {
      assert.equal(error.code, 'USAGE');
      const named = ['p0', 'p-1', 'pNaN', 'pInfinity', 'p1000001', 'site berlin'];
      for (const name of named) assert.ok(error.message.includes(`${name}:`), `${name} in ${error.message}`);
      assert.ok(!error.message.includes('p1000000:'));
      return true;
    },
  );
});

suite('on any machine', () => {
  const application = fc.record({
    name: fc.string({ minLength: 1, maxLength: 4 }),
    priority: fc.integer({ min: 1, max: 6 }),
    state: fc.constantFrom('running' as const, 'failed' as const, 'offline' as const),
  });
  const applications = fc.array(application, { maxLength: 6 });
  const policy = fc.constantFrom(...POLICIES);
  const decided = (of: MachinePolicy, on: readonly MachineApplication[]): ReturnType<typeof decideMachine> =>
    decideMachine({ policy: of, applications: on, offline: [], nowWallMs: NOW_MS });

  test('nothing is done where nothing failed', () => {
    fc.assert(
      fc.property(policy, applications, (of, on) => {
        const healthy = on.filter(({ state }) => state !== 'failed');
        assert.equal(decided(of, healthy).verdict, 'nothing');
      }),
    );
  });

  test('the sums decide exactly: nothing where the others outweigh, something at a tie and above', () => {
    fc.assert(
      fc.property(applications, (on) => {
        const { sums } = decided(FAILED_RUNNING, on);
        const acts = (of: MachinePolicy): boolean => decided(of, on).verdict === 'act';
        assert.equal(acts(FAILED_RUNNING), sums.failed > 0 && sums.failed >= sums.running);
        assert.equal(acts(WITH_OFFLINE), sums.failed > 0 && sums.failed >= sums.running + sums.offline);
      }),
    );
  });

  test('the sums hold all priorities, each once', () => {
    fc.assert(
      fc.property(policy, applications, (of, on) => {
        const { failed, running, offline } = decided(of, on).sums;
        assert.equal(
          failed + running + offline,
          on.reduce((sum, { priority }) => sum + priority, 0),
        );
      }),
    );
  });

  test('the order of the applications means nothing', () => {
    fc.assert(
      fc.property(policy, applications, (of, on) => {
        assert.equal(decided(of, on.toReversed()).verdict, decided(of, on).verdict);
      }),
    );
  });

  test('one more that fails never turns something into nothing', () => {
    fc.assert(
      fc.property(policy, applications, fc.nat(), (of, on, pick) => {
        const worse = on.map((one, at) => (at === pick % on.length ? { ...one, state: 'failed' as const } : one));
        if (decided(of, on).verdict === 'act') assert.equal(decided(of, worse).verdict, 'act');
      }),
    );
  });
});
