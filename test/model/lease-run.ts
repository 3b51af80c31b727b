/**
 * The cloud in the model of leases: a run from its beginning to its machine, what undoes it, and an abort, each by the
 * group's document, which production's own transitions change.
 */
import type { GroupDocument } from '../../src/documents/group.ts';
import {
  bound,
  closed,
  confirmedStopped,
  endedForCloud,
  freed,
  openedForSite,
  untilStoppedMs,
  whyNotBound,
  wonBySite,
} from '../../src/health/term/term.ts';
import { isLeewardError } from '../../src/kernel/errors.ts';
import type { Step } from './checker.ts';
import { ACTOR, TICK_MS, WINDOW } from './lease-world.ts';
import type { Kind, Kinds, Node, Rules, State } from './lease-world.ts';

/** What can come of runs: at most one has the group at a time. */
export function* runSteps(rules: Rules, state: State): Kinds {
  const { group, cloud, tick, writtenTick, calm } = state;
  const written = (
    kind: Kind,
    label: string,
    after: GroupDocument | undefined,
    changed: Partial<State['cloud']> = {},
  ): (Step<State> & { kind: Kind })[] =>
    after
      ? [{ kind, label, state: { ...state, group: after, writtenTick: tick, cloud: { ...cloud, ...changed } } }]
      : [];
  const { run, closing, phase } = group;
  const next = `t${group.term}-unplanned-${cloud.begun + 1}`;
  const isTime = calm === undefined || (calm.site !== 'well' && tick - calm.sinceTick >= WINDOW);
  if (isTime && run === null && whyNotBound(group, next) === undefined) {
    // The run's resource group is made before the close.
    const begun = { rooms: [...cloud.rooms, next], begun: cloud.begun + 1 };
    yield* written(calm ? 'soon' : 'fault', 'a run begins', bound(group, next, writtenTick * TICK_MS), begun);
  }
  if (run !== null && phase === 'open') {
    const hasRoom = cloud.rooms.includes(run) && calm?.hasCapacity !== false;
    const after = closed(group, { run, actor: ACTOR, lastModifiedMs: writtenTick * TICK_MS });
    if (hasRoom) yield* written('soon', 'the term is closed', after);
    yield* undo(rules, state, run, hasRoom);
  }
  if (phase === 'closing' && closing) {
    if (cloud.waited === '' && isWaitOver(rules, state, closing.run)) {
      const over = { ...state, cloud: { ...cloud, waited: closing.run } };
      yield { kind: 'soon', label: 'the wait is over', state: over };
    }
    yield* confirmation(rules, state, closing.run);
  }
  if (cloud.waited !== '') {
    const label = 'the term has ended';
    try {
      yield* written('soon', label, endedForCloud(group, cloud.waited), { waited: '' });
    } catch (error) {
      if (!isLeewardError(error, 'REFUSED')) throw error;
      yield { kind: 'soon', label: 'the end is refused', state: { ...state, cloud: { ...cloud, waited: '' } } };
    }
  }
  const isCloud = phase === 'ended' && group.holder === 'cloud';
  if (isCloud && closing && cloud.rooms.includes(closing.run) && cloud.starting === '' && !cloud.application) {
    const starting = { ...state, cloud: { ...cloud, starting: closing.run } };
    if (calm?.hasCapacity !== false) yield { kind: 'soon', label: 'a worker is about to start', state: starting };
  }
  if (cloud.starting !== '') {
    const isThere = cloud.rooms.includes(cloud.starting);
    const label = isThere ? 'the application runs in the cloud' : 'its start is refused';
    const nodes = isThere ? state.nodes.map(replaced) : state.nodes;
    const after = { ...cloud, starting: '', application: isThere, isReplaced: false };
    yield { kind: 'soon', label, state: { ...state, nodes, cloud: after } };
  }
}

/** A run that has closed nothing leaves nothing. */
function* undo(rules: Rules, state: State, run: string, hasRoom: boolean): Kinds {
  const { calm, cloud, left } = state;
  const group = freed(state.group, run);
  if (!group || (!calm && left.aborts === 0)) return;
  const after = { ...cloud, rooms: cloud.rooms.filter((name) => name !== run) };
  const aborts = Math.max(0, left.aborts - 1);
  yield {
    kind: calm && !hasRoom ? 'soon' : calm?.site === 'well' ? 'may' : 'fault',
    label: 'the run is undone before its close',
    state: { ...state, group, writtenTick: state.tick, cloud: after, left: { ...left, aborts } },
  };
}

function isWaitOver(rules: Rules, { group, tick }: State, run: string): boolean {
  const { lease, ...rest } = group;
  const judged = rules.unsafe.keepWaits === true ? rest : { ...rest, ...(lease && { lease }) };
  return untilStoppedMs(judged, run, tick * TICK_MS) === 0;
}

/** A person goes and sees that nothing runs, and says so. */
function* confirmation(rules: Rules, state: State, run: string): Kinds {
  const { group, tick, nodes } = state;
  if (nodes.some(({ application }) => application !== 'gone')) return;
  const atMs = rules.unsafe.keepEarly === true ? Number.MAX_SAFE_INTEGER : tick * TICK_MS;
  try {
    const after = confirmedStopped(group, run, { actor: ACTOR, atMs });
    if (after)
      yield {
        kind: 'soon',
        label: 'a person confirms the stop',
        state: { ...state, group: after, writtenTick: tick },
      };
  } catch (error) {
    if (!isLeewardError(error, 'REFUSED')) throw error;
  }
}

/** What can come of an abort, and of the way back: both end in the site's next term. */
export function* abortSteps(rules: Rules, state: State): Kinds {
  const { group, cloud, tick, left, calm } = state;
  const run = group.closing?.run;
  if (run === undefined) return;
  const isBegun = group.phase === 'ended' && (group.holder === 'site' || !cloud.rooms.includes(run));
  const mustGoOn = isBegun || (calm?.site === 'well' && !calm.hasCapacity && !cloud.application);
  if (calm ? !mustGoOn : left.aborts === 0) return;
  if (group.phase === 'closing') {
    const after = wonBySite(group, run);
    if (after) {
      yield {
        kind: 'soon',
        label: 'an abort wins the next term',
        state: { ...state, group: after, writtenTick: tick },
      };
    }
    return;
  }
  const isWeak = rules.unsafe.weakAbort === true;
  const rooms = cloud.rooms.filter((name) => name !== run);
  const isDeleted = rooms.length === cloud.rooms.length;
  if (!isDeleted && !isWeak) {
    const label = "the abort deletes the run's resource group";
    yield { kind: 'soon', label, state: { ...state, cloud: { ...cloud, rooms } } };
  }
  if ((isDeleted || isWeak) && cloud.application) {
    const after = { ...cloud, application: false, isReplaced: false };
    yield { kind: 'soon', label: 'the machine is gone', state: { ...state, cloud: after } };
  }
  if ((isDeleted || isWeak) && !cloud.application) {
    const after = openedForSite(group, run);
    if (!after) return;
    const nodes = state.nodes.map((node) => ({ ...node, lost: 0 }));
    const next = { ...left, aborts: Math.max(0, left.aborts - 1) };
    const label = "the site's next term opens";
    const opened = { ...state, group: after, writtenTick: tick, nodes, cloud: { ...cloud, begun: 0 }, left: next };
    yield { kind: 'soon', label, state: opened };
  }
}

/** What runs at the site when one is started in the cloud; what somebody started by hand is not judged by its writes. */
function replaced(node: Node): Node {
  return node.application === 'gone' || node.isByHand ? node : { ...node, isReplaced: true };
}
