import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cut, inSeconds } from '../../src/kernel/in-words.ts';

test('a length of time is told in tenths of seconds', () => {
  assert.deepEqual([600_000, 1540, 0].map(inSeconds), ['600 s', '1.5 s', '0 s']);
});

test('what is cut is no longer than it may be, and shows that', () => {
  assert.deepEqual([cut('abcd', 4), cut('abcde', 4)], ['abcd', 'abc…']);
});
