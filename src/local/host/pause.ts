/** Waits `ms` milliseconds, or until `signal` is aborted; never rejects. Longer waits than a timer takes are allowed. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  for (let leftMs = ms; leftMs > 0 && !signal.aborted; leftMs -= LONGEST_TIMER_MS) {
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, Math.min(leftMs, LONGEST_TIMER_MS));
      signal.addEventListener('abort', done);
    });
  }
}

/** Node's timers take 32-bit milliseconds. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
