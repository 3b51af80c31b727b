/**
 * The agent's socket, by which guards on its machine have their lease questions carried: HTTP over a Unix socket in the
 * site's folder.
 *
 * Invariants: nobody but the owner of the folder can reach it; a question that is none is refused and changes nothing; an
 * agent that is gone leaves nothing that a guard would wait for.
 */
import { chmod, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { once } from 'node:events';
import { LeewardError, describeError } from '../../kernel/errors.ts';
import { KIB } from '../../kernel/units.ts';
import type { GuardLink } from '../../ports/guard-link.ts';
import { leaseAnswerSchema, leaseRequestSchema } from '../../protocol/lease.ts';
import type { LeaseAnswer, LeaseRequest, StoppedAnswer } from '../../protocol/lease.ts';
import { parseSigned, readPayload } from '../../protocol/signed.ts';
import type { SignedMessage } from '../../protocol/signed.ts';
import { request } from '../request.ts';

const BODY_BYTES_MAX = 512 * KIB;
/** How long a guard waits for the agent before it asks the cloud by itself: a small part of the shortest lease. */
const TIMEOUT_MS = 3000;
/** Source: Linux, unix(7), sun_path. */
const PATH_BYTES_MAX = 107;

/** Takes questions at `path` until `close`. Errors: USAGE for a path that no socket can have. */
export async function listenForGuards(
  path: string,
  carry: (questions: LeaseRequest['groups']) => Promise<LeaseAnswer>,
): Promise<{ close(): Promise<void> }> {
  if (Buffer.byteLength(path) > PATH_BYTES_MAX) {
    throw new LeewardError('USAGE', `${path} is too long for a socket: use a shorter --state folder`);
  }
  const server = createServer((from, to) => {
    void answer(from, to, carry);
  });
  // What an agent that was killed has left; the lock of the site's folder keeps a second one away.
  await rm(path, { force: true });
  server.listen(path);
  await once(server, 'listening');
  await chmod(path, 0o600);
  return {
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

async function answer(
  from: IncomingMessage,
  to: ServerResponse,
  carry: (questions: LeaseRequest['groups']) => Promise<LeaseAnswer>,
): Promise<void> {
  const say = (status: number, body: unknown): void => {
    to.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  };
  try {
    const message = parseSigned(JSON.parse(await bodyOf(from)), 'lease');
    say(200, await carry(readPayload(message, leaseRequestSchema).groups));
  } catch (error) {
    say(error instanceof LeewardError && error.retryHelps ? 503 : 400, { error: describeError(error) });
  }
}

async function bodyOf(from: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  const body: AsyncIterable<Uint8Array> = from;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) throw new LeewardError('MESSAGE_INVALID', `more than ${BODY_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** The way to the cloud through the agent, and by itself wherever that does not answer. */
export class CarriedLink implements GuardLink {
  readonly #socketPath: string;
  readonly #own: GuardLink;

  constructor(socketPath: string, own: GuardLink) {
    this.#socketPath = socketPath;
    this.#own = own;
  }

  async lease(message: SignedMessage): Promise<LeaseAnswer> {
    try {
      const { status, body } = await request({
        method: 'POST',
        url: 'http://agent/lease',
        socketPath: this.#socketPath,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(message),
        timeoutMs: TIMEOUT_MS,
        bodyBytesMax: BODY_BYTES_MAX,
        what: 'the agent',
      });
      const parsed = status === 200 ? leaseAnswerSchema.safeParse(JSON.parse(body)) : undefined;
      if (parsed?.success === true) return parsed.data;
    } catch {
      // Whatever is wrong with the agent, the guard does not depend on it.
    }
    return this.#own.lease(message);
  }

  async stopped(message: SignedMessage): Promise<StoppedAnswer> {
    return this.#own.stopped(message);
  }
}
