/** Works that go on side by side and are all to end. */

/** Waits for all of them, and then throws what the first in their order that failed threw. */
export async function together(works: readonly Promise<void>[]): Promise<void> {
  const ends = await Promise.allSettled(works);
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}

/**
 * Begins them all, each to end by the signal that it is given: that is aborted with `signal`, and as soon as one of them throws,
 * since the others mean nothing without it. Once all have ended, throws what was thrown first.
 */
export async function sideBySide(
  signal: AbortSignal,
  works: readonly ((signal: AbortSignal) => Promise<void>)[],
): Promise<void> {
  const failing = new AbortController();
  const ending = AbortSignal.any([signal, failing.signal]);
  const failures: unknown[] = [];
  await Promise.all(
    works.map(async (work) => {
      try {
        await work(ending);
      } catch (error) {
        failures.push(error);
        failing.abort(error);
      }
    }),
  );
  if (failures.length > 0) throw failures[0];
}
