/**
 * Which run a group is bound to: the group's own document says it, so that there is never a second.
 *
 * Invariants: binding, closing and freeing are each one write over the version that was read; they compete for the group,
 * and exactly one of them is first. A run that is over never keeps the group: the document knows only the last one that was
 * undone (`freed`), so whoever binds looks at the run anew afterwards, since a run that fails says so before it frees the
 * group; and where a worker died in between, the monitor frees it.
 */
import { groupKind } from '../documents/group.ts';
import { runKind } from '../documents/run.ts';
import type { Documents } from '../documents/store.ts';
import { LeewardError } from '../kernel/errors.ts';
import { groupId } from '../kernel/ids.ts';
import type { GroupRef } from '../kernel/ids.ts';
import { documents as names } from '../kernel/names.ts';
import { bound, freed, whyNotBound } from '../health/term/term.ts';
import { isOfTerm } from './names.ts';

/**
 * Binds a group to a run; bound to it already is well. Errors: REFUSED when the group cannot be moved by it, or the run
 * has failed meanwhile: then it is not bound.
 */
export async function bindRun(documents: Documents, group: GroupRef, run: string): Promise<void> {
  const refuse = (why: string): never => {
    throw new LeewardError('REFUSED', `${groupId(group)}: ${why}`);
  };
  await documents.update(groupKind, names.group(group), (found, { lastModifiedMs }) => {
    const why = whyNotBound(found, run);
    if (why !== undefined) return refuse(why);
    if (!isOfTerm(run, found.term)) return refuse(`run ${run} was ordered in another term than ${found.term}`);
    return bound(found, run, lastModifiedMs);
  });
  const held = await documents.read(runKind, names.run(group, run));
  if (held?.value.state === 'running' && held.value.failure === null) return;
  // A run that closed the group goes on whatever it has noted.
  if ((await freeGroup(documents, group, run)) === 'free') return refuse(`run ${run} has failed or is over`);
}

/**
 * Frees a group of a run that will not go on. 'closed' when the run's close took effect meanwhile: then it must go on
 * after all, for the site gets no lease any more.
 */
export async function freeGroup(documents: Documents, group: GroupRef, run: string): Promise<'free' | 'closed'> {
  const { value } = await documents.update(groupKind, names.group(group), (found) => freed(found, run));
  return value.closing?.run === run ? 'closed' : 'free';
}

/** Frees a group that is bound to a run that has failed, as a worker leaves it that came late and died. Whether it did. */
export async function freeOfFailedRun(documents: Documents, group: GroupRef, run: string): Promise<boolean> {
  const held = await documents.read(runKind, names.run(group, run));
  return held?.value.state === 'failed' && (await freeGroup(documents, group, run)) === 'free';
}
