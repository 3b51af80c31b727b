import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jsonBody } from '../../functions/http-answer.ts';
import { MIB } from '../../src/kernel/units.ts';

const LIMIT_BYTES = 2 * MIB;

/** A body of `totalBytes`, made as it is read, and how much of it was taken. */
function counted(totalBytes: number) {
  const taken = { bytes: 0, cancelled: false };
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (taken.bytes >= totalBytes) {
          controller.close();
          return;
        }
        taken.bytes += MIB;
        controller.enqueue(new Uint8Array(MIB).fill(0x20));
      },
      cancel() {
        taken.cancelled = true;
      },
    },
    { highWaterMark: 0 },
  );
  return { taken, body };
}

function requestOf(body: ReadableStream | string | null, headers: Record<string, string> = {}) {
  return new Request('http://localhost/', { method: 'POST', headers, body, duplex: 'half' });
}

test('a body that announces too much is refused by the limit before any of it is read', async () => {
  const { body, taken } = counted(209 * MIB);
  const request = requestOf(body, { 'Content-Length': String(209 * MIB) });
  await assert.rejects(jsonBody(request), { code: 'MESSAGE_INVALID', message: new RegExp(String(LIMIT_BYTES)) });
  assert.equal(taken.bytes, 0);
});

test('a body without a length, or with a wrong one, is read up to the limit and no further', async () => {
  for (const headers of [{}, { 'Content-Length': '2' }]) {
    const { body, taken } = counted(209 * MIB);
    await assert.rejects(jsonBody(requestOf(body, headers)), {
      code: 'MESSAGE_INVALID',
      message: new RegExp(String(LIMIT_BYTES)),
    });
    assert.ok(taken.bytes <= LIMIT_BYTES + MIB, `${taken.bytes} bytes were taken`);
    assert.equal(taken.cancelled, true);
  }
});

test('a body that fits is parsed; an empty one and one that is not JSON are said to be so', async () => {
  assert.deepEqual(await jsonBody(requestOf('{"a":"ä"}')), { a: 'ä' });
  const full = JSON.stringify('x'.repeat(LIMIT_BYTES - 2));
  assert.equal(await jsonBody(requestOf(full)), JSON.parse(full));
  await assert.rejects(jsonBody(requestOf(null)), { code: 'MESSAGE_INVALID', message: 'the body is empty' });
  await assert.rejects(jsonBody(requestOf('{"a":')), { code: 'MESSAGE_INVALID', message: 'the body is not JSON' });
});
