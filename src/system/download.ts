/**
 * Fetches bytes over HTTP, of a size that fits into memory.
 *
 * Invariant: as for every request here, no error holds the address, which may carry a SAS, and no redirect is followed.
 */
import { LeewardError } from '../kernel/errors.ts';

export interface Download {
  readonly url: string;
  /** For the whole of request and answer. */
  readonly timeoutMs: number;
  readonly bytesMax: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** For people, in errors: "the file README.md". */
  readonly what: string;
}

/**
 * The body of an answer with status 200. Errors: NOT_FOUND for 404, DENIED for 401 and 403, PLATFORM_FAILED for any other
 * status and for a longer body, UNAVAILABLE when no whole answer came in time.
 */
export async function download({ url, timeoutMs, bytesMax, headers, what }: Download): Promise<Uint8Array> {
  let answer: Response;
  let parts: Uint8Array[];
  try {
    answer = await fetch(url, {
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
      ...(headers && { headers }),
    });
    parts = await bodyOf(answer, bytesMax);
  } catch (error) {
    const word = error instanceof Error && error.name === 'TimeoutError' ? 'time out' : 'connection failed';
    throw new LeewardError('UNAVAILABLE', `${what}: no whole answer (${word})`);
  }
  if (answer.status !== 200) {
    const code =
      answer.status === 404 ? 'NOT_FOUND' : [401, 403].includes(answer.status) ? 'DENIED' : 'PLATFORM_FAILED';
    throw new LeewardError(code, `${what}: answered with status ${answer.status}`);
  }
  const bytes = Buffer.concat(parts);
  if (bytes.length <= bytesMax) return bytes;
  throw new LeewardError('PLATFORM_FAILED', `${what}: longer than ${bytesMax} bytes`);
}

/** The body up to the part that goes beyond `bytesMax`. */
async function bodyOf(answer: Response, bytesMax: number): Promise<Uint8Array[]> {
  const parts: Uint8Array[] = [];
  if (answer.body === null) return parts;
  const body: ReadableStream<Uint8Array> = answer.body;
  let sizeBytes = 0;
  for await (const part of body) {
    parts.push(part);
    sizeBytes += part.length;
    if (sizeBytes > bytesMax) break;
  }
  return parts;
}
