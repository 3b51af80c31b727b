/**
 * Starts a run.
 *
 * Invariants: the same order meets the same run, however often it arrives; a group has one run at a time. The writes
 * come in this order: the run's document, the group's binding, the ticket. A crash after the first is finished by the
 * ticket that the monitor sends for any run that is overdue (the first step binds too); a crash before it leaves nothing,
 * and the order is given again.
 */
import type { Actor } from '../documents/actor.ts';
import { groupKind } from '../documents/group.ts';
import type { GroupDocument } from '../documents/group.ts';
import { planKind } from '../documents/plan.ts';
import type { Plan } from '../documents/plan.ts';
import { runKind } from '../documents/run.ts';
import type { RunDocument } from '../documents/run.ts';
import type { Documents, Held } from '../documents/store.ts';
import { volumeKind } from '../documents/volume.ts';
import { LeewardError, isLeewardError } from '../kernel/errors.ts';
import { groupId, parseGroup, volumeId } from '../kernel/ids.ts';
import type { GroupRef } from '../kernel/ids.ts';
import { documents as names } from '../kernel/names.ts';
import { CURRENT_VERSION } from '../kernel/versions.ts';
import { bindRun } from './binding.ts';
import { runName } from './names.ts';
import type { StartPorts } from './ports.ts';
import { sendTicket } from './tickets.ts';
import { plannedVolumes } from './volumes.ts';

export interface StartOrder {
  readonly group: GroupRef;
  readonly kind: 'unplanned';
  readonly actor: Actor;
  readonly reason: string;
  /** The term that it is for; undefined for the present one. */
  readonly term?: number | undefined;
  /** What makes the order this one, such as its signature or its decision: the same order meets the same run. */
  readonly order: string;
}

/**
 * Starts the run of an order, or finds it, whatever became of it. Errors: NOT_FOUND (no such group, no plan), REFUSED
 * (another run has the group, the site does not hold an open term, nothing to start from), UNAVAILABLE.
 */
export async function startRun(ports: StartPorts, order: StartOrder): Promise<RunDocument> {
  const { documents } = ports;
  const { group } = order;
  const held = await documents.need(groupKind, names.group(group));
  if (order.term !== undefined && order.term !== held.value.term) {
    throw new LeewardError(
      'REFUSED',
      `${groupId(group)} is at term ${held.value.term}: an order for term ${order.term} counts no more`,
    );
  }
  const run = runName({ term: held.value.term, kind: order.kind, order: order.order });
  const name = names.run(group, run);

  const before = await documents.read(runKind, name);
  // With its first ticket worked on it is a run like any other: the monitor's to resume, and never to be bound anew.
  if (before && (before.value.state !== 'running' || before.value.ticket > 0)) return before.value;
  if (!before) await checkMayStart(documents, held.value, run);
  const started = before ?? (await createRun(ports, name, { order, run }));
  try {
    await bindRun(documents, group, run);
  } catch (error) {
    if (isLeewardError(error, 'REFUSED')) await refuseRun(documents, started, error);
    throw error;
  }
  await sendTicket(ports, started.value);
  return started.value;
}

/**
 * Whether a run may start as things stand: for {@link startRun}, and for whoever orders one and wants to know at once.
 * Errors: NOT_FOUND (no plan), REFUSED.
 */
export async function checkMayStart(documents: Documents, document: GroupDocument, run?: string): Promise<void> {
  const { group: id, run: bound, term, phase, holder } = document;
  if (bound !== null && bound !== run) throw new LeewardError('REFUSED', `${id}: run ${bound} moves it already`);
  if (phase !== 'open' || holder !== 'site') {
    throw new LeewardError(
      'REFUSED',
      `${id}: term ${term} is ${phase}, holder ${holder}: only an open term of the site can be failed over`,
    );
  }
  const group = parseGroup(id);
  const plan = await documents.need(planKind, names.plan(group));
  await checkPoints(documents, group, plan.value);
}

async function createRun(
  { documents }: StartPorts,
  name: string,
  { order, run }: { order: StartOrder; run: string },
): Promise<Held<RunDocument>> {
  const { serviceNowMs } = await documents.readWithTime(runKind, name);
  const document: RunDocument = {
    version: CURRENT_VERSION,
    run,
    group: groupId(order.group),
    kind: order.kind,
    actor: order.actor,
    reason: order.reason,
    state: 'running',
    step: 'reserve',
    ticket: 0,
    ticketDueMs: serviceNowMs,
    startedAtMs: serviceNowMs,
    endedAtMs: null,
    steps: [],
    volumes: [],
    operations: {},
    machines: [],
    failure: null,
  };
  return (await documents.createOrRead(runKind, name, document)).held;
}

/** A run that another was quicker than: it never began, and leaves nothing but its record. */
async function refuseRun(documents: Documents, run: Held<RunDocument>, error: LeewardError): Promise<void> {
  const { code, message } = error;
  await documents.update(runKind, run.name, (found): RunDocument | undefined =>
    found.state === 'running' && found.ticket === 0
      ? { ...found, state: 'failed', endedAtMs: run.lastModifiedMs, failure: { code, message } }
      : undefined,
  );
}

/** Refuses a plan that has nothing to start from: what it insists on needs a published replica with a recovery point. */
async function checkPoints(documents: Documents, group: GroupRef, plan: Plan): Promise<void> {
  for (const { volume, optional } of plannedVolumes(plan)) {
    const id = volumeId(volume);
    const refuse = (why: string): never => {
      throw new LeewardError('REFUSED', `the plan of ${groupId(group)} cannot be run: volume ${id} ${why}`);
    };
    if (groupId(volume) !== groupId(group)) refuse('belongs to another group');
    if (optional) continue;
    const held = (await documents.read(volumeKind, names.volume(volume))) ?? refuse('does not exist');
    const { published, generations } = held.value;
    if (published === null) refuse('has no whole first copy yet');
    else if (generations[String(published)]?.snapshots.length === 0) refuse('has no recovery point yet');
  }
}
