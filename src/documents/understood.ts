/** Documents under a prefix, read so that one which this program cannot understand keeps no other from being read. */
import { describeError, isLeewardError } from '../kernel/errors.ts';
import { fewAtOnce } from '../kernel/few-at-once.ts';
import { DOCUMENTS_AT_ONCE } from './store.ts';
import type { Documents } from './store.ts';

/** What was found, by the documents' names; undefined of one that this program cannot understand. */
export type Found<T> = ReadonlyMap<string, T | undefined>;

/**
 * What `read` makes of each document under `prefix`. One that is too new or invalid is told to people, as left out of
 * `whereof`. Errors: those of `read` but VERSION_TOO_NEW and DOCUMENT_INVALID; those of listing.
 */
export async function understood<T>(
  ports: { readonly documents: Documents; readonly tell: (line: string) => void },
  of: { readonly prefix: string; readonly whereof: string },
  read: (name: string) => Promise<T>,
): Promise<Found<T>> {
  const listed = ports.documents.list(of.prefix);
  const found = await fewAtOnce(DOCUMENTS_AT_ONCE, listed, async ({ name }): Promise<[string, T | undefined]> => {
    try {
      return [name, await read(name)];
    } catch (error) {
      if (!isLeewardError(error, 'VERSION_TOO_NEW', 'DOCUMENT_INVALID')) throw error;
      ports.tell(`${name} is left out of ${of.whereof}: ${describeError(error)}`);
      return [name, undefined];
    }
  });
  return new Map(found);
}
