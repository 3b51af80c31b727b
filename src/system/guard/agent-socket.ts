/**
 * The agent's socket, by which guards on its machine have their lease questions carried, and the cloud is told at once what is
 * offline on purpose: HTTP over a Unix socket in the site's folder.
 *
 * Invariants: nobody but the owner of the folder can reach it; a question that is none is refused and changes nothing; an
 * agent that is gone leaves nothing that a guard would wait for.
 */
import { z } from 'zod';
import { LeewardError } from '../../kernel/errors.ts';
import { parseJson } from '../../kernel/json.ts';
import { firstIssue } from '../../kernel/schema.ts';
import { KIB } from '../../kernel/units.ts';
import type { GuardLink } from '../../ports/guard-link.ts';
import { offlineWordSchema } from '../../protocol/heartbeat.ts';
import type { OfflineWord } from '../../protocol/heartbeat.ts';
import { leaseAnswerSchema, leaseRequestSchema } from '../../protocol/lease.ts';
import type { LeaseAnswer, LeaseRequest, StoppedAnswer } from '../../protocol/lease.ts';
import { parseSigned, readPayload } from '../../protocol/signed.ts';
import type { SignedMessage } from '../../protocol/signed.ts';
import { request } from '../request.ts';
import { listenAt } from '../unix-server.ts';
import { askSocket } from './ask-socket.ts';

const BODY_BYTES_MAX = 512 * KIB;
/** How long a guard waits for the agent before it asks the cloud by itself: a small part of the shortest lease. */
const TIMEOUT_MS = 3000;

/** What the agent does for others on its machine. */
export interface AgentDesk {
  /** The cloud's answers to these lease questions; left out by one that carries none. */
  readonly carry?: (questions: LeaseRequest['groups']) => Promise<LeaseAnswer>;
  /** Has the cloud hear now what is offline on purpose, and returns what it was told. */
  readonly tell: () => Promise<readonly OfflineWord[]>;
}

const toldSchema = z.looseObject({ offline: z.array(offlineWordSchema) });

/** Takes questions at `path` until `close`. Errors: USAGE for a path that no socket can have. */
export async function listenForGuards(path: string, { carry, tell }: AgentDesk): Promise<{ close(): Promise<void> }> {
  // The lock of the site's folder keeps a second agent away.
  return listenAt(path, BODY_BYTES_MAX, async ({ path: asked, body }) => {
    if (asked === '/offline') return { status: 200, body: { offline: await tell() } };
    if (!carry) throw new LeewardError('UNAVAILABLE', 'no lease questions are carried here');
    const data = parseJson(body);
    if (data === undefined) throw new LeewardError('MESSAGE_INVALID', 'the question is not JSON');
    const message = parseSigned(data, 'lease');
    return { status: 200, body: await carry(readPayload(message, leaseRequestSchema).groups) };
  });
}

/**
 * What the cloud was told by the agent that listens at `path` to be offline on purpose, all of it read after this was asked.
 * Errors: UNAVAILABLE without an agent, or an answer in time; MESSAGE_INVALID from one that is older; those of a heartbeat.
 */
export async function askToTell(path: string, timeoutMs: number): Promise<readonly OfflineWord[]> {
  const answer = await askSocket({ method: 'POST', path: '/offline', socketPath: path, timeoutMs, what: 'the agent' });
  const parsed = toldSchema.safeParse(answer);
  if (!parsed.success) throw new LeewardError('MESSAGE_INVALID', `the agent's answer: ${firstIssue(parsed.error)}`);
  return parsed.data.offline;
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
