/** Exit codes of `leeward`, fixed and documented in docs/cli.md: scripts rely on them. */
import { LeewardError } from '../kernel/errors.ts';
import type { ErrorCode } from '../kernel/errors.ts';

export const EXIT = {
  /** Done, and for `demo`: everything was proved. */
  ok: 0,
  /** It was tried and did not succeed, or what was looked at is broken. */
  failed: 1,
  /** The command or a setting is wrong; nothing was done. */
  usage: 2,
  /** What was asked for does not exist. */
  notFound: 3,
  /** The present state does not allow it. */
  refused: 4,
  /** A service cannot be reached: the same call may succeed later. */
  unavailable: 5,
} as const;

const BY_CODE: Partial<Record<ErrorCode, number>> = {
  USAGE: EXIT.usage,
  IDENTIFIER_INVALID: EXIT.usage,
  NOT_FOUND: EXIT.notFound,
  REFUSED: EXIT.refused,
  ALREADY_EXISTS: EXIT.refused,
  CONFLICT: EXIT.refused,
  UNAVAILABLE: EXIT.unavailable,
};

/** The exit code that an error ends the command with. */
export function exitCodeOf(error: unknown): number {
  return error instanceof LeewardError ? (BY_CODE[error.code] ?? EXIT.failed) : EXIT.failed;
}
