/** A webhook of somebody's: a real HTTP server that does as it is told, and remembers what it was sent. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { z } from 'zod';

export interface Received {
  readonly path: string;
  readonly id: string | undefined;
  readonly body: Record<string, unknown>;
}

/** A status, or no answer at all: the connection is reset, or nothing comes for ever. */
export type Behaviour = number | 'reset' | 'hang';

export interface Webhook {
  /** `http://127.0.0.1:PORT/NAME`: each path is a webhook. */
  url(name: string): string;
  /** Everything that was sent, in its order. */
  readonly received: readonly Received[];
  of(name: string): readonly Received[];
  /** How the webhook answers from now on: in turn, the last one for ever. 200 until told. */
  behaves(name: string, ...behaviour: readonly Behaviour[]): void;
  /** Whether a request to this address would get no answer now. */
  hangs(url: string): boolean;
  close(): Promise<void>;
}

export async function openWebhook(): Promise<Webhook> {
  const received: Received[] = [];
  const behaviours = new Map<string, Behaviour[]>();
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const id = z.string().optional().parse(request.headers['idempotency-key']);
      const body = z.record(z.string(), z.unknown()).parse(JSON.parse(Buffer.concat(chunks).toString()));
      received.push({ path, id, body });
      const left = behaviours.get(path) ?? [200];
      const behaviour = (left.length > 1 ? left.shift() : left[0]) ?? 200;
      if (behaviour === 'reset') request.socket.destroy();
      else if (behaviour !== 'hang') response.writeHead(behaviour).end('ok');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = z.object({ port: z.number() }).parse(server.address());
  return {
    url: (name) => `http://127.0.0.1:${address.port}/${name}`,
    received,
    of: (name) => received.filter(({ path }) => path === `/${name}`),
    behaves(name, ...behaviour) {
      behaviours.set(`/${name}`, [...behaviour]);
    },
    hangs: (url) => behaviours.get(new URL(url).pathname)?.[0] === 'hang',
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
