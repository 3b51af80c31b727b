/** Work on many things with few at a time: what a listing finds may be thousands. */

/** How many documents are read at once for one request: the requests of one function call stay few. */
const BATCH = 16;

/** `work` done on each item, at most {@link BATCH} at once; results in the order of the items. The first error ends it. */
export async function inBatches<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  let batch: T[] = [];
  const flush = async (): Promise<void> => {
    results.push(...(await Promise.all(batch.map(work))));
    batch = [];
  };
  for await (const item of items) {
    batch.push(item);
    if (batch.length === BATCH) await flush();
  }
  await flush();
  return results;
}
