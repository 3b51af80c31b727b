/**
 * Registering a volume: the documents that make a site, a group, a plan and a volume known to the cloud.
 *
 * Invariants: each document is created only where there is none, and changed only under its ETag; whoever is
 * interrupted repeats the call; nothing is registered into a group that is being moved; a plan that does not fit its lease,
 * its witnesses and the monitor is never stored.
 */
import { checkTakesVolumes, groupKind } from '../documents/group.ts';
import type { GroupDocument } from '../documents/group.ts';
import { hasRoom, mayMoveUnasked, planKind, whyUnattached, withDisk } from '../documents/plan.ts';
import type { Plan } from '../documents/plan.ts';
import { siteKind } from '../documents/site.ts';
import type { Documents } from '../documents/store.ts';
import { newVolume } from '../documents/new-volume.ts';
import { volumeKind } from '../documents/volume.ts';
import { marginMs } from '../health/term/margin.ts';
import type { MarginAssumptions } from '../health/term/margin.ts';
import { LeewardError } from '../kernel/errors.ts';
import { groupId, siteId, volumeId } from '../kernel/ids.ts';
import type { VolumeRef } from '../kernel/ids.ts';
import { documents as names } from '../kernel/names.ts';
import { CURRENT_VERSION } from '../kernel/versions.ts';
import { deriveKey } from '../protocol/signed.ts';
import type { SigningKey } from '../protocol/signed.ts';
import { checkFits } from './plans.ts';
import type { Timing } from './plans.ts';
import type { Storage } from './storage.ts';

/** Where the group's machines would be recovered. */
export interface RecoveryTarget {
  readonly location: string;
  /** Resource id of the subnet. */
  readonly subnet: string;
  /** Resource id of the solution stack's image. */
  readonly image: string;
  readonly size: string;
  readonly probe: Plan['machines'][number]['probe'];
}

export interface Registration {
  readonly volume: VolumeRef;
  readonly volumeBytes: number;
  readonly leaseMs: number;
  /** Whether the group's applications run on when their lease is over; never where nobody is asked. Of a new group alone. */
  readonly keep?: boolean;
  readonly assumptions: MarginAssumptions;
  /** Of a new plan alone, as the assumptions: how long its guards may let the applications take to stop in order. */
  readonly stopMs: number;
  /** Of a new plan alone: who decides, for how long the site has to be down, and what follows where nobody answers. */
  readonly plan: Pick<Plan, 'mode' | 'consents' | 'windowMs' | 'noAnswer' | 'answerMs' | 'alertAfterMs'>;
  readonly timing: Timing;
  readonly target: RecoveryTarget;
}

export interface Registered {
  /** The site's own key, for its access file. */
  readonly key: SigningKey;
  readonly plan: Plan;
  /** False when the volume was registered before. */
  readonly isNew: boolean;
}

/** Tenants that no site may be in: the canary's, and the one that operators' keys are named in. */
const RESERVED_TENANTS = ['leeward', 'operator'];

/** Name of a site's first key. */
const FIRST_KEY = 'k1';

/** How long a machine may take until its probe answers, before the run says that it takes too long. */
const HEALTH_MS = 10 * 60_000;

/**
 * Registers a volume, with its site, group and plan where they are missing. Can be repeated. The size of a volume that was
 * registered before is left alone: its own deltas change it. Errors: USAGE for a reserved tenant, for a plan that does not fit,
 * and for a group that keeps and is automatic; REFUSED when its group is not the site's to write or has strict leases where
 * they shall keep, or no machine of its plan has room for one disk more: then nothing was registered, unless somebody else
 * took the last place meanwhile.
 */
export async function registerVolume(
  storage: Pick<Storage, 'documents' | 'account' | 'clock' | 'keySecret'>,
  registration: Registration,
): Promise<Registered> {
  const { volume, volumeBytes } = registration;
  const { documents } = storage;
  if (RESERVED_TENANTS.includes(volume.tenant)) {
    throw new LeewardError('USAGE', `tenant "${volume.tenant}" is Leeward's own: choose another`);
  }
  if (registration.keep === true && mayMoveUnasked(registration.plan)) {
    throw new LeewardError(
      'USAGE',
      'applications that run on without a lease are never failed over by themselves: keep and automatic exclude each other',
    );
  }
  const known = await documents.read(groupKind, names.group(volume));
  if (registration.keep === true && known !== undefined && known.value.lease !== 'keep') {
    const why =
      'its leases are strict, as it was registered: what was started under the one is not to be waited for by the other';
    throw new LeewardError('REFUSED', `${groupId(volume)}: ${why}; use another group`);
  }
  const planned = await documents.read(planKind, names.plan(volume));
  if (planned) checkRoom(planned.value, volume);
  else await checkNewPlan(documents, registration);
  const { held: heldSite } = await documents.createOrRead(siteKind, names.site(volume), {
    version: CURRENT_VERSION,
    site: siteId(volume),
    keys: [{ name: FIRST_KEY, state: 'active' as const }],
    account: storage.account,
  });
  const { value: site } = heldSite;
  const { held: heldGroup } = await documents.createOrRead(groupKind, names.group(volume), newGroup(registration));
  const { value: group } = heldGroup;
  checkTakesVolumes(group);
  const { isNew } = await documents.createOrRead(
    volumeKind,
    names.volume(volume),
    newVolume(volume, { account: site.account, volumeBytes, term: group.term, createdAtMs: storage.clock.wallMs() }),
  );
  const plan = await planFor(documents, registration);
  return { key: deriveKey(storage.keySecret, { signer: site.site, name: FIRST_KEY }), plan, isNew };
}

function newGroup({ volume, leaseMs, assumptions, keep }: Registration): GroupDocument {
  return {
    version: CURRENT_VERSION,
    group: groupId(volume),
    term: 1,
    phase: 'open',
    holder: 'site',
    leaseMs,
    ...(keep === true && { lease: 'keep' as const }),
    marginMs: marginMs(leaseMs, assumptions),
    renewals: 0,
    run: null,
    closing: null,
  };
}

/** Before anything is written. A group and a site that are there already are what it has to fit. */
async function checkNewPlan(documents: Documents, registration: Registration): Promise<void> {
  const { volume, timing } = registration;
  const [site, group] = await Promise.all([
    documents.read(siteKind, names.site(volume)),
    documents.read(groupKind, names.group(volume)),
  ]);
  const of = { plan: newPlan(registration), group: group?.value ?? newGroup(registration), site: site?.value ?? {} };
  checkFits(of, timing);
}

/** The group's plan, with the volume as one more disk of its first machine where it is not planned yet. */
async function planFor(documents: Documents, registration: Registration): Promise<Plan> {
  const { volume } = registration;
  const name = names.plan(volume);
  await documents.createOrRead(planKind, name, newPlan(registration));
  const { value } = await documents.update(planKind, name, (plan) => withDisk(plan, volumeId(volume)));
  checkRoom(value, volume);
  return value;
}

/** Refuses a volume that no machine would be given: a replica that nobody recovers is not what was asked for. */
function checkRoom(plan: Plan, volume: VolumeRef): void {
  if (hasRoom(plan)) return;
  const why = whyUnattached(plan, volumeId(volume));
  if (why !== undefined) throw new LeewardError('REFUSED', `${volumeId(volume)}: ${why}; use another group`);
}

function newPlan({ volume, plan, target, stopMs, assumptions }: Registration): Plan {
  return {
    version: CURRENT_VERSION,
    group: groupId(volume),
    ...plan,
    location: target.location,
    subnet: target.subnet,
    machines: [
      {
        name: volume.group.slice(0, 30).replace(/-$/, ''),
        image: target.image,
        size: target.size,
        disks: [{ volume: volumeId(volume), lun: 0 }],
        probe: target.probe,
      },
    ],
    healthMs: HEALTH_MS,
    stopping: { stopMs, assumptions: { ...assumptions } },
  };
}
