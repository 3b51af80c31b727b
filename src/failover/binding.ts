/**
 * Which run a group is bound to: the group's own document says it, so that there is never a second.
 *
 * Invariants: binding, closing and freeing are each one write over the version that was read; they compete for the group,
 * and exactly one of them is first. A run that was freed of its group is never bound to it again: the document keeps its
 * name (`freed`), so that a worker that comes late cannot bring an undone run back.
 */
import { groupKind, lastGrantBoundMs } from '../documents/group.ts';
import type { Documents } from '../documents/store.ts';
import { LeewardError } from '../kernel/errors.ts';
import { groupId } from '../kernel/ids.ts';
import type { GroupRef } from '../kernel/ids.ts';
import { documents as names } from '../kernel/names.ts';
import { isOfTerm } from './names.ts';

/** Binds a group to a run; bound to it already is well. Errors: REFUSED when the group cannot be moved by it. */
export async function bindRun(documents: Documents, group: GroupRef, run: string): Promise<void> {
  const refuse = (why: string): never => {
    throw new LeewardError('REFUSED', `${groupId(group)}: ${why}`);
  };
  await documents.update(groupKind, names.group(group), (found, { lastModifiedMs }) => {
    if (found.run === run) return undefined;
    if (found.freed === run) return refuse(`run ${run} was undone`);
    if (found.run !== null) return refuse(`run ${found.run} moves it already`);
    if (found.phase !== 'open') return refuse(`term ${found.term} is ${found.phase}, so there is nothing to fail over`);
    if (found.holder !== 'site') return refuse(`the cloud has term ${found.term} already`);
    if (!isOfTerm(run, found.term)) return refuse(`run ${run} was ordered in another term than ${found.term}`);
    const quiet = { renewals: found.renewals, sinceMs: lastGrantBoundMs(found, lastModifiedMs) };
    return { ...found, run, quiet };
  });
}

/**
 * Frees a group of a run that will not go on. 'closed' when the run's close took effect meanwhile: then it must go on
 * after all, for the site gets no lease any more.
 */
export async function freeGroup(documents: Documents, group: GroupRef, run: string): Promise<'free' | 'closed'> {
  const { value } = await documents.update(groupKind, names.group(group), (found) =>
    found.run === run && found.phase === 'open' ? { ...found, run: null, freed: run } : undefined,
  );
  return value.closing?.run === run ? 'closed' : 'free';
}
