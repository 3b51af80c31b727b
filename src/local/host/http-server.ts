/**
 * The host's HTTP server: the admin endpoints and, for everything else, the app's HTTP functions.
 *
 * Invariants: it listens on this machine alone; a request body above the limit is refused before a function sees it;
 * `stop` takes no further request and waits for those under way.
 */
import { once } from 'node:events';
import { Server } from 'node:http';
import { createAdaptorServer } from '@hono/node-server';
import { Hono } from 'hono';
import type { Context } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { LeewardError, describeError } from '../../kernel/errors.ts';
import { MIB } from '../../kernel/units.ts';
import type { Log } from './log.ts';

/** Largest request. Source: "Azure Functions HTTP triggers and bindings", limits. */
export const REQUEST_LIMIT_BYTES = 210 * MIB;

const LOOPBACK = '127.0.0.1';

/** How often idle connections are closed while the server ends. */
const CLOSING_POLL_MS = 20;

export interface HttpServer {
  /** The port it listens on. */
  readonly port: number;
  stop(): Promise<void>;
}

/** Starts listening on `port`, or on any free one for 0. Throws USAGE when the port is taken. */
export async function startHttpServer(parts: {
  port: number;
  admin: Hono;
  dispatch: (context: Context) => Promise<Response>;
  log: Log;
  requestLimitBytes?: number;
}): Promise<HttpServer> {
  const { admin, dispatch, log, requestLimitBytes = REQUEST_LIMIT_BYTES } = parts;
  const app = new Hono();
  app.use('*', bodyLimit({ maxSize: requestLimitBytes, onError: () => new Response(null, { status: 413 }) }));
  app.route('/admin', admin);
  app.all('*', dispatch);
  app.onError((error) => {
    log.write('error', { category: 'Host.Http' }, describeError(error));
    return new Response(null, { status: 500 });
  });

  const server = createAdaptorServer({ fetch: app.fetch, hostname: LOOPBACK });
  if (!(server instanceof Server)) throw new LeewardError('PLATFORM_FAILED', 'no plain HTTP server was made');
  server.listen(parts.port, LOOPBACK);
  try {
    await once(server, 'listening');
  } catch (error) {
    throw new LeewardError('USAGE', `cannot listen on ${LOOPBACK}:${parts.port}`, { cause: error });
  }
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : parts.port;
  return {
    port,
    async stop() {
      const closed = once(server, 'close');
      server.close();
      const closing = setInterval(() => {
        server.closeIdleConnections();
      }, CLOSING_POLL_MS);
      await closed;
      clearInterval(closing);
    },
  };
}
