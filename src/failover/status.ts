/**
 * What is known of a site and its groups, for people and programs: the read model of the status function and the command.
 *
 * Invariants: plain JSON; nothing in it is a credential or an operation's token; a document that cannot be read is told
 * in its place and hides nothing else.
 */
import { describeActor } from '../documents/actor.ts';
import { groupKind } from '../documents/group.ts';
import { planKind, whyUnattached } from '../documents/plan.ts';
import type { Plan } from '../documents/plan.ts';
import { runKind } from '../documents/run.ts';
import type { RunDocument } from '../documents/run.ts';
import { heartbeatKind } from '../documents/site.ts';
import { DOCUMENTS_AT_ONCE } from '../documents/store.ts';
import type { Documents } from '../documents/store.ts';
import { currentGeneration, isReady, offeredGeneration, volumeKind } from '../documents/volume.ts';
import type { VolumeDocument } from '../documents/volume.ts';
import { describeError, isLeewardError } from '../kernel/errors.ts';
import { fewAtOnce } from '../kernel/few-at-once.ts';
import { groupId, parseGroup, siteId } from '../kernel/ids.ts';
import type { GroupRef, SiteRef } from '../kernel/ids.ts';
import { documents as names } from '../kernel/names.ts';

export interface SiteStatus {
  readonly site: string;
  /** Null while none ever came. Age and time are by the storage service's clock. */
  readonly heartbeat: { readonly atMs: number; readonly ageMs: number; readonly counter: number } | null;
  readonly groups: readonly (GroupStatus | Unreadable)[];
}

export interface GroupStatus {
  readonly group: string;
  readonly term: number;
  readonly phase: 'open' | 'closing' | 'ended';
  readonly holder: 'site' | 'cloud';
  readonly leaseMs: number;
  readonly renewals: number;
  /** The run that the group is bound to. */
  readonly run: string | null;
  readonly volumes: readonly (VolumeStatus | Unreadable)[];
  readonly runs: readonly (RunStatus | Unreadable)[];
}

export interface VolumeStatus {
  readonly volume: string;
  readonly term: number;
  readonly generation: number;
  /** The generation that is offered for recovery; null until a first copy is whole. */
  readonly published: number | null;
  readonly writable: boolean;
  readonly volumeBytes: number;
  readonly tipNumber: number;
  readonly appliedNumber: number;
  /** When the source stood as the replica does now, on the site's clock; null before the first delta. */
  readonly sourceTimeMs: number | null;
  /** Age of that state; across two clocks, so no better than their difference. Null before the first delta. */
  readonly lagMs: number | null;
  readonly points: number;
  readonly newestPoint: { readonly marker: string; readonly number: number; readonly takenAtMs: number } | null;
  /** Points of which every hash was the site's. */
  readonly verifiedPoints: number;
  /** What the newest comparison with the site found that came to its end; null before the first. */
  readonly compared: { readonly number: number; readonly atMs: number; readonly differingBytes: number } | null;
  /** The state that is being compared, or waits for it. */
  readonly comparing: number | null;
  /** How much the site is asked to send again, since it differs. */
  readonly repairBytes: number | null;
  /** What the generation begins from, while that is being made. */
  readonly base: { readonly from: string; readonly phase: string } | null;
  /** Why a next generation was decided on; null once it has begun. */
  readonly reseed: string | null;
  /** Why it cannot go on, or would not be recovered. */
  readonly trouble: string | null;
}

export interface RunStatus {
  readonly run: string;
  readonly kind: string;
  readonly actor: string;
  readonly reason: string;
  readonly state: 'running' | 'done' | 'failed';
  readonly step: string;
  readonly startedAtMs: number;
  readonly endedAtMs: number | null;
  readonly steps: readonly {
    readonly step: string;
    readonly startedAtMs: number;
    readonly endedAtMs: number | null;
    readonly attempts: number;
    readonly detail: string;
  }[];
  readonly points: readonly { readonly volume: string; readonly marker: string; readonly takenAtMs: number }[];
  readonly machines: readonly { readonly name: string; readonly address: string; readonly healthUrl: string }[];
  readonly failure: { readonly code: string; readonly message: string } | null;
}

/** A document that could not be read, and why. */
export interface Unreadable {
  readonly document: string;
  readonly unreadable: string;
}

/** Everything of a site. A site that is not known has no groups and no heartbeat. Errors: UNAVAILABLE, DENIED. */
export async function siteStatus(documents: Documents, site: SiteRef): Promise<SiteStatus> {
  const { held, serviceNowMs } = await documents.readWithTime(heartbeatKind, names.heartbeat(site));
  const groups = await fewAtOnce(DOCUMENTS_AT_ONCE, documents.list(names.groupsOf(site)), ({ name }) =>
    readable(name, async () => {
      const { value } = await documents.need(groupKind, name);
      return await groupStatus(documents, parseGroup(value.group));
    }),
  );
  const heartbeat = held && {
    atMs: held.lastModifiedMs,
    ageMs: serviceNowMs - held.lastModifiedMs,
    counter: held.value.heartbeat.counter,
  };
  return { site: siteId(site), heartbeat: heartbeat ?? null, groups };
}

/** Everything of a group. Errors: NOT_FOUND, UNAVAILABLE, DENIED. */
export async function groupStatus(documents: Documents, group: GroupRef): Promise<GroupStatus> {
  const { held, serviceNowMs } = await documents.readWithTime(groupKind, names.group(group));
  const { term, phase, holder, leaseMs, renewals, run } = (
    held ?? (await documents.need(groupKind, names.group(group)))
  ).value;
  const plan = await planOf(documents, group);
  const volumes = await fewAtOnce(DOCUMENTS_AT_ONCE, documents.list(names.volumesOf(group)), ({ name }) =>
    readable(name, async () =>
      volumeStatus((await documents.need(volumeKind, name)).value, { plan, nowMs: serviceNowMs }),
    ),
  );
  const runs = await fewAtOnce(DOCUMENTS_AT_ONCE, documents.list(names.runsOf(group)), ({ name }) =>
    readable(name, async () => runStatus((await documents.need(runKind, name)).value)),
  );
  return { group: groupId(group), term, phase, holder, leaseMs, renewals, run, volumes, runs };
}

/** Undefined where there is none, or none that this program can read: that is said by whoever cannot do without. */
async function planOf(documents: Documents, group: GroupRef): Promise<Plan | undefined> {
  try {
    return (await documents.read(planKind, names.plan(group)))?.value;
  } catch (error) {
    if (isLeewardError(error, 'VERSION_TOO_NEW', 'DOCUMENT_INVALID')) return undefined;
    throw error;
  }
}

async function readable<T>(document: string, read: () => Promise<T>): Promise<T | Unreadable> {
  try {
    return await read();
  } catch (error) {
    return { document, unreadable: describeError(error) };
  }
}

function volumeStatus(
  document: VolumeDocument,
  { plan, nowMs }: { readonly plan: Plan | undefined; readonly nowMs: number },
): VolumeStatus {
  const generation = currentGeneration(document);
  const offered = offeredGeneration(document);
  // Until the first delta of a next generation, the replica that there is stands as the offered one does.
  const { number, sourceTimeMs } = (generation.applied.number > 0 ? generation : (offered ?? generation)).applied;
  const begun = number > 0;
  const newest = offered?.snapshots.toSorted((a, b) => b.number - a.number)[0];
  return {
    volume: document.volume,
    term: document.term,
    generation: document.current,
    published: document.published,
    writable: generation.cut === null,
    volumeBytes: generation.volumeBytes,
    tipNumber: generation.tip.number,
    appliedNumber: generation.applied.number,
    sourceTimeMs: begun ? sourceTimeMs : null,
    lagMs: begun ? nowMs - sourceTimeMs : null,
    points: offered?.snapshots.length ?? 0,
    newestPoint: newest ? { marker: newest.marker, number: newest.number, takenAtMs: newest.takenAtMs } : null,
    verifiedPoints: offered?.snapshots.filter(({ verifiedAtMs }) => verifiedAtMs !== undefined).length ?? 0,
    compared: comparedOf(document),
    comparing: document.verification?.number ?? null,
    repairBytes: document.repair?.ranges.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0) ?? null,
    base: isReady(generation) || !generation.base ? null : { from: generation.base.from, phase: generation.base.phase },
    reseed: document.reseed?.reason ?? null,
    trouble: document.trouble?.message ?? (plan && whyUnattached(plan, document.volume)) ?? null,
  };
}

function comparedOf({ compared }: VolumeDocument): VolumeStatus['compared'] {
  if (!compared) return null;
  const { number, atMs, differingBytes } = compared;
  return { number, atMs, differingBytes };
}

function runStatus(run: RunDocument): RunStatus {
  return {
    run: run.run,
    kind: run.kind,
    actor: describeActor(run.actor),
    reason: run.reason,
    state: run.state,
    step: run.step,
    startedAtMs: run.startedAtMs,
    endedAtMs: run.endedAtMs,
    steps: run.steps.map(({ step, startedAtMs, endedAtMs, attempts, detail }) => ({
      step,
      startedAtMs,
      endedAtMs,
      attempts,
      detail,
    })),
    points: run.volumes.map(({ volume, marker, takenAtMs }) => ({ volume, marker, takenAtMs })),
    machines: run.machines.map(({ name, address, healthUrl }) => ({ name, address, healthUrl })),
    failure: run.failure && { code: run.failure.code, message: run.failure.message },
  };
}
