/**
 * Where the applications of these tests write: it stamps every write as it comes, on one clock, and what it has accepted is
 * what counts, whatever anybody's log says.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface AcceptedWrite {
  /** Who writes: a site, or the cloud. */
  readonly side: string;
  /** One start of its application. */
  readonly writer: string;
  readonly counter: number;
  /** On the witness's own clock. */
  readonly atMs: number;
}

export class Witness {
  readonly #writes: AcceptedWrite[] = [];
  readonly #servers: Server[] = [];

  /** Takes writes at `address` too, and gives the URL for `side`: POST there with /WRITER/COUNTER. */
  async listen(address: string, side: string): Promise<string> {
    const server = createServer((request, response) => {
      const [, of = '', writer = '', counter = ''] = (request.url ?? '').split('/');
      this.accept(of, writer, Number(counter));
      request.resume();
      response.writeHead(204).end();
    });
    server.listen(0, address);
    await once(server, 'listening');
    server.unref();
    this.#servers.push(server);
    // A server that listens on an address and a port has both.
    const { port } = server.address() as AddressInfo;
    return `http://${address}:${port}/${side}`;
  }

  accept(side: string, writer: string, counter: number): void {
    this.#writes.push({ side, writer, counter, atMs: performance.now() });
  }

  of(side: string): AcceptedWrite[] {
    return this.#writes.filter((write) => write.side === side);
  }

  first(side: string): AcceptedWrite | undefined {
    return this.#writes.find((write) => write.side === side);
  }

  last(side: string): AcceptedWrite | undefined {
    return this.#writes.findLast((write) => write.side === side);
  }

  /** Starts of the side's application that have written, in their order. */
  writers(side: string): string[] {
    return [...new Set(this.of(side).map(({ writer }) => writer))];
  }

  close(): void {
    for (const server of this.#servers) {
      server.closeAllConnections();
      server.close();
    }
  }
}
