/**
 * A guard's own socket: HTTP over a Unix socket in its folder, by which the agent and `leeward app` reach its desk
 * (docs/operation.md, "Guards"): `GET /status`, and `POST /order` with one order.
 *
 * Invariants: those of `unix-server.ts`; what is no order is refused and changes nothing; an order that was taken is carried
 * out whether or not anybody waits for it.
 */
import { z } from 'zod';
import { WALL_MS_MAX } from '../../kernel/clock.ts';
import { LeewardError } from '../../kernel/errors.ts';
import { nodeSchema, groupIdSchema } from '../../kernel/ids.ts';
import { parseJson } from '../../kernel/json.ts';
import { firstIssue } from '../../kernel/schema.ts';
import { KIB } from '../../kernel/units.ts';
import type { GuardDesk, GuardOrder, GuardStatus } from '../../ports/guard-desk.ts';
import { STOP_MS_MAX } from '../../protocol/stop-times.ts';
import { listenAt } from '../unix-server.ts';
import { askSocket } from './ask-socket.ts';
import type { SocketQuestion } from './ask-socket.ts';

const ORDER_BYTES_MAX = 16 * KIB;
/** What waits for an order gives up by its own signal; this is longer than any stop and start that is allowed. */
const ORDER_MS = 4 * 3_600_000;
const STATUS_MS = 15_000;

const name = z.string().min(1).max(100);
const wallMs = z.number().min(0).max(WALL_MS_MAX);
/** As a heartbeat takes it. */
const ms = z.int().min(0).max(STOP_MS_MAX);

const orderSchema = z.discriminatedUnion('do', [
  z.strictObject({ do: z.literal('restart'), name }),
  z.strictObject({ do: z.literal('offline'), name, untilWallMs: wallMs.optional() }),
  z.strictObject({ do: z.literal('start'), name }),
]);

/** Loose: a newer guard may say more. */
const statusSchema = z.looseObject({
  group: groupIdSchema,
  node: nodeSchema,
  term: z.int().min(0),
  lease: z.enum(['held', 'none']),
  stopMs: ms.optional(),
  killMs: ms.optional(),
  applications: z.array(
    z.looseObject({
      name,
      state: z.enum(['running', 'stopping', 'stopped', 'offline']),
      startedBootMs: z.number().optional(),
      offlineUntilWallMs: wallMs.optional(),
      starts: z.int().min(0),
    }),
  ),
});

/** Lets the desk be reached at `path` until `close`. Errors: USAGE for a path that no socket can have. */
export async function listenForOrders(path: string, desk: GuardDesk): Promise<{ close(): Promise<void> }> {
  const never = new AbortController().signal;
  return listenAt(path, ORDER_BYTES_MAX, async ({ method, path: asked, body }) => {
    if (method === 'GET' && asked === '/status') return { status: 200, body: await desk.status(never) };
    if (method !== 'POST' || asked !== '/order') {
      throw new LeewardError('MESSAGE_INVALID', 'ask GET /status or POST /order');
    }
    await desk.order(readOrder(body), never);
    return { status: 200, body: {} };
  });
}

function readOrder(body: string): GuardOrder {
  const parsed = orderSchema.safeParse(parseJson(body));
  if (!parsed.success) throw new LeewardError('MESSAGE_INVALID', `the order: ${firstIssue(parsed.error)}`);
  const order = parsed.data;
  return order.do === 'offline' ? { ...order, untilWallMs: order.untilWallMs } : order;
}

/** A guard's desk in another process of this machine. */
export class GuardSocket implements GuardDesk {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async status(signal: AbortSignal): Promise<GuardStatus> {
    const answer = await this.#ask({ method: 'GET', path: '/status', timeoutMs: STATUS_MS, signal });
    const parsed = statusSchema.safeParse(answer);
    if (!parsed.success) {
      throw new LeewardError('MESSAGE_INVALID', `the guard's answer: ${firstIssue(parsed.error)}`);
    }
    const { applications, ...status } = parsed.data;
    return {
      ...status,
      applications: applications.map(({ startedBootMs, offlineUntilWallMs, ...rest }) => ({
        ...rest,
        startedBootMs,
        offlineUntilWallMs,
      })),
    };
  }

  async order(order: GuardOrder, signal: AbortSignal): Promise<void> {
    await this.#ask({ method: 'POST', path: '/order', body: JSON.stringify(order), timeoutMs: ORDER_MS, signal });
  }

  async #ask(of: Pick<SocketQuestion, 'method' | 'path' | 'body' | 'timeoutMs' | 'signal'>): Promise<unknown> {
    return askSocket({ ...of, socketPath: this.#path, what: 'the guard' });
  }
}
