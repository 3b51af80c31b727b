/** Whether an HTTP or HTTPS address answers as expected, over a connection of its own. */
import { LeewardError } from '../../kernel/errors.ts';
import { KIB } from '../../kernel/units.ts';
import type { Finding, HttpCheck } from '../../ports/probe.ts';
import { request } from '../request.ts';
import { bad, well } from './words.ts';

const BODY_BYTES_MAX = 64 * KIB;

export async function checkHttp(check: HttpCheck, timeoutMs: number, signal: AbortSignal): Promise<Finding> {
  const { url, expectStatus, expectText } = check;
  try {
    const { status, body } = await request({
      method: 'GET',
      url,
      // One that is kept alive would hide a server that takes no new ones.
      headers: { connection: 'close' },
      timeoutMs,
      bodyBytesMax: BODY_BYTES_MAX,
      signal,
      what: 'GET',
    });
    if (!expectStatus.includes(status)) return bad(`status ${status}, not ${expectStatus.join(' or ')}`);
    if (expectText !== undefined && !body.includes(expectText)) {
      return bad(`status ${status}, without the expected text in the first ${BODY_BYTES_MAX / KIB} KiB`);
    }
    return well(`status ${status}`);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof LeewardError) return bad(error.message);
    throw error;
  }
}
