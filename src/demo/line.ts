/**
 * The site's only line to the cloud, which the demo can cut: a plain HTTP proxy on this machine that agent and guard are told
 * to go by, as they would be told of a company's own.
 *
 * Invariant: once it is cut nothing gets through in either direction, what was under way included, until it is healed.
 */
import { once } from 'node:events';
import { Agent, createServer, request as requestPlain } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { LeewardError } from '../kernel/errors.ts';

export class Line {
  readonly #server: Server;
  /** Ends what is under way on the cloud's side. */
  #onward = new Agent({ keepAlive: true });
  #isCut = false;

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#pass(request, response);
    });
  }

  static async open(): Promise<Line> {
    const line = new Line();
    line.#server.listen(0, '127.0.0.1');
    await once(line.#server, 'listening');
    return line;
  }

  /** What a process of the site has in its environment. Source: Node.js, "Built-in Proxy Support". */
  get environment(): Readonly<Record<string, string>> {
    const address = this.#server.address();
    if (address === null || typeof address === 'string')
      throw new LeewardError('PLATFORM_FAILED', 'the line is closed');
    return { NODE_USE_ENV_PROXY: '1', HTTP_PROXY: `http://127.0.0.1:${address.port}` };
  }

  cut(): void {
    this.#isCut = true;
    this.#server.closeAllConnections();
    this.#onward.destroy();
    this.#onward = new Agent({ keepAlive: true });
  }

  heal(): void {
    this.#isCut = false;
  }

  async close(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #pass(request: IncomingMessage, response: ServerResponse): void {
    const give = (): void => void request.socket.destroy();
    if (this.#isCut || request.url === undefined || !URL.canParse(request.url)) {
      give();
      return;
    }
    const { method, headers, url } = request;
    const onward = requestPlain(url, { method, headers, agent: this.#onward }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
      answer.on('error', give).pipe(response);
    });
    onward.on('error', give);
    request.on('error', () => onward.destroy()).pipe(onward);
  }
}
