/**
 * Answers on disks that a site sees and that nobody registered: which volume each would be, by the rules of the site.
 *
 * Invariants: nothing is registered here, and nothing changed. What is told is how a volume begins, so that the
 * sender can make its first delta, and that delta's coming makes the volume. What the heartbeat has read already is not
 * read again: however many sources are asked for, it costs a look at the plan of each group that they lead into.
 */
import { admittedVolume } from '../../documents/admission.ts';
import type { GroupDocument } from '../../documents/group.ts';
import { newVolume } from '../../documents/new-volume.ts';
import { hasRoom, planKind, whyUnattached } from '../../documents/plan.ts';
import type { Plan } from '../../documents/plan.ts';
import type { SiteDocument } from '../../documents/site.ts';
import { DOCUMENTS_AT_ONCE } from '../../documents/store.ts';
import type { Documents } from '../../documents/store.ts';
import type { Found } from '../../documents/understood.ts';
import { isLeewardError } from '../../kernel/errors.ts';
import { fewAtOnce } from '../../kernel/few-at-once.ts';
import { groupId, parseSite, volumeId } from '../../kernel/ids.ts';
import type { VolumeRef } from '../../kernel/ids.ts';
import { documents as names } from '../../kernel/names.ts';
import type { HeartbeatAnswer, VolumeAnswer } from '../../protocol/heartbeat.ts';
import { volumeAnswer } from './volume-answer.ts';
import type { Issuing } from './volume-answer.ts';

type SourceAnswer = NonNullable<HeartbeatAnswer['sources']>[number];

/** What is known of a site. */
export interface Known {
  readonly site: SiteDocument;
  /** Each volume with the source that it is, where a rule made it. */
  readonly volumes: Found<{ readonly source: string | undefined }>;
  readonly groups: Found<GroupDocument>;
  readonly issuing: Issuing;
}

/** What to say of each source, and of the volumes that some of them would become. Errors: UNAVAILABLE, DENIED. */
export async function newcomers(
  documents: Documents,
  known: Known,
  sources: readonly string[],
): Promise<{ readonly sources: SourceAnswer[]; readonly volumes: VolumeAnswer[] }> {
  const { site } = known;
  const admitted = [...new Set(sources)].map((source) => ({
    source,
    volume: admittedVolume(site.admission ?? [], parseSite(site.site), source),
  }));
  const planNames = new Set(
    admitted.flatMap(({ volume }) => (volume && groupOf(known, volume) ? names.plan(volume) : [])),
  );
  const plans = await plansNamed(documents, planNames);
  const taken = new Map<string, string>();
  const answers: SourceAnswer[] = [];
  const volumes: VolumeAnswer[] = [];
  for (const { source, volume } of admitted) {
    const group = volume && groupOf(known, volume);
    if (!volume || !group) {
      const why = volume ? `its group ${groupId(volume)} is not registered` : `no rule of ${site.site} admits it`;
      answers.push({ source, reason: why });
      continue;
    }
    const id = volumeId(volume);
    const plan = plans.get(names.plan(volume));
    const reason = whyNot(known, { source, volume, plan, first: taken.get(id) });
    if (reason !== undefined) {
      answers.push({ source, reason });
      continue;
    }
    taken.set(id, source);
    const isNew = !known.volumes.has(names.volume(volume));
    const willBePlanned = isNew && plan && hasRoom(plan);
    const unattached = willBePlanned ? undefined : plan && whyUnattached(plan, id);
    answers.push({ source, volume: id, ...(unattached !== undefined && { reason: unattached }) });
    const { term, phase, holder } = group;
    if (!isNew) continue;
    // When it is registered, and how large it is, is not told of it.
    const beginning = newVolume(volume, { account: site.account, volumeBytes: 0, term, createdAtMs: 0 });
    volumes.push({
      ...(await volumeAnswer(beginning, known.issuing)),
      writable: phase === 'open' && holder === 'site',
    });
  }
  return { sources: answers, volumes };
}

function groupOf({ groups }: Known, volume: VolumeRef): GroupDocument | undefined {
  return groups.get(names.group(volume));
}

/** Why the source is no volume; undefined where it is one, or can become one. `first` is who has its name by this answer. */
function whyNot(
  { volumes }: Known,
  of: {
    readonly source: string;
    readonly volume: VolumeRef;
    readonly plan: Plan | undefined;
    readonly first: string | undefined;
  },
): string | undefined {
  const { source, volume, plan, first } = of;
  const id = volumeId(volume);
  const name = names.volume(volume);
  if (first !== undefined) return `${id} is "${first}"`;
  if (!volumes.has(name)) return plan ? undefined : `its group ${groupId(volume)} has no plan that can be read`;
  const found = volumes.get(name);
  if (!found) return `${id} has a document that cannot be read`;
  if (found.source === source) return undefined;
  return `${id} is ${found.source === undefined ? 'registered by hand' : `"${found.source}"`}`;
}

/** The plans of these names, as far as there are any that this program understands. */
async function plansNamed(documents: Documents, planNames: Iterable<string>): Promise<ReadonlyMap<string, Plan>> {
  const plans = new Map<string, Plan>();
  await fewAtOnce(DOCUMENTS_AT_ONCE, planNames, async (name) => {
    try {
      const held = await documents.read(planKind, name);
      if (held) plans.set(name, held.value);
    } catch (error) {
      if (!isLeewardError(error, 'VERSION_TOO_NEW', 'DOCUMENT_INVALID')) throw error;
    }
  });
  return plans;
}
