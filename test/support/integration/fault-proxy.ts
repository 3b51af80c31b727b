/**
 * A network that fails, between whoever uses storage and Azurite: a plain HTTP proxy that spoils chosen requests, by a seed
 * and rates, or on demand. Signatures stay valid, since they cover the path, which names the account, and not the host.
 *
 * Invariants: a request reaches the target at most once, unchanged, or not at all; a late one reaches it after its sender
 * was told that the connection is lost, and possibly after the sender's retry; a torn answer never looks whole; what is
 * written down holds no query, so no credential. While rates are zero and nothing is asked for, everything passes.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, createServer, request as forward } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, Server, ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Chance } from './chance.ts';

export const FAULTS = [
  /** 503 ServerBusy; the target never heard of the request. */
  'busy',
  /** The connection is reset before the target heard of it. */
  'reset before',
  /** It is reset after the request took effect; nothing of the answer came. */
  'reset after',
  /** The answer's head and half of its body come, then the connection ends. */
  'torn',
  /** The connection is reset, and the request reaches the target only later. */
  'late',
] as const;

export type Fault = (typeof FAULTS)[number];

/** Of a thousand requests, how many are spoiled in each way. */
export type FaultRates = Readonly<Partial<Record<Fault, number>>>;

/** What a choice of requests may look at. */
export interface ProxiedRequest {
  readonly method: string;
  /** Without its query. */
  readonly path: string;
  /** Storage's word for the operation, such as `page`. */
  readonly comp: string | undefined;
  readonly headers: IncomingHttpHeaders;
}

export type Choice = (request: ProxiedRequest) => boolean;

/** A request with its answer's head, for who watches. */
export interface Exchange {
  readonly request: ProxiedRequest;
  readonly body: Buffer;
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
}

/** A request that is on its way for as long as the test likes. */
export interface HeldRequest {
  /** Resolves once it came and its sender was told that the connection is lost. */
  readonly caught: Promise<void>;
  /** Lets it arrive at last. Resolves with the target's status. */
  release(): Promise<number>;
}

export interface FaultProxyOptions {
  /** Where requests go, as in `http://127.0.0.1:10000`; a path is ignored. */
  readonly target: string;
  readonly chance: Chance;
  /** How late a late request is. */
  readonly lateMs?: { readonly least: number; readonly most: number };
}

interface Demand {
  readonly fits: Choice;
  readonly fault: Fault | Hold;
}

type Hold = (request: () => Promise<number>) => void;

/** Headers of one connection, which are not passed on. Source: RFC 9110, 7.6.1. */
const OWN_HEADERS = ['connection', 'keep-alive'];

/** Longer than any client keeps an idle connection, so that none is closed under a request. */
const KEEP_ALIVE_MS = 60_000;

export class FaultProxy {
  /** A line for each request that was spoiled, in order: what was done to it, and what became of it. */
  readonly log: string[] = [];
  readonly #target: URL;
  readonly #chance: Chance;
  readonly #lateMs: { readonly least: number; readonly most: number };
  readonly #server: Server;
  readonly #demands: Demand[] = [];
  readonly #watchers: { readonly fits: Choice; readonly see: (exchange: Exchange) => void }[] = [];
  readonly #counts = new Map<Fault, number>();
  readonly #late = new Set<Promise<unknown>>();
  readonly #begunMs = performance.now();
  #rates: FaultRates = {};
  #isOpen = true;

  private constructor(options: FaultProxyOptions) {
    this.#target = new URL(options.target);
    this.#chance = options.chance;
    this.#lateMs = options.lateMs ?? { least: 300, most: 1500 };
    this.#server = createServer((request, response) => {
      const { socket } = request;
      this.#serve(request, response).catch((error: unknown) => {
        // The sender went away, or the target did: either sees a lost connection, which is what a network does.
        if (this.#isOpen) this.#note(describe(request), `lost: ${error instanceof Error ? error.message : 'unknown'}`);
        socket.destroy();
      });
    });
    this.#server.keepAliveTimeout = KEEP_ALIVE_MS;
  }

  static async open(options: FaultProxyOptions): Promise<FaultProxy> {
    const proxy = new FaultProxy(options);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  /** `http://127.0.0.1:PORT`; what comes behind it is the target's. */
  get url(): string {
    const address = this.#server.address();
    assert.ok(typeof address === 'object' && address, 'the proxy listens');
    return `http://127.0.0.1:${address.port}`;
  }

  /** From now on; all that are not named are zero. */
  setRates(rates: FaultRates): void {
    this.#rates = rates;
  }

  /** Spoils the next request that fits, and no other. */
  spoilNext(fits: Choice, fault: Fault): void {
    this.#demands.push({ fits, fault });
  }

  /** Holds the next request that fits, as a network might, until it is released. */
  holdNext(fits: Choice): HeldRequest {
    let arrive: (() => Promise<number>) | undefined;
    const caught = new Promise<void>((resolve) => {
      const fault = (request: () => Promise<number>): void => {
        arrive = request;
        resolve();
      };
      this.#demands.push({ fits, fault });
    });
    return {
      caught,
      release: async () => {
        assert.ok(arrive, 'it was caught');
        return await arrive();
      },
    };
  }

  /** Shows every request that fits, with its answer, once the target gave it; the order is the proxy's own. */
  watch(fits: Choice, see: (exchange: Exchange) => void): void {
    this.#watchers.push({ fits, see });
  }

  /** How many requests were spoiled so. */
  count(fault: Fault): number {
    return this.#counts.get(fault) ?? 0;
  }

  /** Resolves when every late request has arrived; held ones are their holder's. */
  async settled(): Promise<void> {
    while (this.#late.size > 0) await Promise.all(this.#late);
  }

  /** Ends every connection. What is late is waited for. */
  async close(): Promise<void> {
    await this.settled();
    this.#isOpen = false;
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const seen = describe(request);
    const fault = this.#faultFor(seen);
    if (fault === 'reset before') {
      this.#count(fault);
      this.#note(seen, fault);
      request.socket.resetAndDestroy();
      return;
    }
    const body = await buffer(request);
    if (fault === undefined) {
      const answer = await this.#forward(seen, request, body);
      response.writeHead(answer.statusCode ?? 502, passedOn(answer));
      await pipeline(answer, response);
      return;
    }
    if (typeof fault === 'function') {
      request.socket.resetAndDestroy();
      this.#note(seen, 'held');
      fault(async () => this.#arrive(seen, request, { body, how: 'released' }));
      return;
    }
    this.#count(fault);
    switch (fault) {
      case 'busy':
        this.#note(seen, fault);
        response.writeHead(503, { 'content-type': 'application/xml', 'x-ms-error-code': 'ServerBusy' });
        response.end('<?xml version="1.0" encoding="utf-8"?><Error><Code>ServerBusy</Code></Error>');
        return;
      case 'reset after': {
        const answer = await this.#forward(seen, request, body);
        await buffer(answer);
        this.#note(seen, `${fault} ${answer.statusCode ?? 0}`);
        request.socket.resetAndDestroy();
        return;
      }
      case 'torn': {
        const answer = await this.#forward(seen, request, body);
        const whole = await buffer(answer);
        this.#note(seen, `${fault} ${answer.statusCode ?? 0}`);
        await tear(request, response, { answer, body: whole });
        return;
      }
      case 'late': {
        request.socket.resetAndDestroy();
        const lateMs = this.#chance.between(this.#lateMs.least, this.#lateMs.most);
        const arrival: Promise<unknown> = sleep(lateMs)
          .then(async () => this.#arrive(seen, request, { body, how: `late by ${lateMs} ms` }))
          .catch((error: unknown) => {
            this.#note(seen, `late and lost: ${error instanceof Error ? error.message : 'unknown'}`);
          })
          .finally(() => this.#late.delete(arrival));
        this.#late.add(arrival);
      }
    }
  }

  #count(fault: Fault): void {
    this.#counts.set(fault, this.count(fault) + 1);
  }

  /** Demands come first, in the order in which they were made. */
  #faultFor(seen: ProxiedRequest): Fault | Hold | undefined {
    const at = this.#demands.findIndex(({ fits }) => fits(seen));
    if (at >= 0) return this.#demands.splice(at, 1)[0]?.fault;
    let drawn = this.#chance.between(1, 1000);
    return FAULTS.find((fault) => (drawn -= this.#rates[fault] ?? 0) <= 0);
  }

  /**
   * Sends the request on; resolves with the head of the answer. The body is there as a whole: an answer that comes before
   * the target has read all of it, such as a refusal, must not leave the sender waiting behind a full pipe.
   */
  async #forward(seen: ProxiedRequest, from: IncomingMessage, body: Buffer): Promise<IncomingMessage> {
    const { hostname, port } = this.#target;
    const headers = passedOn(from);
    // A connection for each: one that was kept may be closed by the target just now, a fault that nobody asked for. It is not
    // announced as the last request either: the target would then close it with an early answer, under what is still sent.
    const agent = new Agent({ keepAlive: true });
    const sent = forward({ agent, hostname, port, method: from.method, path: from.url, headers });
    sent.once('close', () => {
      agent.destroy();
    });
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      sent.once('response', resolve);
      sent.once('error', reject);
    });
    sent.end(body);
    const answer = await answered;
    const { statusCode: status = 0 } = answer;
    for (const { fits, see } of this.#watchers) {
      if (fits(seen)) see({ request: seen, body, status, headers: answer.headers });
    }
    return answer;
  }

  async #arrive(seen: ProxiedRequest, from: IncomingMessage, of: { body: Buffer; how: string }): Promise<number> {
    const answer = await this.#forward(seen, from, of.body);
    await buffer(answer);
    const status = answer.statusCode ?? 0;
    this.#note(seen, `${of.how}: ${status} ${String(answer.headers['x-ms-error-code'] ?? '')}`.trimEnd());
    return status;
  }

  #note({ method, path, comp }: ProxiedRequest, what: string): void {
    const atMs = Math.round(performance.now() - this.#begunMs);
    this.log.push(`${atMs} ms ${method} ${path}${comp === undefined ? '' : ` ${comp}`}: ${what}`);
  }
}

function describe({ method = '', url = '', headers }: IncomingMessage): ProxiedRequest {
  const [path = '', query = ''] = url.split(/\?(.*)/s);
  return { method, path, comp: new URLSearchParams(query).get('comp') ?? undefined, headers };
}

function passedOn({ rawHeaders }: IncomingMessage): string[] {
  const passed: string[] = [];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const [name = '', value = ''] = rawHeaders.slice(at, at + 2);
    if (!OWN_HEADERS.includes(name.toLowerCase())) passed.push(name, value);
  }
  return passed;
}

/** Half of the body under the whole one's length; of an answer without a body, half of its first line. */
async function tear(
  { socket, method }: IncomingMessage,
  response: ServerResponse,
  { answer, body }: { answer: IncomingMessage; body: Buffer },
): Promise<void> {
  const sent = new Promise<void>((resolve) => {
    if (body.length === 0 || method === 'HEAD') {
      socket.write(`HTTP/1.1 ${answer.statusCode ?? 0} `, () => {
        resolve();
      });
      return;
    }
    const headers = passedOn(answer).filter((_, at, all) => !/^transfer-encoding$/i.test(all[at - (at % 2)] ?? ''));
    if (answer.headers['content-length'] === undefined) headers.push('Content-Length', String(body.length));
    response.writeHead(answer.statusCode ?? 0, headers);
    response.write(body.subarray(0, body.length / 2), () => {
      resolve();
    });
  });
  await sent;
  // Not a reset: what was sent shall arrive.
  socket.destroy();
}
