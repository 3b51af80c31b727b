/** The counter of a signed message that may be sent only once. */
import { LeewardError } from '../../kernel/errors.ts';

/**
 * How far a counter may be ahead of the service's time, in milliseconds. A clock that is set to another zone's time
 * still gets in; a counter of another year would keep every right one out for that long. Counters that are no times are far
 * below.
 */
export const COUNTER_AHEAD_MS_MAX = 86_400_000;

/**
 * Refuses a counter that did not grow, which is a message that was recorded and sent again, and one that is too far ahead of
 * the time. Errors: REFUSED.
 */
export function checkCounter(
  what: string,
  counter: number,
  { lastCounter, serviceNowMs }: { readonly lastCounter: number | undefined; readonly serviceNowMs: number },
): void {
  if (lastCounter !== undefined && counter <= lastCounter) {
    throw new LeewardError('REFUSED', `${what}: counter ${counter} is not above ${lastCounter}`);
  }
  if (counter > serviceNowMs + COUNTER_AHEAD_MS_MAX) {
    throw new LeewardError(
      'REFUSED',
      `${what}: counter ${counter} is more than a day ahead of the time, ${serviceNowMs}: set the clock there`,
    );
  }
}
