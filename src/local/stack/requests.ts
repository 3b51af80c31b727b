/** Reads the log of requests that the storage of a local stack answered, and counts them by kind. */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { parseJson } from '../../kernel/json.ts';
import { isMissing } from '../../system/durable-file.ts';
import { loggedRequestSchema } from './access-log.ts';
import type { LoggedRequest } from './access-log.ts';
import { layoutOf } from './layout.ts';

/** From `sinceMs` until before `untilMs`, milliseconds since 1970 by this machine's clock. */
export interface RequestWindow {
  readonly sinceMs?: number;
  readonly untilMs?: number;
}

/**
 * What was asked of, the method and, where there is one, `comp`. Headers stand in no line: writing and clearing pages are
 * one kind, and so are raising a sequence number and resizing.
 */
const KINDS = {
  'blob PUT': 'put blob',
  'blob PUT copied': 'copy',
  'blob PUT page': 'put page',
  'blob PUT properties': 'set properties',
  'blob PUT metadata': 'set metadata',
  'blob PUT snapshot': 'snapshot',
  'blob PUT lease': 'lease',
  'blob PUT block': 'put block',
  'blob PUT blocklist': 'put block list',
  'blob GET': 'get blob',
  // Azurite itself asks so for the source of a copy.
  'blob GET metadata': 'get metadata',
  'blob GET blocklist': 'get block list',
  'blob GET pagelist': 'get page ranges',
  'blob HEAD': 'get properties',
  'blob DELETE': 'delete blob',
  'container PUT': 'create container',
  'container GET': 'get container properties',
  'container HEAD': 'get container properties',
  'container DELETE': 'delete container',
  'container GET list': 'list',
  'account GET list': 'list',
  'queue PUT': 'create queue',
  'queue GET metadata': 'get queue properties',
  'queue DELETE': 'delete queue',
  'messages POST': 'put message',
  'messages GET': 'get messages',
  'messages DELETE': 'clear messages',
  'message PUT': 'update message',
  'message DELETE': 'delete message',
} as const;

export type RequestKind = (typeof KINDS)[keyof typeof KINDS] | 'other';

/** The kind of one request. A Copy Blob that was refused counts as `put blob`: only its answer tells them apart. */
export function kindOf(request: LoggedRequest): RequestKind {
  const key = [scopeOf(request), request.method];
  if (request.comp !== undefined) key.push(request.comp);
  // Copy Blob answers 202, Put Blob 201.
  else if (request.method === 'PUT' && request.status === 202) key.push('copied');
  return lookUp(KINDS, key.join(' ')) ?? 'other';
}

function lookUp<Kind>(kinds: Readonly<Record<string, Kind>>, key: string): Kind | undefined {
  return kinds[key];
}

function scopeOf(request: LoggedRequest): string {
  if (request.service === undefined) return 'account';
  if (request.service === 'blob') return request.restype === 'container' ? 'container' : 'blob';
  return ['queue', 'messages', 'message'][request.path.split('/').length - 1] ?? '';
}

/**
 * The requests of a window, oldest first, without holding them all in memory. A request is in the log some milliseconds
 * after it was answered. A line that a crash cut short is left out.
 */
export async function* readRequests(stateDir: string, window: RequestWindow = {}): AsyncGenerator<LoggedRequest> {
  const { sinceMs = -Infinity, untilMs = Infinity } = window;
  const lines = createInterface({ input: createReadStream(layoutOf(stateDir).requestsLog), crlfDelay: Infinity });
  try {
    for await (const line of lines) {
      const request = parseLine(line);
      if (request === undefined) continue;
      const atMs = Date.parse(request.at);
      if (atMs >= sinceMs && atMs < untilMs) yield request;
    }
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

/** How many requests of each kind were answered in a window, whatever the answer was. */
export async function countRequests(
  stateDir: string,
  window: RequestWindow = {},
): Promise<ReadonlyMap<RequestKind, number>> {
  const counts = new Map<RequestKind, number>();
  for await (const request of readRequests(stateDir, window)) {
    const kind = kindOf(request);
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return counts;
}

function parseLine(line: string): LoggedRequest | undefined {
  return loggedRequestSchema.safeParse(parseJson(line)).data;
}
