/**
 * Tickets: the messages that carry a run from step to step.
 *
 * Invariant: a ticket is sent only after the run's document holds it; one that was lost, or whose worker died, is sent
 * again by {@link resumeRuns}. Copies do no harm: only the newest moves the run, and only once.
 */
import { runKind } from '../documents/run.ts';
import type { RunDocument } from '../documents/run.ts';
import type { Ticket } from '../protocol/order.ts';
import { describeError } from '../kernel/errors.ts';
import { QUEUES, documents as names } from '../kernel/names.ts';
import type { StartPorts } from './ports.ts';

/**
 * How long a ticket may be overdue before it is sent again: longer than a queue's usual delay, so that a healthy run gets
 * no copies, and short beside the time that a person would wait.
 */
export const RESUME_GRACE_MS = 20_000;

/** Sends a run's newest ticket, to be worked on after `delayMs`. */
export async function sendTicket(ports: StartPorts, run: RunDocument, delayMs = 0): Promise<void> {
  const ticket: Ticket = { group: run.group, run: run.run, ticket: run.ticket };
  await ports.queues.send(QUEUES.failover, JSON.stringify(ticket), { delayMs });
}

/** The runs whose ticket was sent again, and why that could not be done for others, a line each. */
export interface Resumed {
  readonly resumed: readonly string[];
  readonly troubles: readonly string[];
}

/**
 * Sends the ticket again of every run whose ticket is overdue by more than `graceMs`. One run's trouble, such as a document
 * of a newer program, keeps no other from it. Errors: UNAVAILABLE when the runs cannot be listed.
 */
export async function resumeRuns(ports: StartPorts, graceMs = RESUME_GRACE_MS): Promise<Resumed> {
  const resumed: string[] = [];
  const troubles: string[] = [];
  for await (const { name, labels } of ports.documents.list(names.allRuns)) {
    if (labels['state'] !== 'running') continue;
    try {
      const { held, serviceNowMs } = await ports.documents.readWithTime(runKind, name);
      if (held?.value.state !== 'running' || serviceNowMs <= held.value.ticketDueMs + graceMs) continue;
      await sendTicket(ports, held.value);
      resumed.push(`${held.value.group} ${held.value.run}`);
    } catch (error) {
      troubles.push(`${name} could not be resumed: ${describeError(error)}`);
    }
  }
  return { resumed, troubles };
}
