/**
 * An HTTP server on a Unix socket, for processes of one machine.
 *
 * Invariants: nobody but the owner can reach it; who connects and says nothing, or not all of it, is left after two
 * seconds, and holds up nobody else; a request of more bytes than are allowed is refused before it is read whole; what a
 * process that was killed has left is replaced. Whoever listens makes sure that no other process that lives does so.
 */
import { rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import { once } from 'node:events';
import { LeewardError, describeError } from '../kernel/errors.ts';
import { socketAddress } from './unix-path.ts';

/** For a whole request to come in. */
const REQUEST_MS = 2000;
/** At once; what comes beyond waits in the kernel's queue, or is turned away. */
const CONNECTIONS_MAX = 256;

export interface UnixRequest {
  readonly method: string;
  readonly path: string;
  readonly body: string;
}

export interface UnixAnswer {
  readonly status: number;
  readonly body: unknown;
}

/**
 * Answers at `path` until `close`. What `answer` throws is told with its code, if it is ours, by status 503 where a retry helps
 * and 400 otherwise. Errors: USAGE for a path that no socket can have.
 */
export async function listenAt(
  path: string,
  bodyBytesMax: number,
  answer: (request: UnixRequest) => Promise<UnixAnswer>,
): Promise<{ close(): Promise<void> }> {
  const address = await socketAddress(path);
  const times = { requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS, connectionsCheckingInterval: 1000 };
  const server = createServer(times, (from, to) => {
    void answered(from, bodyBytesMax, answer).then(({ status, body }) => {
      to.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
  });
  server.maxConnections = CONNECTIONS_MAX;
  await rm(path, { force: true });
  listenPrivately(server, address.path);
  await once(server, 'listening');
  return {
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
      await address.close();
    },
  };
}

/** Nobody else can reach it at any moment. Source: unix(7): connecting needs write permission on the socket. */
function listenPrivately(server: Server, path: string): void {
  // Of the whole process, whose other threads may be making files and folders: those stay usable by their owner. The socket is
  // there before this returns.
  const before = process.umask(0o077);
  try {
    server.listen(path);
  } finally {
    process.umask(before);
  }
}

async function answered(
  from: IncomingMessage,
  bodyBytesMax: number,
  answer: (request: UnixRequest) => Promise<UnixAnswer>,
): Promise<UnixAnswer> {
  try {
    const body = await bodyOf(from, bodyBytesMax);
    return await answer({ method: from.method ?? '', path: from.url ?? '', body });
  } catch (error) {
    const isOurs = error instanceof LeewardError;
    return {
      status: isOurs && error.retryHelps ? 503 : 400,
      body: { error: describeError(error), ...(isOurs && { code: error.code }) },
    };
  }
}

async function bodyOf(from: IncomingMessage, bytesMax: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  const body: AsyncIterable<Uint8Array> = from;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw new LeewardError('MESSAGE_INVALID', `more than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
