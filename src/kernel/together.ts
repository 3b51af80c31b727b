/** Works that go on side by side and are all to end. */

/** Waits for all of them, and then throws what the first in their order that failed threw. */
export async function together(works: readonly Promise<void>[]): Promise<void> {
  const ends = await Promise.allSettled(works);
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}
