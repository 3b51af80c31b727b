import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inSeconds } from '../../src/kernel/in-words.ts';

test('a length of time is told in tenths of seconds', () => {
  assert.deepEqual([600_000, 1540, 0].map(inSeconds), ['600 s', '1.5 s', '0 s']);
});
