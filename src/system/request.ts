/**
 * One plain HTTP request, with what every caller here needs. By Node's http client, which writes a body from where it lies:
 * fetch copies it twice first, which costs more than all the rest of sending pages and journal entries.
 *
 * Invariants: an error never holds an address, which may carry a SAS, nor any part of a request; it is not given the
 * platform's error as its cause for that reason, only its short code. No redirect is followed, so that a credential
 * reaches the host that it is for and no other. An answer's body is never held beyond `bodyBytesMax`.
 */
import { request as requestPlain } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { request as requestSecure } from 'node:https';
import { LeewardError } from '../kernel/errors.ts';
import { lookupUntil } from './lookup.ts';
import { socketAddress } from './unix-path.ts';
import type { SocketAddress } from './unix-path.ts';

export interface PlainRequest {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly url: string;
  /** A Unix socket to go by, whatever host the address names. */
  readonly socketPath?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  /** Bytes must stay as they are until the answer is there. */
  readonly body?: string | Uint8Array;
  /** For the whole of request and answer. */
  readonly timeoutMs: number;
  readonly bodyBytesMax: number;
  /** Gives the request up earlier. */
  readonly signal?: AbortSignal;
  /** For people, in errors: "the heartbeat". */
  readonly what: string;
}

export interface PlainAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

/** Any status is an answer. Errors: UNAVAILABLE when none came in time or it was given up, USAGE when the address is none. */
export async function request(plain: PlainRequest): Promise<PlainAnswer> {
  const { what, bodyBytesMax } = plain;
  if (!URL.canParse(plain.url)) throw new LeewardError('USAGE', `${what}: its address is not a URL`);
  const url = new URL(plain.url);
  const timeout = AbortSignal.timeout(plain.timeoutMs);
  const giveUp = plain.signal ? AbortSignal.any([timeout, plain.signal]) : timeout;
  let socket: SocketAddress | undefined;
  try {
    if (plain.socketPath !== undefined) socket = await socketAddress(plain.socketPath);
    const answer = await answerTo(url, { ...plain, socketPath: socket?.path }, giveUp);
    const body = await beginning(answer, bodyBytesMax);
    return { status: answer.statusCode ?? 0, headers: headersOf(answer), body };
  } catch (error) {
    throw new LeewardError(
      'UNAVAILABLE',
      `${what}: no answer from ${url.host} (${timeout.aborted ? 'time out' : shortCode(error)})`,
    );
  } finally {
    await socket?.close();
  }
}

async function answerTo(
  url: URL,
  { method, headers, body, socketPath }: PlainRequest,
  giveUp: AbortSignal,
): Promise<IncomingMessage> {
  return await new Promise((resolve, reject) => {
    const sent = (url.protocol === 'https:' ? requestSecure : requestPlain)(url, {
      method,
      headers: { ...headers, ...(body !== undefined && { 'content-length': Buffer.byteLength(body) }) },
      ...(socketPath !== undefined && { socketPath }),
      lookup: lookupUntil(giveUp),
      // For the answer's body too.
      signal: giveUp,
    });
    sent.on('response', resolve);
    // Once there is an answer, what happens to the request means nothing any more.
    sent.on('error', reject);
    sent.end(body);
  });
}

async function beginning(answer: IncomingMessage, bytesMax: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let left = bytesMax;
  const body: AsyncIterable<Uint8Array> = answer;
  for await (const chunk of body) {
    chunks.push(chunk.subarray(0, left));
    left -= chunk.length;
    // Leaving the loop ends the connection.
    if (left <= 0) break;
  }
  return new TextDecoder().decode(Buffer.concat(chunks));
}

function headersOf(answer: IncomingMessage): Headers {
  const headers = new Headers();
  for (const [name, values] of Object.entries(answer.headersDistinct)) {
    for (const value of values ?? []) headers.append(name, value);
  }
  return headers;
}

function shortCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'connection failed';
}
