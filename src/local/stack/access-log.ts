/**
 * Azurite's access log, without its credentials. Azurite prints the whole URL of every request, and the signatures of
 * shared access URLs stand in there.
 *
 * Invariants: of a query nothing is kept but the few words that say which operation it is; of a path nothing from the first
 * character on that no name of Leeward's has, so that neither `sig=` nor an escaped form of it can pass; a line that is no
 * request loses its queries and keys too.
 */
import { z } from 'zod';

export const loggedRequestSchema = z.object({
  /** When it was answered. */
  at: z.iso.datetime(),
  /** Missing for operations on the whole account: Azurite's lines of both services are alike there. */
  service: z.enum(['blob', 'queue']).optional(),
  method: z.string(),
  /** Container and blob, or queue and what lies below it, without the account; ends with `…` where it was cut. */
  path: z.string(),
  comp: z.string().optional(),
  restype: z.string().optional(),
  /** HTTP status; 0 when the caller was gone before the answer. */
  status: z.int(),
});

/** One request that Azurite answered. */
export type LoggedRequest = z.infer<typeof loggedRequestSchema>;

/** Morgan's `common` format, which Azurite uses for both services. */
const LINE = /^\S+ - .*\[[^\]]*\] "([A-Z]+) (\S*) HTTP\/[\d.]+" (\d{3}|-) \S+$/;

/** Characters of the names that Leeward and the functions host give. No `%`, `=`, `?` or `&`: nothing can hide. */
const PLAIN_PATH = /^[\w./$-]*/;

/** An operation's word, such as `page` or `blocklist`; too short and too plain to be a key. */
const WORD = /^[a-z]{1,16}$/;

const QUEUE_PATH = /^[^/]+(?:\/messages(?:\/[^/]+)?)?$/;

/** Reads one line; undefined when it is no request. */
export function parseAccessLine(line: string, at: Date): LoggedRequest | undefined {
  const [, method, url, status] = LINE.exec(line) ?? [];
  if (method === undefined || url === undefined || status === undefined) return undefined;
  const [whole = '', query = ''] = url.split(/\?(.*)/s);
  const plain = PLAIN_PATH.exec(whole)?.[0] ?? '';
  const path = `${plain.replace(/^\/[^/]*\/?/, '')}${plain === whole ? '' : '…'}`;
  const words = new URLSearchParams(query);
  const word = (name: string): string | undefined => {
    const value = words.get(name);
    return value !== null && WORD.test(value) ? value : undefined;
  };
  const [comp, restype] = [word('comp'), word('restype')];
  const service = path === '' ? undefined : restype === undefined && QUEUE_PATH.test(path) ? 'queue' : 'blob';
  return {
    at: at.toISOString(),
    ...(service && { service }),
    method,
    path,
    ...(comp !== undefined && { comp }),
    ...(restype !== undefined && { restype }),
    status: status === '-' ? 0 : Number(status),
  };
}

/** `text` without the queries of URLs, signatures and account keys. */
export function withoutCredentials(text: string): string {
  return text
    .replaceAll(/\?[^\s"']*/g, '?…')
    .replaceAll(/(sig|AccountKey|SharedAccessSignature)(=|%3d)[^\s"';]*/gi, '$1 …');
}
