/**
 * end: the term ends. One write decides who has the next one; only then each volume's term is ended, which fixes its cut.
 */
import { groupKind } from '../../documents/group.ts';
import { documents as names } from '../../kernel/names.ts';
import { endedForCloud } from '../../health/term/term.ts';
import { volumesOfGroup } from '../volumes.ts';
import type { Step } from '../ports.ts';

export const end: Step = async ({ ports, group, run, plan }) => {
  const { value } = await ports.documents.update(groupKind, names.group(group), (found) =>
    endedForCloud(found, run.run),
  );
  const cuts: string[] = [];
  for (const volume of await volumesOfGroup(ports.documents, group, plan)) {
    const cut = await ports.volumes.endTerm(volume, value.term);
    cuts.push(`${volume.volume} at ${cut.number}`);
  }
  return { kind: 'done', detail: `term ${value.term} has ended; cut: ${cuts.join(', ')}` };
};
