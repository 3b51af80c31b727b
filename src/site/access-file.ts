/**
 * What the access files of a site and of its guards have in common: each holds a key.
 *
 * Invariant: no error about one quotes it.
 */
import { z } from 'zod';
import { LeewardError } from '../kernel/errors.ts';
import { firstIssue } from '../kernel/schema.ts';
import { checkVersion } from '../kernel/versions.ts';

/** Bytes of a key. Source: `deriveKey`. */
const KEY_BYTES = 32;

/** A key's secret, in base64. */
export const keySecretSchema = z
  .base64()
  .refine((text) => Buffer.from(text, 'base64').length === KEY_BYTES, `must be ${KEY_BYTES} bytes in base64`);

/**
 * Reads the text of an access file, named `what`. Errors: DOCUMENT_INVALID naming the field, never its value; VERSION_TOO_NEW.
 */
export function parseAccess<T>(text: string, schema: z.ZodType<T>, what: string): T {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch {
    // Without its cause, which quotes the text.
    throw new LeewardError('DOCUMENT_INVALID', `${what} is not JSON`);
  }
  checkVersion(data, what, 'read');
  return checkAccess(data, schema, what);
}

/** The content of an access file, if that is what it is. Errors: DOCUMENT_INVALID naming the field, never its value. */
export function checkAccess<T>(data: unknown, schema: z.ZodType<T>, what: string): T {
  const parsed = schema.safeParse(data);
  if (parsed.success) return parsed.data;
  throw new LeewardError('DOCUMENT_INVALID', `${what}: ${firstIssue(parsed.error)}`);
}
