/**
 * JSON that comes from elsewhere, or that was stored.
 *
 * Invariant: what is stored is checked by its schema before it is written and after it is read, and is refused by its version
 * before anything else of it is looked at.
 */
import type { z } from 'zod';
import { LeewardError } from './errors.ts';
import { firstIssue } from './schema.ts';
import { checkVersion } from './versions.ts';

/** What the text says; undefined where it is not JSON, which no schema of ours takes. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What a document is called in errors, and its form. */
export interface StoredForm<T> {
  readonly what: string;
  readonly schema: z.ZodType<T>;
}

/**
 * A stored document that holds no key, for an error's cause may quote the text. `use` is what this program does with it,
 * where it says its version: rewriting it is reading it too. Errors: DOCUMENT_INVALID, naming the field; VERSION_TOO_NEW.
 */
export function parseStored<T>(
  text: string,
  { what, schema, use }: StoredForm<T> & { readonly use?: 'read' | 'rewrite' },
): T {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch (error) {
    throw new LeewardError('DOCUMENT_INVALID', `${what} is not JSON`, { cause: error });
  }
  if (use) checkVersion(data, what, 'read');
  if (use === 'rewrite') checkVersion(data, what, 'rewrite');
  return checkStored(data, { what, schema });
}

/** What was stored or is to be, if it has its form. Errors: DOCUMENT_INVALID, naming the field. */
export function checkStored<T>(data: unknown, { what, schema }: StoredForm<T>): T {
  const parsed = schema.safeParse(data);
  if (parsed.success) return parsed.data;
  throw new LeewardError('DOCUMENT_INVALID', `${what}: ${firstIssue(parsed.error)}`);
}
