/** How a command that goes on until it is stopped learns that it is: SIGTERM, as a service manager asks, or Ctrl-C. */
import { LeewardError } from '../kernel/errors.ts';

/** An end that the first of either signal brings, or `stop`; a second one of the same kind ends the process at once. */
export function stopOnSignals(): { readonly signal: AbortSignal; readonly stop: () => void } {
  const ending = new AbortController();
  const stop = (): void => {
    ending.abort(new LeewardError('UNAVAILABLE', 'stopped'));
  };
  process.once('SIGTERM', stop).once('SIGINT', stop);
  return { signal: ending.signal, stop };
}
