/** The body of a download that is not wanted after all. */
import { Readable } from 'node:stream';

/** Ends a download unread. Whoever leaves a body lying keeps its connection, and what it has buffered, for good. */
export function letGo(body: NodeJS.ReadableStream | undefined): void {
  if (body instanceof Readable) body.destroy();
}
