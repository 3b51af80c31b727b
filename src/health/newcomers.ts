/**
 * Answers on disks that a site sees and that nobody registered: which volume each would be, by the rules of the site.
 *
 * Invariant: nothing is registered here, and nothing changed. What is told is how a volume begins, so that the
 * sender can make its first delta, and that delta's coming makes the volume.
 */
import { admittedVolume } from '../documents/admission.ts';
import { groupKind } from '../documents/group.ts';
import type { SiteDocument } from '../documents/site.ts';
import type { Documents } from '../documents/store.ts';
import { volumeKind } from '../documents/volume.ts';
import { NO_DIGEST } from '../kernel/hash.ts';
import { groupId, parseSite, volumeId } from '../kernel/ids.ts';
import type { VolumeRef } from '../kernel/ids.ts';
import { documents as names, journalPrefix } from '../kernel/names.ts';
import type { HeartbeatAnswer, VolumeAnswer } from '../protocol/heartbeat.ts';

type SourceAnswer = NonNullable<HeartbeatAnswer['sources']>[number];

/** What to say of each source, and of the volumes that some of them would become. */
export async function newcomers(
  documents: Documents,
  site: SiteDocument,
  sources: readonly string[],
): Promise<{ readonly sources: SourceAnswer[]; readonly volumes: VolumeAnswer[] }> {
  const answers: SourceAnswer[] = [];
  const volumes: VolumeAnswer[] = [];
  for (const source of sources) {
    const volume = admittedVolume(site.admission ?? [], parseSite(site.site), source);
    const known = volume && (await documents.read(volumeKind, names.volume(volume)));
    const group = volume && (await documents.read(groupKind, names.group(volume)));
    if (!volume) answers.push({ source, reason: `no rule of ${site.site} admits it` });
    else if (!group) answers.push({ source, reason: `its group ${groupId(volume)} is not registered` });
    else if (known && known.value.source !== source) {
      answers.push({ source, reason: `${volumeId(volume)} is ${known.value.source ?? 'registered by hand'}` });
    } else {
      answers.push({ source, volume: volumeId(volume) });
      const { term, phase, holder } = group.value;
      if (!known) volumes.push(beginning(volume, { term, writable: phase === 'open' && holder === 'site' }));
    }
  }
  return { sources: answers, volumes };
}

/** A volume before its first delta. */
function beginning(volume: VolumeRef, of: { term: number; writable: boolean }): VolumeAnswer {
  return {
    volume: volumeId(volume),
    generation: 1,
    ...of,
    acknowledged: { number: 0, digest: NO_DIGEST },
    appliedNumber: 0,
    queue: 'bulk',
    entryPrefix: journalPrefix(volume, 1),
    resend: [],
  };
}
