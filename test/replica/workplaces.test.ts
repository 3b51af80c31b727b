/** Who works when in one process: the order on a volume, the bound over all of them, and the one that reads ahead. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Workplaces } from '../../src/replica/apply/workplaces.ts';
import type { Line } from '../../src/replica/apply/workplaces.ts';
import { ManualClock } from '../support/memory/clock.ts';

/** Workplaces whose work and reading end when the test says so, with all that began, in its order. */
class Observed {
  readonly begun: string[] = [];
  readonly given: Record<string, string | undefined> = {};
  readonly clock = new ManualClock();
  readonly workplaces: Workplaces;
  readonly #ends = new Map<string, PromiseWithResolvers<undefined>>();

  constructor(count: number) {
    this.workplaces = new Workplaces(count, this.clock);
  }

  async start(volume: string, name: string, line: Line = 'deltas'): Promise<void> {
    await this.workplaces.run(
      volume,
      line,
      async (ahead: string | undefined) => {
        this.given[name] = ahead;
        await this.#until(`work ${name}`);
      },
      async () => {
        await this.#until(`read ${name}`);
        return `read by ${name}`;
      },
    );
  }

  async end(what: string): Promise<void> {
    this.#endOf(what).resolve(undefined);
    await this.settle();
  }

  async fail(what: string): Promise<void> {
    this.#endOf(what).reject(new Error('no answer'));
    await this.settle();
  }

  /** Lets everything happen that waits for nothing. */
  async settle(): Promise<void> {
    await turn();
  }

  async #until(what: string): Promise<void> {
    this.begun.push(what);
    await this.#endOf(what).promise;
  }

  #endOf(what: string): PromiseWithResolvers<undefined> {
    const end = this.#ends.get(what) ?? Promise.withResolvers<undefined>();
    this.#ends.set(what, end);
    return end;
  }
}

test('what has to wait for its volume reads ahead, one at a time, and the next as soon as that one has its turn', async () => {
  const places = new Observed(2);
  const all = ['a1', 'a2', 'a3'].map(async (name) => places.start('a', name));
  await places.settle();
  assert.deepEqual(places.begun.toSorted(), ['read a2', 'work a1']);
  await places.end('read a2');
  assert.equal(places.begun.length, 2, 'it keeps its place until its turn');
  await places.end('work a1');
  assert.deepEqual(places.begun.slice(2), ['work a2', 'read a3']);
  await places.end('work a2');
  assert.equal(places.begun.at(-1), 'read a3', 'what is being read already is waited for');
  await places.end('read a3');
  await places.end('work a3');
  await Promise.all(all);
  assert.deepEqual(places.given, { a1: undefined, a2: 'read by a2', a3: 'read by a3' });
});

test('nobody reads ahead whose volume is free, and there are never more at work than places', async () => {
  const places = new Observed(2);
  const all = ['a', 'b', 'c'].map(async (name) => places.start(name, name));
  await places.settle();
  assert.deepEqual(places.begun, ['work a', 'work b']);
  await places.end('work b');
  assert.deepEqual(places.begun, ['work a', 'work b', 'work c']);
  await places.end('work a');
  await places.end('work c');
  await Promise.all(all);
  assert.deepEqual(places.given, { a: undefined, b: undefined, c: undefined });
});

test('whose turn comes before there was room to read ahead reads in its turn', async () => {
  const places = new Observed(3);
  const all = [places.start('a', 'a1'), places.start('a', 'a2'), places.start('b', 'b1'), places.start('b', 'b2')];
  await places.settle();
  assert.deepEqual(places.begun.toSorted(), ['read a2', 'work a1', 'work b1']);
  await places.end('work b1');
  assert.equal(places.begun.at(-1), 'work b2');
  await places.end('read a2');
  for (const name of ['a1', 'a2', 'b2']) await places.end(`work ${name}`);
  await Promise.all(all);
  assert.equal(places.begun.includes('read b2'), false);
  assert.deepEqual(places.given, { a1: undefined, a2: 'read by a2', b1: undefined, b2: undefined });
});

test('a reading ahead that fails is as if there had been none, and keeps nobody from reading ahead after it', async () => {
  const places = new Observed(1);
  const all = ['a1', 'a2', 'a3'].map(async (name) => places.start('a', name));
  await places.settle();
  await places.fail('read a2');
  await places.end('work a1');
  assert.deepEqual(places.begun.slice(-2), ['work a2', 'read a3']);
  await places.end('read a3');
  await places.end('work a2');
  await places.end('work a3');
  await Promise.all(all);
  assert.deepEqual(places.given, { a1: undefined, a2: undefined, a3: 'read by a3' });
});

test('lines take turns at the places, and each goes in its own order', async () => {
  const places = new Observed(1);
  const coming: [name: string, line: Line][] = [
    ['b1', 'bulk'],
    ['b2', 'bulk'],
    ['b3', 'bulk'],
    ['d1', 'deltas'],
    ['s1', 'sweep'],
    ['d2', 'deltas'],
  ];
  const all = coming.map(async ([name, line]) => places.start(name, name, line));
  await places.settle();
  for (const name of ['b1', 'b2', 'd1', 's1', 'b3', 'd2']) {
    assert.equal(places.begun.at(-1), `work ${name}`);
    await places.end(`work ${name}`);
  }
  await Promise.all(all);
});

test('who has a place leaves it for another line at once, and for its own after a while', async () => {
  const places = new Observed(1);
  const { workplaces, clock } = places;
  const since = clock.bootMs();
  const all = [places.start('a', 'a', 'bulk')];
  assert.equal(workplaces.isDue('bulk', since), false);
  all.push(places.start('b', 'b', 'bulk'));
  await places.settle();
  assert.equal(workplaces.isDue('bulk', since), false, 'those of its line can wait a little');
  clock.advance(10_000);
  assert.equal(workplaces.isDue('bulk', since), true);
  assert.equal(workplaces.isDue('bulk', clock.bootMs()), false);
  all.push(places.start('c', 'c', 'deltas'));
  await places.settle();
  assert.equal(workplaces.isDue('bulk', clock.bootMs()), true, 'a small delta waits for one of a first copy');
  for (const name of ['a', 'b', 'c']) await places.end(`work ${name}`);
  await Promise.all(all);
  assert.equal(workplaces.isDue('bulk', since), false, 'nobody waits');
});
