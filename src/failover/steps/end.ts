/**
 * end: the term ends. One write decides who has the next one; only then each volume's term is ended, which fixes its cut.
 */
import { groupKind } from '../../documents/group.ts';
import type { GroupDocument } from '../../documents/group.ts';
import { LeewardError } from '../../kernel/errors.ts';
import { documents as names } from '../../kernel/names.ts';
import { volumesOfGroup } from '../volumes.ts';
import type { Step } from '../ports.ts';

export const end: Step = async ({ ports, group, run, plan }) => {
  const { value } = await ports.documents.update(groupKind, names.group(group), (found): GroupDocument | undefined => {
    if (found.closing?.run !== run.run) {
      throw new LeewardError(
        'REFUSED',
        `run ${run.run} did not close ${found.group}: it cannot end term ${found.term}`,
      );
    }
    if (found.phase === 'closing') return { ...found, phase: 'ended', holder: 'cloud' };
    if (found.holder === 'cloud') return undefined;
    throw new LeewardError('REFUSED', `the site has won the term after ${found.term} of ${found.group}`);
  });
  const cuts: string[] = [];
  for (const volume of await volumesOfGroup(ports.documents, group, plan)) {
    const cut = await ports.volumes.endTerm(volume, value.term);
    cuts.push(`${volume.volume} at ${cut.number}`);
  }
  return { kind: 'done', detail: `term ${value.term} has ended; cut: ${cuts.join(', ')}` };
};
