/**
 * Leases, guards, a run and its abort, as a model: every step of the group's document and of the guards' minds is the
 * production's own (src/health/term.ts, src/site/guard/core.ts); time, processes, network and platform are played.
 *
 * Invariants of the model itself: time goes on only when everybody has done what is due, but for who is paused; a question
 * is handled and answered at any time or never, in any order; what kills from outside the guard is due at its time too.
 * What must hold is judged by the applications that run, not by anybody's notes.
 */
import type { GroupDocument } from '../../src/documents/group.ts';
import {
  bound,
  closed,
  endedForCloud,
  openedForSite,
  promisedBy,
  renewed,
  untilStoppedMs,
  whyNoLease,
  whyNotBound,
  wonBySite,
} from '../../src/health/term.ts';
import { CURRENT_VERSION } from '../../src/kernel/versions.ts';
import type { Grant } from '../../src/protocol/lease.ts';
import { guardAnswered, guardAsked, newGuard, nextAction, told } from '../../src/site/guard/core.ts';
import type { GuardAction, GuardState } from '../../src/site/guard/core.ts';
import type { Model, Step } from './checker.ts';

/** One step of time: the grain of the service's clock. */
const TICK_MS = 1000;
const GROUP = 'acme/berlin/erp';
const ACTOR = { kind: 'by-hand' as const };

/** Lengths, in ticks. */
const LEASE = 3;
const STOP = 1;
const KILL = 1;

const TIMES = { stopMs: STOP * TICK_MS, killMs: KILL * TICK_MS, answerMs: TICK_MS };

/** What the margin of this model allows to go wrong: one tick of pause, one of drift, and the kill. */
const PAUSE_ALLOWED = 1;
const DRIFT_ALLOWED = 1;

/** What may happen, and how often. */
export interface LeaseBounds {
  readonly nodes: number;
  /** Length of the whole history, in ticks. */
  readonly ticks: number;
  /** Questions of each guard. */
  readonly questions: number;
  /** Of each: guards that die, nodes that reboot, aborts of a run. */
  readonly deaths: number;
  readonly reboots: number;
  readonly aborts: number;
}

/** What makes it unsafe: each of these must show a violation. */
export interface Unsafe {
  /** The margin in ticks, in place of the right one. */
  readonly margin?: number;
  /** How long a node may be paused, and how much its clock may lose, in ticks. */
  readonly pause?: number;
  readonly drift?: number;
  /** Nothing outside the guard stops what runs. */
  readonly noGuard?: boolean;
  /** The control store may be set back to how it began. */
  readonly rollback?: boolean;
  /** A guard that has promised may start once more under a lease that it still has. */
  readonly weakStopped?: boolean;
  /** An abort proves the machines gone, and leaves a later start possible. */
  readonly weakAbort?: boolean;
}

interface Letter {
  readonly givenBootMs: number;
  readonly answer: Grant | undefined;
}

interface Node {
  /** Undefined while its process is dead. */
  readonly guard: GuardState | undefined;
  readonly record: { readonly promisedTerm: number; readonly seenTerm: number };
  /** How far its clock is behind, in ticks. */
  readonly lag: number;
  /** When what is outside the guard kills, on the node's clock; 0 for never. */
  readonly armedBootMs: number;
  readonly application: 'gone' | 'up' | 'dying';
  /** Ticks left until what is killed is surely gone. */
  readonly dying: number;
  /** Ticks left of its pause, and whether it may be paused yet. */
  readonly pause: number;
  readonly mayPause: boolean;
  readonly letters: readonly Letter[];
  readonly questions: number;
}

interface State {
  readonly tick: number;
  readonly group: GroupDocument;
  readonly writtenTick: number;
  readonly nodes: readonly Node[];
  readonly cloud: {
    readonly application: boolean;
    /** The terms whose runs have a resource group: without it nothing of them can start. */
    readonly rooms: readonly number[];
    /** The term of a run whose worker is about to start the machine, having seen that it may; 0 for none. */
    readonly starting: number;
  };
  readonly deaths: number;
  readonly reboots: number;
  readonly aborts: number;
  readonly rollbacks: number;
}

export class LeaseModel implements Model<State> {
  readonly initial: readonly State[];
  readonly #bounds: LeaseBounds;
  readonly #unsafe: Unsafe;
  readonly #first: GroupDocument;

  constructor(bounds: LeaseBounds, unsafe: Unsafe = {}) {
    this.#bounds = bounds;
    this.#unsafe = unsafe;
    const names = ['north', 'south', 'east'].slice(0, bounds.nodes);
    const margin = unsafe.margin ?? PAUSE_ALLOWED + DRIFT_ALLOWED + KILL;
    this.#first = {
      version: CURRENT_VERSION,
      group: GROUP,
      term: 1,
      phase: 'open',
      holder: 'site',
      leaseMs: LEASE * TICK_MS,
      marginMs: margin * TICK_MS,
      renewals: 0,
      run: null,
      closing: null,
      guards: names.map((node) => ({ node })),
    };
    const nodes = names.map((): Node => ({
      guard: started({ promisedTerm: 0, seenTerm: 0 }, { application: 'gone', armedBootMs: 0 }),
      record: { promisedTerm: 0, seenTerm: 0 },
      lag: 0,
      armedBootMs: 0,
      application: 'gone',
      dying: 0,
      pause: 0,
      mayPause: true,
      letters: [],
      questions: bounds.questions,
    }));
    const cloud = { application: false, rooms: [], starting: 0 };
    const { deaths, reboots, aborts } = bounds;
    const rollbacks = unsafe.rollback === true ? 1 : 0;
    this.initial = [{ tick: 1, group: this.#first, writtenTick: 0, nodes, cloud, deaths, reboots, aborts, rollbacks }];
  }

  key({ tick, group, writtenTick, nodes, cloud, deaths, reboots, aborts, rollbacks }: State): string {
    const { term, phase, holder, renewals, run, quiet, freed, closing } = group;
    const lease = [term, phase, holder, renewals, run, quiet?.sinceMs, quiet?.renewals, freed, closing?.lastGrantMs];
    const told = nodes.map(({ guard, record, ...node }) => [Object.values(node), Object.values(record), mindOf(guard)]);
    const rest = [tick, writtenTick, deaths, reboots, aborts, rollbacks, closing?.stopped, Object.values(cloud)];
    return JSON.stringify([lease, told, rest]);
  }

  violation({ cloud, nodes }: State): string | undefined {
    const running = nodes.filter(({ application }) => application !== 'gone').length;
    if (cloud.application && running > 0) return 'the application runs at the site and in the cloud';
    return undefined;
  }

  *next(state: State): Generator<Step<State>> {
    if (state.tick < this.#bounds.ticks) yield* this.#time(state);
    for (const index of state.nodes.keys()) yield* this.#node(state, index);
    yield* this.#run(state);
    yield* this.#abort(state);
    if (state.rollbacks > 0 && state.group !== this.#first) {
      yield { label: 'the store is set back', state: { ...state, group: this.#first, rollbacks: 0 } };
    }
  }

  /** Time goes on, once nobody is late who is not paused; each clock may stand still meanwhile, as much as drift allows. */
  *#time(state: State): Generator<Step<State>> {
    if (state.nodes.some((node) => this.#isLate(state, node))) return;
    const drift = this.#unsafe.drift ?? DRIFT_ALLOWED;
    let worlds: Node[][] = [[]];
    for (const node of state.nodes) {
      const after = { ...node, pause: Math.max(0, node.pause - 1), dying: Math.max(0, node.dying - 1) };
      const ways = node.lag < drift ? [after, { ...after, lag: node.lag + 1 }] : [after];
      worlds = worlds.flatMap((before) => ways.map((way) => [...before, way]));
    }
    for (const nodes of worlds) {
      const lags = nodes.map(({ lag }) => lag).join(',');
      yield {
        label: `tick ${state.tick + 1}, clocks behind by ${lags}`,
        state: { ...state, tick: state.tick + 1, nodes },
      };
    }
  }

  /** Whether something is due on the node that must not wait for another tick. */
  #isLate(state: State, node: Node): boolean {
    if (node.pause > 0) return false;
    if (node.application === 'dying' && node.dying === 0) return true;
    if (this.#isKillDue(state, node)) return true;
    const action = dueAction(state, node);
    return action !== undefined && action.do !== 'deliver';
  }

  #isKillDue(state: State, node: Node): boolean {
    if (this.#unsafe.noGuard === true || node.application !== 'up' || node.armedBootMs === 0) return false;
    return bootMs(state, node) >= node.armedBootMs;
  }

  *#node(state: State, index: number): Generator<Step<State>> {
    const node = state.nodes[index];
    const name = state.group.guards?.[index]?.node ?? '';
    if (!node) return;
    const become = (label: string, changed: Partial<Node>, rest: Partial<State> = {}): Step<State> => ({
      label: `${name}: ${label}`,
      state: { ...state, ...rest, nodes: state.nodes.with(index, { ...node, ...changed }) },
    });
    if (node.application === 'dying') yield become('what was killed is gone', { application: 'gone', dying: 0 });
    for (const [at, letter] of node.letters.entries()) {
      if (letter.answer === undefined) yield this.#handled(state, index, at);
    }
    if (node.pause > 0) return;
    if (node.mayPause) yield become('paused', { pause: this.#unsafe.pause ?? PAUSE_ALLOWED, mayPause: false });
    if (this.#isKillDue(state, node)) yield become('killed from outside', killed(node));
    if (state.reboots > 0) {
      const off = { application: 'gone', dying: 0, armedBootMs: 0, letters: [], guard: undefined } as const;
      yield become('reboots', off, { reboots: state.reboots - 1 });
    }
    const { guard } = node;
    if (guard === undefined) {
      yield become('the guard starts', { guard: started(node.record, node), letters: [] });
      return;
    }
    if (state.deaths > 0)
      yield become('the guard dies', { guard: undefined, letters: [] }, { deaths: state.deaths - 1 });
    yield* this.#asking(state, node, guard, become);
    yield* this.#acting(state, node, guard, become);
  }

  *#asking(
    state: State,
    node: Node,
    guard: GuardState,
    become: (label: string, changed: Partial<Node>) => Step<State>,
  ): Generator<Step<State>> {
    const givenBootMs = bootMs(state, node);
    const wasAsked = node.letters.some((letter) => letter.givenBootMs === givenBootMs);
    if (node.questions > 0 && !wasAsked) {
      const letters = [...node.letters, { givenBootMs, answer: undefined }].slice(-2);
      const question = { nonce: nonceOf(givenBootMs), givenBootMs };
      yield become('asks', { guard: guardAsked(guard, question), letters, questions: node.questions - 1 });
    }
    for (const { answer } of node.letters) {
      if (answer === undefined) continue;
      const letters = node.letters.filter((letter) => letter.answer !== answer);
      // The record is durable before anything is done in a term that is newer than those seen.
      const record = { ...node.record, seenTerm: Math.max(node.record.seenTerm, answer.term) };
      const what = answer.granted ? `hears of a lease in term ${answer.term}` : `is refused in term ${answer.term}`;
      yield become(what, { guard: guardAnswered(guard, answer, answer.closing), letters, record });
    }
  }

  *#acting(
    state: State,
    node: Node,
    guard: GuardState,
    become: (label: string, changed: Partial<Node>, rest?: Partial<State>) => Step<State>,
  ): Generator<Step<State>> {
    if (node.application === 'gone' && guard.application !== 'stopped') {
      yield become('sees that nothing runs any more', { guard: told(guard, { event: 'gone' }), armedBootMs: 0 });
    }
    if (node.application === 'up' && guard.application === 'stopping') {
      yield become('the application stops in order', { application: 'gone' });
    }
    if (this.#unsafe.weakStopped === true && guard.isDelivered) {
      yield become('takes back what it signed', { guard: { ...guard, closing: undefined, promisedTerm: 0 } });
    }
    const action = dueAction(state, node);
    switch (action?.do) {
      case 'arm': {
        const { untilBootMs } = action;
        yield become(`arms the stop for ${untilBootMs}`, {
          guard: told(guard, { event: 'armed', untilBootMs }),
          armedBootMs: untilBootMs,
        });
        break;
      }
      case 'keep':
        yield become('records what is kept', { guard: told(guard, { event: 'kept', term: action.term }) });
        break;
      case 'start':
        yield become('starts the application', { guard: told(guard, { event: 'started' }), application: 'up' });
        break;
      case 'stop': {
        const { deadlineBootMs, why } = action;
        yield become(`asks it to stop: ${why}`, { guard: told(guard, { event: 'asked-to-stop', deadlineBootMs }) });
        break;
      }
      case 'kill':
        yield become('kills', { guard: told(guard, { event: 'killed' }), ...killed(node) });
        break;
      case 'promise': {
        const { term } = action.closing;
        const record = { ...node.record, promisedTerm: Math.max(node.record.promisedTerm, term) };
        yield become(`promises for term ${term}`, { guard: told(guard, { event: 'promised', term }), record });
        break;
      }
      case 'deliver': {
        const { closing } = action;
        const name = state.group.guards?.[state.nodes.indexOf(node)]?.node ?? '';
        const group = promisedBy(state.group, { ...closing, node: name });
        const rest = group ? { group, writtenTick: state.tick } : {};
        yield become('its promise arrives', { guard: told(guard, { event: 'delivered', closing }) }, rest);
        break;
      }
      case 'wait':
      case undefined:
    }
  }

  /** The cloud takes a question: a lease is granted after the write that renews it. */
  #handled(state: State, index: number, at: number): Step<State> {
    const node = state.nodes[index];
    const letter = node?.letters[at];
    if (!node || !letter) throw new Error('no such question');
    const { group } = state;
    const after = renewed(group);
    const reason = whyNoLease(group);
    const answer: Grant = {
      group: GROUP,
      nonce: nonceOf(letter.givenBootMs),
      granted: after !== undefined,
      term: group.term,
      leaseMs: after ? group.leaseMs : 0,
      ...(reason !== undefined && { reason }),
      ...(group.closing && { closing: { term: group.term, run: group.closing.run } }),
    };
    const letters = node.letters.with(at, { ...letter, answer });
    return {
      label: `the cloud ${after ? 'renews' : 'refuses'} a lease in term ${group.term}`,
      state: {
        ...state,
        ...(after && { group: after, writtenTick: state.tick }),
        nodes: state.nodes.with(index, { ...node, letters }),
      },
    };
  }

  *#run(state: State): Generator<Step<State>> {
    const { group, cloud, tick, writtenTick } = state;
    const run = `t${group.term}-unplanned-1`;
    const { term } = group;
    const hasRoom = cloud.rooms.includes(term);
    const written = (label: string, after: GroupDocument | undefined, rooms = cloud.rooms): Step<State>[] =>
      after ? [{ label, state: { ...state, group: after, writtenTick: tick, cloud: { ...cloud, rooms } } }] : [];
    // The run's resource group is made before the close.
    if (whyNotBound(group, run) === undefined && group.run === null) {
      yield* written('a run begins', bound(group, run, writtenTick * TICK_MS), [...cloud.rooms, term]);
    }
    if (group.run === run && group.phase === 'open' && hasRoom) {
      yield* written('the term is closed', closed(group, { run, actor: ACTOR, lastModifiedMs: writtenTick * TICK_MS }));
    }
    if (group.phase === 'closing' && untilStoppedMs(group, run, tick * TICK_MS) === 0) {
      yield* written('the term has ended', endedForCloud(group, run));
    }
    const isCloud = group.phase === 'ended' && group.holder === 'cloud';
    if (isCloud && hasRoom && cloud.starting === 0 && !cloud.application) {
      yield { label: 'a worker is about to start', state: { ...state, cloud: { ...cloud, starting: term } } };
    }
    if (cloud.starting !== 0) {
      const isThere = cloud.rooms.includes(cloud.starting);
      const label = isThere ? 'the application runs in the cloud' : 'its start is refused';
      yield { label, state: { ...state, cloud: { ...cloud, starting: 0, application: isThere } } };
    }
  }

  *#abort(state: State): Generator<Step<State>> {
    const { group, cloud, tick, aborts } = state;
    const run = group.closing?.run;
    if (run === undefined || aborts === 0) return;
    if (group.phase === 'closing') {
      const after = wonBySite(group, run);
      if (after) yield { label: 'an abort wins the next term', state: { ...state, group: after, writtenTick: tick } };
      return;
    }
    const isWeak = this.#unsafe.weakAbort === true;
    const rooms = cloud.rooms.filter((term) => term !== group.term);
    const isDeleted = rooms.length === cloud.rooms.length;
    if (!isDeleted && !isWeak) {
      yield { label: "the abort deletes the run's resource group", state: { ...state, cloud: { ...cloud, rooms } } };
    }
    if ((isDeleted || isWeak) && cloud.application) {
      yield { label: 'the machine is gone', state: { ...state, cloud: { ...cloud, application: false } } };
    }
    if ((isDeleted || isWeak) && !cloud.application) {
      const after = openedForSite(group, run);
      if (after) {
        const next = { ...state, group: after, writtenTick: tick, aborts: aborts - 1 };
        yield { label: "the site's next term opens", state: next };
      }
    }
  }
}

function started(
  record: Node['record'],
  { application, armedBootMs }: Pick<Node, 'application' | 'armedBootMs'>,
): GuardState {
  const runs = application !== 'gone';
  const found = { application: runs ? 'running' : 'stopped', armedBootMs: runs ? armedBootMs : 0 } as const;
  return newGuard({ group: GROUP, ...record, keptTerm: 0, found });
}

/** All of a guard's mind that differs from one state to another. */
function mindOf(guard: GuardState | undefined): unknown {
  if (!guard) return 0;
  const { lease, closing, promisedTerm, isDelivered, armedBootMs, application, deadlineBootMs, doubtedBootMs } = guard;
  const { term, untilBootMs, asked, refusal } = lease;
  const granted = [term, untilBootMs, asked?.givenBootMs, refusal === undefined];
  return [
    granted,
    closing?.term,
    closing?.run,
    promisedTerm,
    isDelivered,
    armedBootMs,
    application,
    deadlineBootMs,
    doubtedBootMs,
  ];
}

/** What was killed before is gone by the time of the first kill. */
function killed({ application, dying }: Node): Pick<Node, 'application' | 'dying'> {
  return application === 'up' ? { application: 'dying', dying: KILL } : { application, dying };
}

function nonceOf(givenBootMs: number): string {
  return String(givenBootMs).padStart(32, '0');
}

function bootMs({ tick }: State, { lag }: Node): number {
  return (tick - lag) * TICK_MS;
}

/** What the node's guard would do now; undefined where it only waits. */
function dueAction(state: State, node: Node): GuardAction | undefined {
  if (!node.guard) return undefined;
  const nowBootMs = bootMs(state, node);
  const action = nextAction(node.guard, nowBootMs, TIMES);
  return action.do === 'wait' ? undefined : action;
}
