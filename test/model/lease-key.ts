/**
 * What tells one state of the model of leases from another. Whatever is left out here is taken for the same: it must make no
 * difference to what can follow.
 */
import { lastGranted } from '../../src/health/term/term.ts';
import type { GuardState } from '../../src/site/guard/core.ts';
import { ANSWER, TICK_MS, TIMES, WINDOW, bootMs, nameOf } from './lease-world.ts';
import type { Node, Rules, State } from './lease-world.ts';

/** Times by how long ago or ahead they are, as far as that makes a difference. */
export function keyOf(rules: Rules, state: State): string {
  const { leaseTicks } = rules.bounds;
  const { tick, group, writtenTick, nodes, cloud, left, calm, wrong } = state;
  const { term, phase, holder, renewals, run, quiet, freed: undone, closing } = group;
  const ago = (ms: number | undefined): number =>
    ms === undefined ? -1 : Math.min(2 + leaseTicks + rules.margin, tick - ms / TICK_MS);
  const isOpen = phase === 'open';
  const grants = isOpen ? [ago(writtenTick * TICK_MS), quiet?.renewals === renewals && ago(quiet.sinceMs)] : [];
  const closes =
    phase === 'closing' ? [ago(closing?.lastGrantMs), closing?.stopped, closing?.confirmed !== undefined] : [];
  const lease = [term, phase, holder, run, undone, closing?.run, ...grants, ...closes];
  const calmed = calm && [calm.site, calm.hasCapacity, Math.min(WINDOW, tick - calm.sinceTick)];
  return JSON.stringify([
    lease,
    nodes.map((node, index) => {
      const last = lastGranted(group, nameOf(state, index));
      return nodeKey(node, { nowBootMs: bootMs(state, node), isCalm: calm !== undefined, leaseTicks, last });
    }),
    Object.values(cloud),
    calmed ?? Object.values(left),
    wrong,
  ]);
}

/** How far a time is ahead; the same for all that are past, another for never. */
function aheadOf(ms: number, nowBootMs: number): number {
  return ms === 0 ? -1 : Math.max(0, ms - nowBootMs);
}

interface At {
  readonly nowBootMs: number;
  readonly isCalm: boolean;
  readonly leaseTicks: number;
  /** What its next question has to name. */
  readonly last: string;
}

/** All of a node that differs from one state to another, with times as far from its present as makes a difference. */
function nodeKey(node: Node, { nowBootMs, isCalm, leaseTicks, last }: At): unknown {
  const { record, lost, application, isReplaced, isByHand, byHandTicks, dying, pause, mayPause, letters, guard } = node;
  const ahead = (ms: number): number => aheadOf(ms, nowBootMs);
  const rest = [Object.values(record), application, isReplaced, isByHand, byHandTicks, dying, pause];
  const faults = isCalm ? [] : [lost, mayPause];
  const hasAsked = node.askedBootMs === nowBootMs;
  // Of nonces it only matters whether they are the one that was granted last: none becomes that a second time.
  const told = letters.map(({ answer, question }) => [
    question.nonce === guard?.lease.asked?.nonce,
    (answer?.granted === true ? question.nonce : (answer ?? question).after) === last,
    answer && [answer.granted, answer.term, answer.closing?.run, answer.after !== undefined],
  ]);
  const knows = guard?.lease.after === last;
  const armed = application === 'gone' && guard === undefined ? -1 : ahead(node.armedBootMs);
  return [rest, faults, hasAsked, armed, told, knows, guard && mindOf(guard, { nowBootMs, leaseTicks })];
}

function mindOf(guard: GuardState, { nowBootMs, leaseTicks }: Pick<At, 'nowBootMs' | 'leaseTicks'>): unknown {
  const ahead = (ms: number): number => aheadOf(ms, nowBootMs);
  const { lease, closing, promisedTerm, keptTerm, mode, isDelivered, armedBootMs, application, doubtedBootMs } = guard;
  const { term, untilBootMs, asked, refusal } = lease;
  const ago = (ms: number | undefined, most: number): number =>
    ms === undefined ? -1 : Math.min(most, (nowBootMs - ms) / TICK_MS);
  return [
    [term, ahead(untilBootMs), ago(asked?.givenBootMs, leaseTicks), refusal === undefined, mode],
    [closing?.term, closing?.run, promisedTerm, keptTerm, isDelivered],
    [ahead(armedBootMs), application, application === 'stopping' ? ahead(guard.deadlineBootMs - TIMES.killMs) : 0],
    [ago(doubtedBootMs, ANSWER), doubtedBootMs !== undefined && (asked?.givenBootMs ?? 0) >= doubtedBootMs],
  ];
}
