/** The order of a group's applications: tables, refusals with all faults at once, and what holds for any graph. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { orderFaults, restartOrder, restartOrderOf } from '../../../src/site/decide/restart.ts';
import type { Dependent } from '../../../src/site/decide/restart.ts';

/** `web: db cache` and so on, one application each. */
function applications(...said: string[]): Dependent[] {
  return said.map((line) => {
    const [name = '', needs = ''] = line.split(':');
    return { name, dependsOn: needs.split(' ').filter((need) => need !== '') };
  });
}

const ERP = applications('web: app cache', 'app: db', 'cache:', 'db:', 'mail:');

suite('the order', () => {
  const CASES: readonly (readonly [string, readonly Dependent[], string[][]])[] = [
    ['none', [], []],
    ['one', applications('db:'), [['db']]],
    ['those that do not depend on each other go side by side', applications('b:', 'a:', 'c:'), [['a', 'b', 'c']]],
    ['a chain', applications('web: app', 'app: db', 'db:'), [['db'], ['app'], ['web']]],
    [
      'a diamond',
      applications('top: left right', 'left: base', 'right: base', 'base:'),
      [['base'], ['left', 'right'], ['top']],
    ],
    ['the longest way counts', applications('web: db app', 'app: db', 'db:'), [['db'], ['app'], ['web']]],
    ['a dependency that is named twice', applications('web: db db', 'db:'), [['db'], ['web']]],
    ['an ERP', ERP, [['cache', 'db', 'mail'], ['app'], ['web']]],
  ];
  for (const [name, given, start] of CASES) {
    test(name, () => {
      assert.deepEqual(restartOrder(given), { start, stop: start.toReversed() });
      assert.deepEqual(restartOrder(given.toReversed()).start, start);
    });
  }
});

suite('restarting some of them', () => {
  const CASES: readonly (readonly [string[], string[][]])[] = [
    [['web'], [['web']]],
    [['cache'], [['cache'], ['web']]],
    [['db'], [['db'], ['app'], ['web']]],
    [
      ['mail', 'app'],
      [['mail'], ['app'], ['web']],
    ],
    [['nobody'], []],
    [[], []],
  ];
  for (const [names, start] of CASES) {
    test(`${names.length === 0 ? 'none' : names.join(' and ')}: with all that depend on them, and no others`, () => {
      assert.deepEqual(restartOrderOf(ERP, names), { start, stop: start.toReversed() });
    });
  }
});

suite('what is refused', () => {
  const CASES: readonly (readonly [string, readonly Dependent[], string[]])[] = [
    ['itself', applications('db: db'), ['db: it depends on itself: db → db']],
    ['two', applications('a: b', 'b: a'), ['a: it depends on itself: a → b → a']],
    [
      'what only hangs on a cycle is not to blame',
      applications('web: a', 'a: b', 'b: a', 'base:'),
      ['a: it depends on itself: a → b → a'],
    ],
    [
      'two cycles that share an application, both told',
      applications('a: b c', 'b: a', 'c: a'),
      ['a: it depends on itself: a → b → a', 'c: it depends on itself: c → a → c'],
    ],
    ['a name twice', applications('db:', 'db:'), ['db: this name is given twice']],
    ['an unknown name, told once', applications('web: db db'), ['web: it depends on db, which does not exist']],
    [
      'all at once',
      applications('web: nobody app', 'app: web', 'mail: mail', 'db:', 'db: nothing'),
      [
        'web: it depends on nobody, which does not exist',
        'db: this name is given twice',
        'db: it depends on nothing, which does not exist',
        'app: it depends on itself: app → web → app',
        'mail: it depends on itself: mail → mail',
      ],
    ],
  ];
  for (const [name, given, expected] of CASES) {
    test(name, () => {
      const faults = orderFaults(given).map((fault) => `${fault.name}: ${fault.fault}`);
      assert.deepEqual(faults, expected);
      const message = `the order of the applications: ${expected.map((fault) => `application ${fault}`).join('; ')}`;
      assert.throws(() => restartOrder(given), { code: 'USAGE', message });
      assert.throws(() => restartOrderOf(given, []), { code: 'USAGE', message });
    });
  }
});

suite('on any graph', () => {
  const NAMES = ['a', 'b', 'c', 'd', 'e', 'f'];
  const graph = (isAcyclic: boolean): fc.Arbitrary<Dependent[]> =>
    fc
      .tuple(...NAMES.map((_, at) => fc.subarray(isAcyclic ? NAMES.slice(0, at) : NAMES)))
      .map((needs) => NAMES.map((name, at) => ({ name, dependsOn: needs[at] ?? [] })));
  const layerOf = (layers: readonly (readonly string[])[], name: string): number =>
    layers.findIndex((layer) => layer.includes(name));

  test('without a cycle: each once, as early as what it needs allows', () => {
    fc.assert(
      fc.property(graph(true), (given) => {
        const { start } = restartOrder(given);
        assert.deepEqual(start.flat().toSorted(), NAMES);
        for (const { name, dependsOn } of given) {
          const earliest = 1 + Math.max(-1, ...dependsOn.map((need) => layerOf(start, need)));
          assert.equal(layerOf(start, name), earliest);
        }
      }),
    );
  });

  test('with one: refused, and all that lie on a cycle are told, on one that is there', () => {
    fc.assert(
      fc.property(graph(false), (given) => {
        const needs = new Map(given.map(({ name, dependsOn }) => [name, dependsOn]));
        const told = new Set<string>();
        for (const { fault } of orderFaults(given)) {
          const way = fault.replace('it depends on itself: ', '').split(' → ');
          assert.equal(way.at(-1), way[0]);
          for (const [at, name] of way.slice(1).entries()) assert.ok(needs.get(way[at] ?? '')?.includes(name));
          for (const name of way) told.add(name);
        }
        // By another way than the code's: what a name reaches, to the end.
        const onCycle = NAMES.filter((name) => {
          let reached = new Set(needs.get(name));
          for (let turn = 0; turn < NAMES.length; turn++) {
            reached = new Set([...reached].flatMap((on) => [on, ...(needs.get(on) ?? [])]));
          }
          return reached.has(name);
        });
        assert.deepEqual([...told].toSorted(), onCycle);
        if (onCycle.length > 0) assert.throws(() => restartOrder(given), { code: 'USAGE' });
        else restartOrder(given);
      }),
    );
  });
});
