import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InvocationContext } from '@azure/functions';
import { answering, jsonBody } from '../../functions/http-answer.ts';
import { LeewardError } from '../../src/kernel/errors.ts';
import { ID_LENGTH_MAX } from '../../src/kernel/ids.ts';
import { KIB, MIB } from '../../src/kernel/units.ts';
import { DOCUMENT_BYTES_MAX } from '../../src/ports/state.ts';
import { heartbeatSchema } from '../../src/protocol/heartbeat.ts';
import type { GroupWord, Heartbeat } from '../../src/protocol/heartbeat.ts';
import { refusalIn } from '../../src/protocol/refusal.ts';
import { parseSigned, readPayload, sign } from '../../src/protocol/signed.ts';
import { STOP_MS_MAX } from '../../src/protocol/stop-times.ts';

const LIMIT_BYTES = 6 * MIB;
const DATE_MAX = 8_640_000_000_000_000;

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

test('a refusal is read by whoever asked as it was meant, whatever its words are', async () => {
  const refusedWith = async (error: Error) => {
    const context = new InvocationContext({ logHandler: () => undefined });
    const answer = await answering(context, async () => Promise.reject(error));
    return { status: answer.status, refusal: refusalIn(JSON.parse(JSON.stringify(answer.jsonBody))) };
  };
  const message = 'not "this" \\ but\u2028that';
  assert.deepEqual(await refusedWith(new LeewardError('IDENTIFIER_INVALID', message)), {
    status: 400,
    refusal: { code: 'IDENTIFIER_INVALID', message },
  });
  const long = await refusedWith(new LeewardError('VERSION_TOO_NEW', 'x'.repeat(5000)));
  assert.partialDeepStrictEqual(long, { status: 503, refusal: { code: 'VERSION_TOO_NEW' } });
  for (const fault of [new LeewardError('PLATFORM_FAILED', message), new TypeError(message)]) {
    assert.deepEqual(await refusedWith(fault), { status: 500, refusal: undefined });
  }
  for (const other of [undefined, '<html>', { error: 'no' }, { error: { code: 'SOMETHING', message } }]) {
    assert.equal(refusalIn(other), undefined);
  }
});

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

test('the fullest heartbeat that the schema allows fits, and one word more is refused by the schema', async () => {
  const full = (kind: keyof typeof ID_LENGTH_MAX, at = 0) => String(at).padStart(ID_LENGTH_MAX[kind], 'x');
  const signer = `${full('tenant')}/${full('site')}`;
  const number = 0xffff_ffff;
  const volumes = Array.from({ length: 5000 }, (_, at): Heartbeat['volumes'][number] => ({
    volume: `${signer}/${full('group')}/${full('volume', at)}`,
    generation: Number.MAX_SAFE_INTEGER,
    stored: number,
    waitingBytes: Number.MAX_SAFE_INTEGER,
    direct: false,
    volumeBytes: Number.MAX_SAFE_INTEGER - 511,
    lagMs: DATE_MAX,
    repaired: 'x'.repeat(200),
    lost: number,
    wants: 'generation',
  }));
  // What JSON escapes is escaped twice: once in the payload, and once more in the message that holds it.
  const words = '"'.repeat(200);
  const [node, name] = ['n'.repeat(26), 'a'.repeat(40)];
  const application = {
    ...{ name, node, priority: 999_999.123_456_78, state: 'offline' as const, attemptsMade: Number.MAX_SAFE_INTEGER },
    ...{ responseMs: DATE_MAX, reason: words, offlineUntilMs: DATE_MAX },
  };
  const groups = Array.from({ length: 500 }, (_, at): GroupWord => ({
    group: `${signer}/${full('group', at)}`,
    term: Number.MAX_SAFE_INTEGER,
    lease: 'unknown',
    nodes: Array.from({ length: 16 }, () => node),
    applications: [application, application],
    offlineUntilMs: DATE_MAX,
    stopMs: STOP_MS_MAX,
    killMs: STOP_MS_MAX,
    wants: { decision: 'd'.repeat(100), reason: words },
  }));
  const share = 0.123_456_789_012_345_67;
  const machine = {
    name,
    node,
    trouble: words,
    offlineUntilMs: DATE_MAX,
    loadPerCore: share,
    memoryPressure: share,
    ioPressure: share,
  };
  const machines = Array.from({ length: 500 }, () => machine);
  const sources = Array.from({ length: 500 }, () => '"'.repeat(200));
  const fullest: Heartbeat = {
    counter: Number.MAX_SAFE_INTEGER,
    volumes,
    groups,
    machines,
    sources,
    offlineUntilMs: DATE_MAX,
  };
  const key = { signer, name: 'k'.repeat(32), secret: new Uint8Array(32) };
  const text = JSON.stringify(sign(key, 'heartbeat', fullest));
  assert(text.length > LIMIT_BYTES / 2, `${text.length} bytes: the limit is too wide`);
  // With a kibibyte for what is remembered of each group: src/health/doors/heartbeat.ts.
  const storedBytes = Buffer.byteLength(JSON.stringify(fullest)) + groups.length * KIB;
  assert(storedBytes < DOCUMENT_BYTES_MAX, `${storedBytes} bytes are no document`);
  const message = parseSigned(await jsonBody(requestOf(text)), 'heartbeat');
  assert.deepEqual(readPayload(message, heartbeatSchema), fullest);

  const [volume] = volumes;
  const [group] = groups;
  assert(volume && group);
  for (const over of [
    { ...fullest, volumes: [...volumes, volume] },
    { ...fullest, groups: [...groups, group] },
    { ...fullest, sources: [...sources, 'x'] },
    { ...fullest, sources: ['x'.repeat(201)] },
    { ...fullest, volumes: [{ ...volume, repaired: 'x'.repeat(201) }] },
    { ...fullest, machines: [...machines, machine] },
    { ...fullest, groups: [{ ...group, nodes: Array.from({ length: 17 }, () => node) }] },
    { ...fullest, groups: [{ ...group, applications: [application, application, application] }, ...groups.slice(1)] },
    { ...fullest, groups: [{ ...group, killMs: STOP_MS_MAX + 1 }] },
    { ...fullest, groups: [{ ...group, wants: { decision: 'd', reason: 'x'.repeat(201) } }] },
    // Would take seven bytes each.
    { ...fullest, groups: [{ ...group, applications: [{ ...application, reason: '\u0001' }] }] },
    { ...fullest, volumes: [{ ...volume, repaired: '\u0001' }] },
  ]) {
    assert.equal(heartbeatSchema.safeParse(over).success, false);
  }
});
