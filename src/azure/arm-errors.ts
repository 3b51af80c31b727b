/**
 * What Azure Resource Manager's refusals mean here: the one place that knows its codes.
 *
 * Invariants: a lack of room is NO_CAPACITY in whichever of its wordings; what another try may cure is never
 * PLATFORM_FAILED; the platform's own code is kept in the message; no query of an address is, for it may be a credential.
 */
import { isRestError } from '@azure/core-rest-pipeline';
import { LeewardError, isLeewardError } from '../kernel/errors.ts';
import type { ErrorCode } from '../kernel/errors.ts';

/**
 * Codes that mean no room. Sources: "Troubleshoot allocation failures in Azure", "Resolve errors for SKU not available",
 * "Resolve errors for resource quotas".
 */
const CAPACITY_CODES = new Set([
  'AllocationFailed',
  'ZonalAllocationFailed',
  'OverconstrainedAllocationRequest',
  'OverconstrainedZonalAllocationRequest',
  'SkuNotAvailable',
  'QuotaExceeded',
]);

/** Longest part of a platform's message that is kept. */
const MESSAGE_LENGTH_MAX = 300;

/** Whether a refusal means no room. `OperationNotAllowed` is many things; only its quota is one. */
export function isCapacity(refusal: { code: string; message: string }): boolean {
  return CAPACITY_CODES.has(refusal.code) || (refusal.code === 'OperationNotAllowed' && /quota/i.test(refusal.message));
}

/** An error of an ARM client as this program's own. `what` says what was asked for: "disk web-lun0". */
export function classifyArm(error: unknown, what: string): LeewardError {
  if (isLeewardError(error)) return error;
  const refusal = refusalOf(error);
  return new LeewardError(codeFor(error, refusal), `${what}: ${refusal.code}: ${refusal.message}`);
}

/**
 * Whether an error is a long operation's own end, as against that of a request that only asked about it. The SDK gives
 * both as exceptions, and knows the first by its words alone.
 */
export function isOperationFailure(error: unknown): boolean {
  return (
    error instanceof Error && /^(The long-running operation has failed|Operation was canceled)/.test(error.message)
  );
}

/**
 * What a long operation's end as failed says. The SDK gives a plain Error with the code in its message only:
 * "The long-running operation has failed. AllocationFailed. Allocation failed. …".
 */
export function failedOperation(error: unknown): { code: string; message: string } {
  const text = error instanceof Error ? error.message : String(error);
  const [, code = 'OperationFailed', message = text] = /has failed\. ([A-Za-z][\w/]*)\. ([\s\S]*)/.exec(text) ?? [];
  return { code, message: oneLine(message) };
}

function codeFor(error: unknown, refusal: { code: string; message: string }): ErrorCode {
  if (isCapacity(refusal)) return 'NO_CAPACITY';
  if (!isRestError(error)) {
    // The identity's own errors: the platform's token service said no, or is not there (yet).
    if (error instanceof Error && error.name === 'AuthenticationError') return 'DENIED';
    if (error instanceof Error && error.name === 'CredentialUnavailableError') return 'UNAVAILABLE';
    if (error instanceof Error && error.name === 'AbortError') return 'UNAVAILABLE';
    return 'PLATFORM_FAILED';
  }
  const status = error.statusCode;
  if (status === 401 || status === 403) return 'DENIED';
  if (status === 404) return 'NOT_FOUND';
  // 409 and 412: something else is being done with it. 408, 429 and 5xx: later. None: no answer came.
  if (status === undefined || [408, 409, 412, 429].includes(status) || status >= 500) return 'UNAVAILABLE';
  return 'PLATFORM_FAILED';
}

function refusalOf(error: unknown): { code: string; message: string } {
  if (isRestError(error)) {
    const status = error.statusCode === undefined ? 'no answer' : `status ${error.statusCode}`;
    return { code: error.code ?? status, message: oneLine(error.message) };
  }
  return failedOperation(error);
}

function oneLine(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').replaceAll(/\?[^\s"')]+/g, '?…');
  return line.length > MESSAGE_LENGTH_MAX ? `${line.slice(0, MESSAGE_LENGTH_MAX)}…` : line;
}
