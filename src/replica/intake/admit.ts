/**
 * Registering a volume by a rule of its site, when its first delta comes: a new disk of a protected machine needs nobody.
 *
 * Invariants: only a rule admits, and only into a group of the same site that is the site's to write; each document is
 * made only where there is none, so that whoever is interrupted repeats it; the volume says whose it is. The disk
 * is planned before there is a volume, since nobody would plan it later; until it has a recovery point the machine starts
 * without it, as it would have without the rule. Where the plan has no room its data is protected all the same: the
 * status and the sender's next answer say that no machine is given it.
 */
import { admittedVolume } from '../../documents/admission.ts';
import { checkTakesVolumes, groupKind } from '../../documents/group.ts';
import { newVolume } from '../../documents/new-volume.ts';
import { planKind, withDisk } from '../../documents/plan.ts';
import type { SiteDocument } from '../../documents/site.ts';
import type { Documents } from '../../documents/store.ts';
import { volumeKind } from '../../documents/volume.ts';
import { LeewardError } from '../../kernel/errors.ts';
import { parseSite, volumeId } from '../../kernel/ids.ts';
import type { VolumeRef } from '../../kernel/ids.ts';
import { documents as names } from '../../kernel/names.ts';

export interface Newcomer {
  readonly volume: VolumeRef;
  /** The sender's own name of it. */
  readonly source: string;
  readonly createdAtMs: number;
}

/**
 * Makes the volume known, if it is not: then it may be another source's. Repeatable. Errors: REFUSED when no rule admits it
 * or its group is not the site's to write; NOT_FOUND when its group was never registered.
 */
export async function admit(documents: Documents, site: SiteDocument, newcomer: Newcomer): Promise<void> {
  const { volume, source, createdAtMs } = newcomer;
  const id = volumeId(volume);
  const admitted = admittedVolume(site.admission ?? [], parseSite(site.site), source);
  if (!admitted || volumeId(admitted) !== id) {
    throw new LeewardError('REFUSED', `source: no rule of ${site.site} makes "${source}" the volume ${id}`);
  }
  const { value: group } = await documents.need(groupKind, names.group(volume));
  checkTakesVolumes(group);
  await documents.update(planKind, names.plan(volume), (plan) => withDisk(plan, id, { optional: true }));
  const { account } = site;
  // Its first delta brings its size.
  const fresh = newVolume(volume, { account, volumeBytes: 0, term: group.term, createdAtMs, source });
  await documents.createOrRead(volumeKind, names.volume(volume), fresh);
}
