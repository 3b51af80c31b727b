/** So many things at once: the bare SDK loops' own way of being quick. */
export async function inFlight<T>(count: number, items: Iterable<T>, work: (item: T) => Promise<void>): Promise<void> {
  const source = items[Symbol.iterator]();
  const worker = async (): Promise<void> => {
    for (let next = source.next(); next.done !== true; next = source.next()) await work(next.value);
  };
  await Promise.all(Array.from({ length: count }, worker));
}
