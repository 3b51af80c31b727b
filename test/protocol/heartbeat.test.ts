import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HEARTBEAT_WORDS_MAX, heartbeatSchema, heartbeatWords } from '../../src/protocol/heartbeat.ts';

test('whatever is put into words is taken by the schema, and what is cut off shows', () => {
  const trouble = heartbeatWords(`exit 1:\n\tno such\u0007file ${'x'.repeat(HEARTBEAT_WORDS_MAX)}`);
  assert.match(trouble, /^exit 1: no such file x+…$/);
  assert.equal(trouble.length, HEARTBEAT_WORDS_MAX);
  const said = { counter: 1, machines: [{ name: 'db-1', node: 'node-1', trouble }] };
  assert.equal(heartbeatSchema.safeParse(said).success, true);
});
