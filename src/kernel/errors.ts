/**
 * The one error class of Leeward's own code.
 *
 * Invariants: every error carries a literal code; whether a retry helps follows from the code alone, in one table;
 * the message is one line that says what, where and what to do, and never holds a credential.
 */

/** What each code means for the caller: does the same call, made again later, stand a chance? */
const RETRY_HELPS = {
  /** An identifier does not have the form that docs/names.md gives. */
  IDENTIFIER_INVALID: false,
  /** A delta is malformed, cut short, damaged or out of bounds. */
  DELTA_INVALID: false,
  /** A delta is larger than the limits allow by which it is read: docs/settings.md. */
  LIMIT_EXCEEDED: false,
  /** A delta contradicts the chain that the cloud already has: two writers. */
  DELTA_FORKED: false,
  /** A VHD footer is malformed. */
  VHD_INVALID: false,
  /** A message, heartbeat or request does not have the form of docs/site-protocol.md. */
  MESSAGE_INVALID: false,
  /** A signature is missing, wrong, or made with a key that is not the site's. */
  SIGNATURE_INVALID: false,
  /** A stored document does not have its schema's form. */
  DOCUMENT_INVALID: false,
  /** Written by a newer Leeward than this program may read or rewrite; a newer program can. */
  VERSION_TOO_NEW: true,
  /** What was asked for does not exist. */
  NOT_FOUND: false,
  /** Something of that name exists already. */
  ALREADY_EXISTS: false,
  /** Somebody else changed it in the meantime: read again, then decide again. */
  CONFLICT: true,
  /** A newer fence was raised: this worker lost its turn and must stop. */
  FENCED: false,
  /** The present state does not allow it: term, phase, mode. */
  REFUSED: false,
  /** A source of changes shrank, vanished or gave fewer bytes than it announced. */
  SOURCE_CHANGED: true,
  /** A service is unreachable, overloaded, or answered with a fault of its own. */
  UNAVAILABLE: true,
  /** The service knows the caller and says no. */
  DENIED: false,
  /** The platform has no room: capacity or quota. */
  NO_CAPACITY: true,
  /** The platform refused or failed an operation for another reason. */
  PLATFORM_FAILED: false,
  /** A command, setting or file of the user's is wrong. */
  USAGE: false,
} as const;

export type ErrorCode = keyof typeof RETRY_HELPS;

/** For a code that another process of ours has told. */
export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(RETRY_HELPS, text);
}

/** An error that Leeward raises itself. `code` is stable and documented; `message` is for people. */
export class LeewardError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'LeewardError';
    this.code = code;
  }

  /** Whether the same call, made again later, may succeed. */
  get retryHelps(): boolean {
    return RETRY_HELPS[this.code];
  }
}

/** True for a {@link LeewardError}, of one of `codes` where any are given. */
export function isLeewardError(error: unknown, ...codes: ErrorCode[]): error is LeewardError {
  return error instanceof LeewardError && (codes.length === 0 || codes.includes(error.code));
}

/** The same error, its message after `what` it was about: whoever refuses a thing need not know what others call it. */
export function errorAbout(what: string, error: LeewardError): LeewardError {
  return new LeewardError(error.code, `${what}: ${error.message}`, { cause: error.cause });
}

/**
 * The whole cause chain of `error` on one line, outermost first, for logs and for stderr. A cause that says only what was
 * said already is left out.
 */
export function describeError(error: unknown): string {
  const parts: string[] = [];
  for (let at: unknown = error; at !== undefined && at !== null && parts.length < 8;) {
    if (!(at instanceof Error)) {
      parts.push(typeof at === 'string' ? at : JSON.stringify(at));
      break;
    }
    if (parts.at(-1) !== at.message) parts.push(at.message);
    at = at.cause;
  }
  return parts.join(': ').replaceAll(/\s*\n\s*/g, ' ');
}
