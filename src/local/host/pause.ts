import { TIMER_MS_MAX } from '../../system/clock.ts';

/** Waits `ms` milliseconds, or until `signal` is aborted; never rejects. Longer waits than a timer takes are allowed. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  for (let leftMs = ms; leftMs > 0 && !signal.aborted; leftMs -= TIMER_MS_MAX) {
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, Math.min(leftMs, TIMER_MS_MAX));
      signal.addEventListener('abort', done);
    });
  }
}
