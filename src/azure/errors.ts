/**
 * The storage SDK's errors, classified in this one place.
 *
 * Invariant: what leaves here is a LeewardError whose message holds the service's code and no URL: a URL may carry a SAS.
 */
import { RestError } from '@azure/storage-blob';
import { LeewardError, isLeewardError } from '../kernel/errors.ts';
import type { ErrorCode } from '../kernel/errors.ts';

/** Azure Storage's error codes that mean something to the engines. Source: Azure Storage REST, "Blob service error codes". */
const BY_CODE: Readonly<Record<string, ErrorCode>> = {
  ConditionNotMet: 'CONFLICT',
  BlobAlreadyExists: 'CONFLICT',
  TargetConditionNotMet: 'CONFLICT',
  UnauthorizedBlobOverwrite: 'CONFLICT',
  SnapshotOperationRateExceeded: 'UNAVAILABLE',
  SequenceNumberConditionNotMet: 'FENCED',
  BlobNotFound: 'NOT_FOUND',
  ContainerNotFound: 'NOT_FOUND',
  // For about half a minute after it was deleted.
  ContainerBeingDeleted: 'NOT_FOUND',
  QueueNotFound: 'NOT_FOUND',
  MessageNotFound: 'NOT_FOUND',
  PopReceiptMismatch: 'NOT_FOUND',
  ResourceNotFound: 'NOT_FOUND',
};

function codeOf(error: RestError): ErrorCode {
  const known = BY_CODE[error.code ?? ''];
  if (known) return known;
  const { statusCode } = error;
  if (statusCode === 404) return 'NOT_FOUND';
  // A late write behind the end of a blob that others have shrunk since, where the range is looked at before the number.
  if (statusCode === 416) return 'CONFLICT';
  if (statusCode === 401 || statusCode === 403) return 'DENIED';
  if (statusCode === undefined || statusCode === 408 || statusCode === 429 || statusCode >= 500) return 'UNAVAILABLE';
  return 'PLATFORM_FAILED';
}

/** `error` as an error of ours; `doing` says what was tried, as in "reading "sites/a/b.json"". */
function classify(error: unknown, doing: string): LeewardError {
  if (isLeewardError(error)) return error;
  if (error instanceof RestError) {
    const code = codeOf(error);
    const word = error.code ?? (error.statusCode === undefined ? 'no answer' : `status ${error.statusCode}`);
    return new LeewardError(code, `${doing}: storage says ${word}`);
  }
  return new LeewardError('UNAVAILABLE', `${doing}: ${error instanceof Error ? error.name : 'unknown error'}`, {
    cause: error,
  });
}

/** Whether `error` is storage's word for a range that begins behind the end. Source: Blob service error codes, 416. */
export function isPastEnd(error: unknown): boolean {
  return error instanceof RestError && error.statusCode === 416;
}

/** Runs one storage call and classifies what it throws. */
export async function calling<T>(doing: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw classify(error, doing);
  }
}
