/**
 * One request that carries many bytes: pages of a volume, or a journal entry.
 *
 * By Node's http client, which writes the bytes from where they lie: fetch copies them twice first, which costs more than
 * all the rest of sending them. The promises are those of fetching.ts: no error holds an address or what caused it, but for a
 * short code; no redirect is followed; an answer's body is never held beyond `bodyBytesMax`.
 */
import { request as requestPlain } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { request as requestSecure } from 'node:https';
import { LeewardError } from '../kernel/errors.ts';
import type { PlainAnswer, PlainRequest } from './fetching.ts';

/** A request that puts `body`, which must stay as it is until the answer is there. */
export interface BytesToSend extends Omit<PlainRequest, 'method' | 'body'> {
  readonly body: Uint8Array;
}

/** Any status is an answer. Errors: UNAVAILABLE when none came in time, USAGE when the address is none. */
export async function sendBytes(put: BytesToSend): Promise<PlainAnswer> {
  const { what, bodyBytesMax } = put;
  if (!URL.canParse(put.url)) throw new LeewardError('USAGE', `${what}: its address is not a URL`);
  const url = new URL(put.url);
  const timeout = AbortSignal.timeout(put.timeoutMs);
  try {
    const answer = await answerTo(url, put, timeout);
    const body = await beginning(answer, bodyBytesMax);
    return { status: answer.statusCode ?? 0, headers: headersOf(answer), body };
  } catch (error) {
    throw new LeewardError(
      'UNAVAILABLE',
      `${what}: no answer from ${url.host} (${timeout.aborted ? 'time out' : shortCode(error)})`,
    );
  }
}

async function answerTo(url: URL, { body, headers }: BytesToSend, timeout: AbortSignal): Promise<IncomingMessage> {
  return await new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? requestSecure : requestPlain)(url, {
      method: 'PUT',
      headers: { ...headers, 'content-length': body.length },
      // For the answer's body too.
      signal: timeout,
    });
    request.on('response', resolve);
    // Once there is an answer, what happens to the request means nothing any more.
    request.on('error', reject);
    request.end(body);
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
