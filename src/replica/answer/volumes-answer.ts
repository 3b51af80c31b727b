/**
 * The data path's part of the answer to a heartbeat: every volume of the site, and the disks that it asks about.
 *
 * Invariants: nothing is changed here. A volume whose document this program cannot understand is left out of the answer
 * and told to people: its sender then goes on keeping what it has, which loses nothing, while the others go on.
 */
import type { GroupDocument } from '../../documents/group.ts';
import type { SiteDocument } from '../../documents/site.ts';
import type { Documents } from '../../documents/store.ts';
import { understood } from '../../documents/understood.ts';
import type { Found } from '../../documents/understood.ts';
import { volumeKind } from '../../documents/volume.ts';
import { parseSite } from '../../kernel/ids.ts';
import { documents as names } from '../../kernel/names.ts';
import type { HeartbeatAnswer } from '../../protocol/heartbeat.ts';
import { newcomers } from './newcomers.ts';
import { volumeAnswer } from './volume-answer.ts';
import type { Issuing } from './volume-answer.ts';

export interface VolumesAnswerPorts {
  readonly documents: Documents;
  readonly access: Issuing['access'];
  /** One line for the people who run the cloud's side. */
  readonly tell: (line: string) => void;
}

/** Answers for a site's volumes. `groups` are the site's own, by name. Errors: UNAVAILABLE, DENIED. */
export async function answerVolumes(
  ports: VolumesAnswerPorts,
  of: {
    readonly site: SiteDocument;
    readonly groups: Found<GroupDocument>;
    /** Disks that the site sees and asks about. */
    readonly sources: readonly string[] | undefined;
    readonly expiresAtMs: number;
  },
): Promise<Pick<HeartbeatAnswer, 'volumes' | 'sources'>> {
  const { site, groups, sources, expiresAtMs } = of;
  const issuing = { access: ports.access, expiresAtMs };
  const listed = { prefix: names.volumesOfSite(parseSite(site.site)), whereof: `the answer to ${site.site}` };
  const volumes = await understood(ports, listed, async (name) => {
    const { value } = await ports.documents.need(volumeKind, name);
    return { source: value.source, answer: await volumeAnswer(value, issuing) };
  });
  const answers = [...volumes.values()].flatMap((found) => found?.answer ?? []);
  if (!sources) return { volumes: answers };
  const fresh = await newcomers(ports.documents, { site, volumes, groups, issuing }, sources);
  return { volumes: [...answers, ...fresh.volumes], sources: fresh.sources };
}
