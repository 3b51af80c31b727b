/**
 * Looking at a site from where the monitor runs: one request to an address of its own.
 *
 * Invariant: it never throws, and never takes longer than its time-out, so that a site that hangs holds up nobody else.
 */
import type { Http } from '../ports/http.ts';
import { LOOK_TIMEOUT_MS, verdictOfStatus } from '../protocol/witness.ts';

/** What is seen of `url` now, by one who looks every `everyMs`. */
export async function observe(
  http: Pick<Http, 'get'>,
  { url, everyMs }: { readonly url: string; readonly everyMs: number },
): Promise<'up' | 'down'> {
  try {
    return verdictOfStatus((await http.get(url, { timeoutMs: Math.min(LOOK_TIMEOUT_MS, everyMs) })).status);
  } catch {
    return 'down';
  }
}
