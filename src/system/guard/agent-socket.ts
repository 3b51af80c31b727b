/**
 * The agent's socket, by which guards on its machine have their lease questions carried: HTTP over a Unix socket in the
 * site's folder.
 *
 * Invariants: nobody but the owner of the folder can reach it; a question that is none is refused and changes nothing; an
 * agent that is gone leaves nothing that a guard would wait for.
 */
import { LeewardError } from '../../kernel/errors.ts';
import { parseJson } from '../../kernel/json.ts';
import { KIB } from '../../kernel/units.ts';
import type { GuardLink } from '../../ports/guard-link.ts';
import { leaseAnswerSchema, leaseRequestSchema } from '../../protocol/lease.ts';
import type { LeaseAnswer, LeaseRequest, StoppedAnswer } from '../../protocol/lease.ts';
import { parseSigned, readPayload } from '../../protocol/signed.ts';
import type { SignedMessage } from '../../protocol/signed.ts';
import { request } from '../request.ts';
import { listenAt } from '../unix-server.ts';

const BODY_BYTES_MAX = 512 * KIB;
/** How long a guard waits for the agent before it asks the cloud by itself: a small part of the shortest lease. */
const TIMEOUT_MS = 3000;

/** Takes questions at `path` until `close`. Errors: USAGE for a path that no socket can have. */
export async function listenForGuards(
  path: string,
  { carry, tell }: AgentDesk,
): Promise<{ close(): Promise<void> }> {
  // The lock of the site's folder keeps a second agent away.
  return listenAt(path, BODY_BYTES_MAX, async ({ path: asked, body }) => {
    if (asked === '/offline') return { status: 200, body: { offline: await tell() } };
    const data = parseJson(body);
    if (data === undefined) throw new LeewardError('MESSAGE_INVALID', 'the question is not JSON');
    const message = parseSigned(data, 'lease');
    return { status: 200, body: await carry(readPayload(message, leaseRequestSchema).groups) };
  });
}

/**
 * The way to the cloud through the agent, and by itself wherever that does not answer, or not what was asked: the agent of
 * another deployment must not keep a guard from its lease.
 */
export class CarriedLink implements GuardLink {
  readonly #socketPath: string;
  readonly #own: GuardLink;
  readonly #isAnswerTo: (answer: LeaseAnswer, message: SignedMessage) => boolean;

  /** `isAnswerTo` says whether an answer has, sealed by the cloud, what the message asks. */
  constructor(
    socketPath: string,
    own: GuardLink,
    isAnswerTo: (answer: LeaseAnswer, message: SignedMessage) => boolean,
  ) {
    this.#socketPath = socketPath;
    this.#own = own;
    this.#isAnswerTo = isAnswerTo;
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
      const parsed = status === 200 ? leaseAnswerSchema.safeParse(parseJson(body)) : undefined;
      if (parsed?.success === true && this.#isAnswerTo(parsed.data, message)) return parsed.data;
    } catch {
      // Whatever is wrong with the agent, the guard does not depend on it.
    }
    return this.#own.lease(message);
  }

  async stopped(message: SignedMessage): Promise<StoppedAnswer> {
    return this.#own.stopped(message);
  }
}
