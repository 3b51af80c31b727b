/**
 * Looking at a site from outside: one request to an address of its own.
 *
 * Invariants: it never throws, and never takes longer than its time-out, so that a site that hangs holds up nobody else; it
 * says `up` only for an answer of something that works: what stands in front of a dead site answers too, with a fault.
 */
import type { Http } from '../ports/http.ts';

/** Source: RFC 9110, "Server Error 5xx". */
const FAULT_STATUS = 500;

/** How long the answer may take at most. */
const TIMEOUT_MS_MAX = 5000;

/** What is seen of `url` now, by one who looks every `everyMs`. */
export async function observe(
  http: Pick<Http, 'get'>,
  { url, everyMs }: { readonly url: string; readonly everyMs: number },
): Promise<'up' | 'down'> {
  try {
    const { status } = await http.get(url, { timeoutMs: Math.min(TIMEOUT_MS_MAX, everyMs) });
    return status < FAULT_STATUS ? 'up' : 'down';
  } catch {
    return 'down';
  }
}
