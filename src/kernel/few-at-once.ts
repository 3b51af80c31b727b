/** Work on many things with few at a time: what a listing finds may be thousands. */

/**
 * `work` done on each item, at most `atOnce` at a time; results in the order of the items. An item is only asked for when
 * there is room for it. After the first error, of the work or of the items, nothing new begins; what runs is awaited, and
 * that error is thrown. Holds the results, and nothing else of items that are done.
 */
export async function fewAtOnce<T, R>(
  atOnce: number,
  items: Iterable<T> | AsyncIterable<T>,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const source = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
  const results: R[] = [];
  const failures: unknown[] = [];
  let taken = 0;
  const worker = async (): Promise<void> => {
    try {
      for (let next = await source.next(); next.done !== true && failures.length === 0; next = await source.next()) {
        const index = taken;
        taken += 1;
        results[index] = await work(next.value);
      }
    } catch (error) {
      failures.push(error);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  await source.return?.();
  if (failures.length > 0) throw failures[0];
  return results;
}
