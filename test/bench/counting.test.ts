import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countCaused, totalOf } from '../../scripts/bench/counting.ts';
import { QUEUES } from '../../src/kernel/names.ts';
import { parseAccessLine } from '../../src/local/stack/access-log.ts';
import type { LoggedRequest } from '../../src/local/stack/stack.ts';

function logged(method: string, path: string): LoggedRequest {
  const line = `127.0.0.1 - - [21/Nov/2026:12:00:00 +0000] "${method} /account/${path} HTTP/1.1" 200 -`;
  const request = parseAccessLine(line, new Date(0));
  assert.ok(request);
  return request;
}

const look = logged('GET', `${QUEUES.deltas}/messages`);
const message = logged('DELETE', `${QUEUES.deltas}/messages/1`);

test('of the looks into a polled queue only those count that a message came of', () => {
  const counts = countCaused([look, look, look, message]);
  assert.equal(counts.get('get messages'), 1);
  assert.equal(counts.get('delete message'), 1);
  assert.equal(countCaused([look, look]).get('get messages'), undefined);
});

test("a look that brought two messages counts once; a look into a poison queue is the sweep's own", () => {
  assert.equal(countCaused([look, message, message]).get('get messages'), 1);
  assert.equal(countCaused([logged('GET', `${QUEUES.deltas}-poison/messages`)]).get('get messages'), 1);
});

test("the host's own leases and keys are left out, and nothing else is", () => {
  const counts = countCaused([
    logged('PUT', 'azure-webjobs-hosts/locks/x?comp=lease'),
    logged('PUT', 'replicas/t/s/g/v.vhd?comp=page'),
    logged('GET', 'state/volumes/t/s/g/v.json'),
  ]);
  assert.equal(totalOf(counts), 2);
});
