/** What an HTTP function answers: the outcome as JSON, or an error as docs/site-protocol.md, "Refusals", lists it. */
import type { HttpRequest, HttpResponseInit, InvocationContext } from '@azure/functions';
import { z } from 'zod';
import { LeewardError, describeError, isLeewardError } from '../src/kernel/errors.ts';
import { MIB } from '../src/kernel/units.ts';
import { REFUSAL_STATUS, refusalOf } from '../src/protocol/refusal.ts';

/** How long a caller shall wait before it asks again after a 503, in seconds. */
const RETRY_AFTER_S = '15';

/** Runs a use case and answers with what it returned, or with what it refused. Only faults of ours are logged as errors. */
export async function answering(context: InvocationContext, work: () => Promise<unknown>): Promise<HttpResponseInit> {
  try {
    return { status: 200, jsonBody: await work(), headers: { 'Cache-Control': 'no-store' } };
  } catch (error) {
    const code = error instanceof LeewardError ? error.code : 'PLATFORM_FAILED';
    const status = REFUSAL_STATUS[code] ?? 500;
    if (status === 500) context.error(describeError(error));
    else context.log(`${code}: ${describeError(error)}`);
    const message = error instanceof LeewardError ? error.message : 'a fault of the program: its log has more';
    return {
      status,
      jsonBody: refusalOf(code, message),
      ...(status === 503 && { headers: { 'Retry-After': RETRY_AFTER_S } }),
    };
  }
}

/**
 * Most bytes of a request's body. The fullest heartbeat, with as many and as long words as its schema allows, has less; not
 * more, since anybody may send: the signature is checked only after the body was parsed.
 */
const BODY_BYTES_MAX = 6 * MIB;

/** The request's body as JSON. Errors: MESSAGE_INVALID for anything else, and for a body that is too long, which is not read. */
export async function jsonBody(request: Pick<HttpRequest, 'headers' | 'body'>): Promise<unknown> {
  const bytes = await bodyOf(request, BODY_BYTES_MAX);
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    // Without its cause, which quotes what was sent.
    throw new LeewardError('MESSAGE_INVALID', bytes.byteLength === 0 ? 'the body is empty' : 'the body is not JSON');
  }
}

/** Most bytes of a form: those of an approver's page have some hundred. */
const FORM_BYTES_MAX = 4096;

/** The fields of a form that was sent; none of a body that is too long, which is not read. */
export async function formBody(request: Pick<HttpRequest, 'headers' | 'body'>): Promise<URLSearchParams> {
  try {
    return new URLSearchParams(new TextDecoder().decode(await bodyOf(request, FORM_BYTES_MAX)));
  } catch (error) {
    if (isLeewardError(error, 'MESSAGE_INVALID')) return new URLSearchParams();
    throw error;
  }
}

/** What the length announces is refused untouched; where none is announced, reading stops at the limit. */
async function bodyOf({ headers, body }: Pick<HttpRequest, 'headers' | 'body'>, bytesMax: number): Promise<Uint8Array> {
  const announcedBytes = Number(headers.get('content-length') ?? 0);
  if (announcedBytes > bytesMax) throw tooLong(`${announcedBytes} bytes`, bytesMax);
  const read: Uint8Array[] = [];
  let readBytes = 0;
  // Leaving the loop cancels the stream.
  for await (const chunk of body ?? []) {
    const bytes = chunkSchema.parse(chunk);
    readBytes += bytes.byteLength;
    if (readBytes > bytesMax) throw tooLong('more', bytesMax);
    read.push(bytes);
  }
  return Buffer.concat(read);
}

/** A request's stream gives nothing else. Source: WHATWG Fetch, "body". */
const chunkSchema = z.instanceof(Uint8Array);

function tooLong(has: string, bytesMax: number): LeewardError {
  return new LeewardError('MESSAGE_INVALID', `the body has ${has}, at most ${bytesMax} bytes fit`);
}
