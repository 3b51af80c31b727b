/** What the answer to a query makes of a check: the same for all databases. */
import type { Finding } from '../../ports/probe.ts';
import { bad, quoted, well } from './words.ts';

/** `value` is the first column of the first row as text, null for SQL's NULL; undefined for no row. */
export function judgeValue(value: string | null | undefined, expectValue: string | undefined): Finding {
  if (value === undefined) return bad('the query gave no row');
  if (expectValue === undefined) return well('the query gave a row');
  const said = value === null ? 'NULL' : quoted(value);
  return value === expectValue
    ? well(`the query gave ${said}`)
    : bad(`the query gave ${said}, not ${quoted(expectValue)}`);
}
