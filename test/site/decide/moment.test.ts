/** How much time passed between two moments, within a boot and across boots. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { elapsedMs } from '../../../src/site/decide/moment.ts';
import type { Moment } from '../../../src/site/decide/moment.ts';

const at = (bootId: string, bootMs: number, wallMs: number): Moment => ({ bootId, bootMs, wallMs });

const CASES: readonly (readonly [string, Moment, Moment, number])[] = [
  ['within a boot', at('a', 100, 1000), at('a', 150, 1050), 50],
  ['within a boot, the wall clock set forward', at('a', 100, 1000), at('a', 150, 99_000), 50],
  ['within a boot, the wall clock set back', at('a', 100, 1000), at('a', 150, 10), 50],
  ['within a boot, told in the wrong order', at('a', 150, 1050), at('a', 100, 1000), 0],
  ['across a boot', at('a', 900, 1000), at('b', 10, 1300), 300],
  ['across a boot, the wall clock set back: no younger than the boot', at('a', 900, 1000), at('b', 10, 500), 10],
];

for (const [name, from, to, expected] of CASES) {
  test(name, () => {
    assert.equal(elapsedMs(from, to), expected);
  });
}
