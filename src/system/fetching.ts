/**
 * One request by Node's fetch, with what every caller here needs.
 *
 * Invariants: an error never holds an address, which may carry a SAS, nor any part of a request; it is not given the
 * platform's error as its cause for that reason, only its short code. No redirect is followed, so that a credential
 * reaches the host that it is for and no other. An answer's body is never held beyond `bodyBytesMax`.
 */
import { LeewardError } from '../kernel/errors.ts';

export interface PlainRequest {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** For the whole of request and answer. */
  readonly timeoutMs: number;
  readonly bodyBytesMax: number;
  /** For people, in errors: "the heartbeat". */
  readonly what: string;
}

export interface PlainAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

/** Any status is an answer. Errors: UNAVAILABLE when none came in time, USAGE when the address is none. */
export async function request(plain: PlainRequest): Promise<PlainAnswer> {
  const { method, headers, body, what } = plain;
  if (!URL.canParse(plain.url)) throw new LeewardError('USAGE', `${what}: its address is not a URL`);
  try {
    const answer = await fetch(plain.url, {
      method,
      redirect: 'manual',
      signal: AbortSignal.timeout(plain.timeoutMs),
      ...(headers === undefined ? {} : { headers }),
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : new Uint8Array(body) }),
    });
    return { status: answer.status, headers: answer.headers, body: await beginning(answer, plain.bodyBytesMax) };
  } catch (error) {
    throw new LeewardError('UNAVAILABLE', `${what}: no answer from ${new URL(plain.url).host} (${shortCode(error)})`);
  }
}

async function beginning(answer: Response, bytesMax: number): Promise<string> {
  if (answer.body === null) return '';
  const body: ReadableStream<Uint8Array> = answer.body;
  const decoder = new TextDecoder();
  let text = '';
  let left = bytesMax;
  for await (const chunk of body) {
    text += decoder.decode(chunk.subarray(0, left), { stream: true });
    left -= chunk.length;
    // Leaving the loop cancels the rest.
    if (left <= 0) break;
  }
  return text;
}

function shortCode(error: unknown): string {
  for (let at = error; at instanceof Error; at = at.cause) {
    if ('code' in at && typeof at.code === 'string') return at.code;
    if (at.name === 'TimeoutError') return 'time out';
  }
  return 'connection failed';
}
