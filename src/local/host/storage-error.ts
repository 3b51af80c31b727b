/** What the storage service answered, read off the SDK's error. */
import { RestError } from '@azure/core-rest-pipeline';

/** True for the service's answer with one of these HTTP status codes. */
export function isStorageError(error: unknown, ...statuses: number[]): boolean {
  return error instanceof RestError && error.statusCode !== undefined && statuses.includes(error.statusCode);
}
