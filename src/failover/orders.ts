/**
 * What arrives at the failover queue, or is typed by hand into the portal's Test/Run pane: tickets and orders.
 *
 * Invariants: an order that comes through the queue is signed by an operator's key, since whoever can write to a queue is
 * nobody in particular; an unsigned one is taken only from the platform's own door for a call by hand, which asks for its
 * key, and is recorded as such. Neither skips a step of the run.
 */
import type { Actor } from '../documents/actor.ts';
import { groupKind } from '../documents/group.ts';
import { runKind } from '../documents/run.ts';
import type { RunDocument } from '../documents/run.ts';
import { confirmedStopped } from '../health/term/term.ts';
import { LeewardError, isLeewardError } from '../kernel/errors.ts';
import { parseGroup } from '../kernel/ids.ts';
import { parseJson } from '../kernel/json.ts';
import { documents as names } from '../kernel/names.ts';
import { firstIssue } from '../kernel/schema.ts';
import { orderSchema, startOrderSchema, ticketSchema } from '../protocol/order.ts';
import type { ConfirmOrder, Order, StartOrder } from '../protocol/order.ts';
import { deriveKey, parseSigned, readPayload, verifySigned } from '../protocol/signed.ts';
import { advanceRun } from './run.ts';
import type { Advance } from './run.ts';
import type { RunPorts } from './ports.ts';
import { startRun } from './start.ts';

export interface OrderPorts extends RunPorts {
  /** The secret that keys are derived from. */
  readonly keySecret: Uint8Array;
}

export type OrderOutcome =
  | { readonly kind: 'ticket'; readonly advance: Advance }
  | { readonly kind: 'started'; readonly run: RunDocument }
  | { readonly kind: 'confirmed'; readonly group: string; readonly run: string };

/** What a person may type, as an example in the refusal of anything else. */
export const ORDER_EXAMPLE = '{"start":{"group":"TENANT/SITE/GROUP","kind":"unplanned","reason":"why"}}';

const OPERATOR = /^operator\/[a-z0-9][a-z0-9-]{0,63}$/;

/**
 * Works on one message. `byHand` says that the platform's own door for calls by hand was used: no message id. Errors:
 * MESSAGE_INVALID saying what is expected, SIGNATURE_INVALID, REFUSED, and those of {@link startRun} and
 * {@link advanceRun}.
 */
export async function receiveOrder(
  ports: OrderPorts,
  message: unknown,
  how: { byHand: boolean },
): Promise<OrderOutcome> {
  const data = asObject(message);
  if (data !== undefined && 'ticket' in data) {
    const parsed = ticketSchema.safeParse(data);
    if (!parsed.success) throw new LeewardError('MESSAGE_INVALID', `not a ticket: ${firstIssue(parsed.error)}`);
    return { kind: 'ticket', advance: await advanceRun(ports, parsed.data) };
  }
  if (data !== undefined && 'payload' in data) return await follow(ports, openSignedOrder(ports.keySecret, data));
  if (data !== undefined && 'start' in data) {
    const parsed = startOrderSchema.safeParse(data);
    if (!parsed.success) {
      throw new LeewardError('MESSAGE_INVALID', `order: ${firstIssue(parsed.error)}; for example ${ORDER_EXAMPLE}`);
    }
    if (!how.byHand) {
      throw new LeewardError(
        'REFUSED',
        'an unsigned order through the queue: sign it, as `leeward failover start` does',
      );
    }
    return await start(ports, { order: parsed.data, actor: { kind: 'by-hand' }, identity: undefined });
  }
  throw new LeewardError(
    'MESSAGE_INVALID',
    `neither a ticket of a run nor an order; to order a failover by hand, type for example ${ORDER_EXAMPLE}`,
  );
}

/** Whether a message that failed is worth another try: a ticket, or an order that is rightly signed. */
export function isSoundOrder(keySecret: Uint8Array, text: string): boolean {
  const data = asObject(text);
  if (data === undefined) return false;
  if (ticketSchema.safeParse(data).success) return true;
  try {
    openSignedOrder(keySecret, data);
    return true;
  } catch (error) {
    return isLeewardError(error) && error.retryHelps;
  }
}

interface Opened<Kind extends Order = Order> {
  readonly order: Kind;
  readonly actor: Actor;
  /** The same for every copy of one order; undefined when nothing tells copies from orders anew. */
  readonly identity: string | undefined;
}

function openSignedOrder(keySecret: Uint8Array, data: unknown): Opened {
  const message = parseSigned(data, 'order');
  if (!OPERATOR.test(message.signer)) {
    throw new LeewardError('SIGNATURE_INVALID', `an order is signed by operator/NAME, not by "${message.signer}"`);
  }
  verifySigned(message, deriveKey(keySecret, { signer: message.signer, name: message.key }));
  const order = readPayload(message, orderSchema);
  if (!isConfirmation(order) && order.start.term === undefined) {
    throw new LeewardError('MESSAGE_INVALID', 'order: start.term: a signed order names the term that it is for');
  }
  return {
    order,
    actor: { kind: 'key', signer: message.signer, key: message.key },
    identity: message.mac,
  };
}

function isConfirmation(order: Order): order is ConfirmOrder {
  return 'confirmStopped' in order;
}

async function follow(ports: OrderPorts, { order, ...by }: Opened): Promise<OrderOutcome> {
  return isConfirmation(order) ? await confirm(ports, order, by.actor) : await start(ports, { order, ...by });
}

/** A repeated one finds the first noted. Errors: REFUSED where the run does not wait for it. */
async function confirm(
  { documents }: OrderPorts,
  { confirmStopped: { group: id, run } }: ConfirmOrder,
  actor: Actor,
): Promise<OrderOutcome> {
  const group = parseGroup(id);
  const { serviceNowMs: atMs } = await documents.readWithTime(groupKind, names.group(group));
  await documents.update(groupKind, names.group(group), (found) => confirmedStopped(found, run, { actor, atMs }));
  return { kind: 'confirmed', group: id, run };
}

async function start(ports: OrderPorts, { order, actor, identity }: Opened<StartOrder>): Promise<OrderOutcome> {
  const { kind, reason, term } = order.start;
  const group = parseGroup(order.start.group);
  const run = await startRun(ports, {
    group,
    kind,
    actor,
    term,
    reason: reason ?? 'no reason was given',
    order: identity ?? (await momentOf(ports, order)),
  });
  return { kind: 'started', run };
}

/** A call by hand is not repeated by any queue: the moment makes it this one. */
async function momentOf(ports: OrderPorts, order: StartOrder): Promise<string> {
  const name = names.run(parseGroup(order.start.group), 'by-hand');
  const { serviceNowMs } = await ports.documents.readWithTime(runKind, name);
  return `by hand ${serviceNowMs}`;
}

/** The platform hands JSON over as an object; text that was typed may come as it is. */
function asObject(message: unknown): object | undefined {
  const data = typeof message === 'string' ? parseJson(message) : message;
  return typeof data === 'object' && data !== null && !Array.isArray(data) ? data : undefined;
}
