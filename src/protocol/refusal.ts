/**
 * What the functions answer in place of what they were asked for (docs/site-protocol.md, "Refusals").
 *
 * Invariant: what {@link refusalOf} writes, {@link refusalIn} reads, whatever its words are; what comes from anything else
 * between the functions and who asked them is no refusal of theirs.
 */
import { z } from 'zod';
import { isErrorCode } from '../kernel/errors.ts';
import type { ErrorCode } from '../kernel/errors.ts';
import { cut } from '../kernel/in-words.ts';

/** The status that a code is answered with. Any other code is a fault of the cloud's own, and answered with 500. */
export const REFUSAL_STATUS: Readonly<Partial<Record<ErrorCode, number>>> = {
  MESSAGE_INVALID: 400,
  IDENTIFIER_INVALID: 400,
  SIGNATURE_INVALID: 401,
  NOT_FOUND: 404,
  REFUSED: 409,
  CONFLICT: 409,
  VERSION_TOO_NEW: 503,
  UNAVAILABLE: 503,
};

const MESSAGE_LENGTH_MAX = 2000;

export const refusalSchema = z
  .looseObject({
    error: z.looseObject({ code: z.string(), message: z.string().max(MESSAGE_LENGTH_MAX) }),
  })
  .meta({ id: 'Refusal', description: 'Why a request was refused: a stable code, and one line for people.' });

export function refusalOf(code: ErrorCode, message: string): z.infer<typeof refusalSchema> {
  return { error: { code, message: cut(message, MESSAGE_LENGTH_MAX) } };
}

/** The refusal that an answer's body, parsed, holds; undefined where it holds none, or a fault of the cloud's own. */
export function refusalIn(body: unknown): { readonly code: ErrorCode; readonly message: string } | undefined {
  const parsed = refusalSchema.safeParse(body);
  if (!parsed.success) return undefined;
  const { code, message } = parsed.data.error;
  return isErrorCode(code) && REFUSAL_STATUS[code] !== undefined ? { code, message } : undefined;
}
