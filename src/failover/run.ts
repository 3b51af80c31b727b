/**
 * Moves a run on by one performance of its step: the heart of the saga.
 *
 * Invariants: only the newest ticket of a run moves it; what was done is recorded under the version that was read, and
 * the next ticket is sent after that; nothing here waits. A crash at any place is finished by the same ticket, which the
 * monitor sends again, since every step is idempotent.
 */
import { groupKind } from '../documents/group.ts';
import { planKind } from '../documents/plan.ts';
import { runKind } from '../documents/run.ts';
import type { RunDocument } from '../documents/run.ts';
import { LeewardError, describeError, isLeewardError } from '../kernel/errors.ts';
import { parseGroup } from '../kernel/ids.ts';
import type { GroupRef } from '../kernel/ids.ts';
import { documents as names } from '../kernel/names.ts';
import type { Ticket } from '../protocol/order.ts';
import type { Failed, RunPorts } from './ports.ts';
import { afterStep, afterUndo } from './progress.ts';
import type { Progress } from './progress.ts';
import { STEPS } from './steps/all.ts';
import { sendTicket } from './tickets.ts';
import { undoRun } from './undo.ts';

/** What a ticket did. */
export type Advance =
  { readonly moved: false; readonly reason: string } | { readonly moved: true; readonly run: RunDocument };

/**
 * Works on one ticket. A step's failure is the run's record, not an error here. Errors: NOT_FOUND (no such run),
 * UNAVAILABLE and others when the run's own documents cannot be read or written: the message is to be tried again.
 */
export async function advanceRun(ports: RunPorts, ticket: Ticket): Promise<Advance> {
  const group = parseGroup(ticket.group);
  const name = names.run(group, ticket.run);
  const { held, serviceNowMs: startedAtMs } = await ports.documents.readWithTime(runKind, name);
  if (!held) throw new LeewardError('NOT_FOUND', `there is no run "${ticket.run}" of ${ticket.group}`);
  const run = held.value;
  if (run.state !== 'running') return { moved: false, reason: `run ${run.run} is ${run.state}` };
  if (ticket.ticket !== run.ticket) {
    return { moved: false, reason: `ticket ${ticket.ticket} of run ${run.run} is not the newest, ${run.ticket}` };
  }

  const perform = run.failure === null ? performStep : performUndo;
  const progress = await perform(ports, group, { run, name, startedAtMs });
  try {
    await ports.documents.replace(runKind, held, progress.run);
  } catch (error) {
    if (!isLeewardError(error, 'CONFLICT')) throw error;
    return { moved: false, reason: `another worker moved run ${run.run} on meanwhile` };
  }
  if (progress.run.state === 'running') await sendTicket(ports, progress.run, progress.delayMs);
  return { moved: true, run: progress.run };
}

interface At {
  readonly run: RunDocument;
  readonly name: string;
  readonly startedAtMs: number;
}

async function performStep(ports: RunPorts, group: GroupRef, at: At): Promise<Progress> {
  const { run } = at;
  const outcome = await caught(async () => {
    const plan = await ports.documents.need(planKind, names.plan(group));
    const { value } = await ports.documents.need(groupKind, names.group(group));
    return await STEPS[run.step]({
      ports,
      group,
      run,
      plan: plan.value,
      term: value.term,
      nowMs: at.startedAtMs,
      startedAtMs: run.steps.find((record) => record.step === run.step)?.startedAtMs ?? at.startedAtMs,
    });
  });
  return afterStep(run, outcome, await times(ports, at));
}

async function performUndo(ports: RunPorts, group: GroupRef, at: At): Promise<Progress> {
  const outcome = await caught(() => undoRun(ports, group, at.run));
  return afterUndo(at.run, outcome, await times(ports, at));
}

async function times(ports: RunPorts, at: At): Promise<{ startedAtMs: number; nowMs: number }> {
  const { serviceNowMs } = await ports.documents.readWithTime(runKind, at.name);
  return { startedAtMs: at.startedAtMs, nowMs: serviceNowMs };
}

async function caught<T>(work: () => Promise<T>): Promise<T | Failed> {
  try {
    return await work();
  } catch (error) {
    const own = isLeewardError(error);
    return {
      kind: 'failed',
      error: own ? error : new LeewardError('PLATFORM_FAILED', describeError(error), { cause: error }),
    };
  }
}
