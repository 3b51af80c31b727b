/**
 * The protocol of leases and the decision on a site, checked with the production's own transitions: what must hold does
 * within small bounds, and no more as soon as any one of the rules is broken. `npm run model` looks further.
 */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { check, walk } from './checker.ts';
import type { Model, Step } from './checker.ts';
import { LeaseModel } from './lease-model.ts';
import { SiteModel } from './site-model.ts';
import { SMALL_BOUNDS, UNSAFE } from './unsafe.ts';
import type { UnsafeName } from './unsafe.ts';

const STATES_MAX = 1_000_000;

suite('what must hold', () => {
  for (const [name, bounds] of Object.entries(SMALL_BOUNDS)) {
    test(`holds with ${name}: never two writers, and after the faults somebody writes again`, () => {
      const { states, isComplete, violation, boundTicks = 0 } = check(new LeaseModel(bounds), STATES_MAX);
      assert.deepEqual(violation, undefined);
      assert.ok(isComplete, `${states} states did not do`);
      assert.ok(boundTicks > 0, 'there is something to wait for');
    });
  }

  test('holds for the decision on a site: a witness that lies moves nothing, and keeps no dead site', () => {
    const faults = ['the observer lies', 'the door of the cloud is shut', 'the door of leases alone is shut'] as const;
    const { isComplete, violation, boundTicks = 0 } = check(new SiteModel({ faults }), STATES_MAX);
    assert.deepEqual(violation, undefined);
    assert.ok(isComplete);
    assert.ok(boundTicks > 0);
  });

  test('holds where heartbeats and renewals are the only witness: what is sent again keeps no dead site', () => {
    const model = new SiteModel({ faults: ['renewals are sent again'], isAlone: true });
    const { isComplete, violation, boundTicks = 0 } = check(model, STATES_MAX);
    assert.deepEqual(violation, undefined);
    assert.ok(isComplete);
    assert.ok(boundTicks > 0);
  });

  for (const name of Object.keys(UNSAFE) as UnsafeName[]) {
    test(`does not with --${name}`, () => {
      const broken = UNSAFE[name];
      const { violation } = check(broken.model('usual' in broken ? broken.usual : 1), STATES_MAX);
      assert.match(violation?.what ?? 'nothing was found', broken.shows);
    });
  }
});

/** Numbers that grow to a limit, and what comes of them. */
class Counting implements Model<number> {
  readonly initial = [0];
  readonly #steps: (at: number) => readonly Step<number>[];

  constructor(steps: (at: number) => readonly Step<number>[]) {
    this.#steps = steps;
  }
  key(at: number): string {
    return String(at);
  }
  next(at: number): readonly Step<number>[] {
    return this.#steps(at);
  }
  violation(at: number): string | undefined {
    return at === 7 ? 'seven' : undefined;
  }
  isCalm(at: number): boolean {
    return at >= 2;
  }
}
const to = (state: number, rest: Partial<Step<number>> = {}): Step<number> => ({
  label: `to ${state}`,
  state,
  ...rest,
});

suite('the checker', () => {
  test('gives the shortest way to what is wrong', () => {
    const model = new Counting((at) => (at < 7 ? [to(at + 1), to(at + 3)] : []));
    assert.deepEqual(check(model, 100).violation, { what: 'seven', trace: ['begin', 'to 1', 'to 4', 'to 7'] });
    const choose = (count: number): number => count - 1;
    assert.equal(walk(model, { walks: 1, stepsMax: 9, choose }).violation, undefined, '0, 3, 6, 9');
  });

  test('finds a calm state from which nothing happens, and one that goes round without anything good', () => {
    const ends = new Counting((at) => (at < 4 ? [to(at + 1)] : []));
    assert.match(check(ends, 100).violation?.what ?? '', /nothing can happen/);
    const turns = new Counting((at) => [to(at < 4 ? at + 1 : 2)]);
    const { what, trace } = check(turns, 100).violation ?? {};
    assert.match(what ?? '', /goes on for ever/);
    assert.deepEqual(trace, ['begin', 'to 1', 'to 2', 'to 3', 'to 4', 'to 2']);
  });

  test('tells the longest way to something good', () => {
    const model = new Counting((at) => {
      if (at === 6) return [to(2, { isGood: true })];
      return at === 2 ? [to(3, { ticks: 1 }), to(5, { ticks: 5 })] : [to(at + 1, { ticks: 2 })];
    });
    assert.deepEqual(check(model, 100), { states: 7, isComplete: true, boundTicks: 7 });
  });
});
