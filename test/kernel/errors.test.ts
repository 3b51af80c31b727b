/** How errors are told. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LeewardError, describeError } from '../../src/kernel/errors.ts';

test('the whole chain stands on one line, each thing said once', () => {
  const deepest = new Error('no route\n  to host');
  const same = new LeewardError('UNAVAILABLE', 'the cloud does not answer', { cause: deepest });
  const error = new LeewardError('UNAVAILABLE', 'the cloud does not answer', { cause: same });
  assert.equal(describeError(error), 'the cloud does not answer: no route to host');
});

test('a chain that bites its own tail ends', () => {
  const error = new Error('a');
  error.cause = new Error('b', { cause: error });
  assert.match(describeError(error), /^a: b(: a: b)*$/);
});

test('what is thrown and is no error is told too', () => {
  assert.equal(describeError('just a word'), 'just a word');
  assert.equal(describeError(new Error('outer', { cause: { code: 7 } })), 'outer: {"code":7}');
});
