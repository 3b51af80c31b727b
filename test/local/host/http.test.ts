/** Limits of HTTP, and how routes are read. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { IncomingMessage, request } from 'node:http';
import { describe, test } from 'node:test';
import { Hono } from 'hono';
import { z } from 'zod';
import type { HostedFunction } from '../../../src/local/host/bindings.ts';
import { createHttpDispatch } from '../../../src/local/host/http-functions.ts';
import { startHttpServer } from '../../../src/local/host/http-server.ts';
import type { Invoke } from '../../../src/local/host/invocation.ts';
import { createLog } from '../../../src/local/host/log.ts';
import { parseRoute } from '../../../src/local/host/routes.ts';

const log = createLog(() => undefined);

/** A host with one function, `/api/one`. */
const ONE: HostedFunction = {
  name: 'one',
  inputName: 'request',
  trigger: { kind: 'http', route: 'one', methods: ['GET', 'POST'], authLevel: 'anonymous' },
  outputs: [],
  metadata: { name: 'one', bindings: {} },
  callback: () => undefined,
};
const HOSTED = { functions: [ONE], routePrefix: 'api', keys: { master: 'm', functions: 'f' } };

describe('the HTTP server', () => {
  test('a body above the limit is 413, announced or not', async () => {
    const parts = { port: 0, admin: new Hono(), log, requestLimitBytes: 1000 };
    const seen: number[] = [];
    const server = await startHttpServer({
      ...parts,
      async dispatch(context) {
        seen.push((await context.req.arrayBuffer()).byteLength);
        return new Response(null, { status: 200 });
      },
    });
    try {
      const url = `http://127.0.0.1:${server.port}/`;
      const streamed = (size: number): RequestInit => ({
        method: 'POST',
        body: new Blob([new Uint8Array(size)]).stream(),
        duplex: 'half',
      });
      assert.equal((await fetch(url, { method: 'POST', body: new Uint8Array(1000) })).status, 200);
      assert.equal((await fetch(url, { method: 'POST', body: new Uint8Array(1001) })).status, 413);
      assert.equal((await fetch(url, streamed(1001))).status, 413);
      assert.deepEqual(seen, [1000]);
    } finally {
      await server.stop();
    }
  });

  test('a port that is taken is said so', async () => {
    const parts = { admin: new Hono(), log, dispatch: () => Promise.resolve(new Response(null)) };
    const server = await startHttpServer({ ...parts, port: 0 });
    try {
      await assert.rejects(startHttpServer({ ...parts, port: server.port }), {
        code: 'USAGE',
        message: `cannot listen on 127.0.0.1:${server.port}`,
      });
    } finally {
      await server.stop();
    }
  });

  test('stop waits for the request under way', async () => {
    let finish: (response: Response) => void = () => undefined;
    let begun: () => void = () => undefined;
    const underWay = new Promise<void>((resolve) => (begun = resolve));
    const dispatch = (): Promise<Response> => {
      begun();
      return new Promise((resolve) => (finish = resolve));
    };
    const server = await startHttpServer({ port: 0, admin: new Hono(), log, dispatch });
    const answer = fetch(`http://127.0.0.1:${server.port}/`);
    await underWay;
    const stopped = server.stop();
    finish(new Response('in time'));
    assert.equal(await (await answer).text(), 'in time');
    await stopped;
  });

  test('a function that takes too long is answered 504', async () => {
    const invoke = () => new Promise<never>(() => undefined);
    const dispatch = createHttpDispatch({ ...HOSTED, invoke, responseLimitMs: 50 });
    const server = await startHttpServer({ port: 0, admin: new Hono(), log, dispatch });
    try {
      assert.equal((await fetch(`http://127.0.0.1:${server.port}/api/one`)).status, 504);
    } finally {
      await server.stop();
    }
  });

  test('a caller that is still sending a body which the function leaves unread gets the answer, on a connection that stays', async () => {
    let begun: () => void = () => undefined;
    const underWay = new Promise<void>((resolve) => (begun = resolve));
    const invoke: Invoke = async () => {
      begun();
      return { succeeded: true, response: { returnValue: { http: { statusCode: '400' } } } };
    };
    const dispatch = createHttpDispatch({ ...HOSTED, invoke });
    const server = await startHttpServer({ port: 0, admin: new Hono(), log, dispatch });
    try {
      const headers = { connection: 'keep-alive', 'content-length': 2 };
      const sent = request({ port: server.port, path: '/api/one', method: 'POST', headers });
      const answered = once(sent, 'response');
      sent.write('a');
      await underWay;
      sent.end('b');
      const [answer] = z.tuple([z.instanceof(IncomingMessage)]).parse(await answered);
      assert.deepEqual([answer.statusCode, answer.headers.connection], [400, 'keep-alive']);
      answer.resume();
      sent.destroy();
    } finally {
      await server.stop();
    }
  });
});

describe('routes', () => {
  const cases: [template: string, path: string, params: Record<string, string> | undefined][] = [
    ['status', '/api/status', {}],
    ['status', '/API/Status/', {}],
    ['status', '/api/status/x', undefined],
    ['{a}/{b}', '/api/1/2', { a: '1', b: '2' }],
    ['{a}/{b}', '/api/1', undefined],
    ['{a}/{b?}', '/api/1', { a: '1' }],
    ['{a}', '/api/a%2Fb', { a: 'a/b' }],
    ['files/{*rest}', '/api/files', {}],
    ['files/{*rest}', '/api/files/x/y.z', { rest: 'x/y.z' }],
    ['v{major}.json', '/api/v12.json', { major: '12' }],
    ['a.b', '/api/axb', undefined],
  ];
  for (const [template, path, params] of cases) {
    test(`${template} and ${path}`, () => {
      assert.deepEqual(parseRoute('api', template, 'f').match(path), params);
    });
  }

  test('no prefix', () => {
    assert.deepEqual(parseRoute('', 'x/{y}', 'f').match('/x/1'), { y: '1' });
  });

  for (const template of ['{id:int}', '{a}/{a}', '{*rest}/more', 'half{open']) {
    test(`${template} is refused`, () => {
      assert.throws(() => parseRoute('api', template, 'f'), { code: 'USAGE' });
    });
  }
});
