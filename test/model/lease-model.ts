/**
 * Leases, guards, a run and its abort, as a model: every step of the group's document and of the guards' minds is the
 * production's own (src/health/term/term.ts, src/site/guard/core.ts); time, processes, network and platform are played. README.md
 * says which fault is where, and how this model and the site's (site-model.ts) make one.
 *
 * Invariants of the model itself: time goes on only when everybody has done what is due, but for who is paused; a question
 * is handled and answered at any time or never, in any order; what kills from outside the guard is due at its time too. A
 * state is told apart from others by times that are relative to its own present, so histories have no end.
 *
 * What must hold is judged by what the applications write, not by anybody's notes: none writes once one on the other side
 * was started after it. A person who starts it by hand, past the guard, writes at that person's risk; what must hold then is
 * that a guard ends it.
 *
 * Faults may end at any moment: then the site is well, or cut off for good, or dead for good, what should happen happens
 * without delay, and an application has to write again, wherever, after a bounded time.
 */
import type { GroupDocument } from '../../src/documents/group.ts';
import {
  bound,
  closed,
  confirmedStopped,
  endedForCloud,
  freed,
  grantOf,
  lastGranted,
  openedForSite,
  promisedBy,
  renewed,
  untilStoppedMs,
  whyNotBound,
  wonBySite,
} from '../../src/health/term/term.ts';
import { isLeewardError } from '../../src/kernel/errors.ts';
import { CURRENT_VERSION } from '../../src/kernel/versions.ts';
import type { GuardFacts } from '../../src/ports/guard-record.ts';
import type { Grant, LeaseMode, LeaseQuestion } from '../../src/protocol/lease.ts';
import {
  clocksJumped,
  guardAnswered,
  guardAsked,
  newGuard,
  nextAction,
  noted,
  told,
  whyNotStarted,
} from '../../src/site/guard/core.ts';
import type { GuardAction, GuardEvent, GuardState } from '../../src/site/guard/core.ts';
import type { Model, Step } from './checker.ts';

/** One step of time: the grain of the service's clock. */
const TICK_MS = 1000;
const GROUP = 'acme/berlin/erp';
const ACTOR = { kind: 'by-hand' as const };
/** No time is near zero, which means never. */
const FIRST_TICK = 1000;

/** Lengths, in ticks. */
const STOP = 1;
const KILL = 1;
const ANSWER = 1;
/** How long after a failure the monitor has a run begin: what site-model.ts checks. */
const WINDOW = 2;

const TIMES = { stopMs: STOP * TICK_MS, killMs: KILL * TICK_MS, answerMs: ANSWER * TICK_MS };

/** What the margin of this model allows to go wrong: one tick of pause, one of drift, and the kill. */
const PAUSE_ALLOWED = 1;
const DRIFT_ALLOWED = 1;

/** How long what was started by hand may live beside a guard: it is found, or taken for what was being stopped, and killed. */
const BY_HAND_MAX = STOP + KILL + PAUSE_ALLOWED + DRIFT_ALLOWED + 1;

/** What may happen, and how often; Infinity for without limit. */
export interface LeaseBounds {
  readonly nodes: number;
  readonly lease: LeaseMode;
  readonly leaseTicks: number;
  /** Whether clocks lose nothing and nodes are never paused. */
  readonly isSteady: boolean;
  /** Guards that die; nodes that reboot; clocks that jump; applications that somebody starts by hand. */
  readonly deaths: number;
  readonly reboots: number;
  readonly jumps: number;
  readonly handStarts: number;
  /** Runs that are undone before their close or aborted after it, the way back included: terms are no more than these and one. */
  readonly aborts: number;
  /** Whether faults may end, so that progress is checked. */
  readonly isCalmed: boolean;
}

/** What makes it unsafe: each of these must show a violation. */
export interface Unsafe {
  /** The margin in ticks, in place of the right one. */
  readonly margin?: number;
  /** How long a node may be paused, and how much its clock may lose in one term, in ticks. */
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
  /** Where leases keep, the last one's end and its margin end the closing, as if they were strict. */
  readonly keepWaits?: boolean;
  /** Where leases keep, a person's word is taken while a lease may still be held. */
  readonly keepEarly?: boolean;
}

interface Letter {
  readonly question: LeaseQuestion;
  readonly answer: Grant | undefined;
}

interface Node {
  /** Undefined while its process is dead. */
  readonly guard: GuardState | undefined;
  readonly record: GuardFacts;
  /** How far its clock is behind, in ticks; of that, what it has lost in this term. */
  readonly lag: number;
  readonly lost: number;
  /** When what is outside the guard kills, on the node's clock; 0 for never. */
  readonly armedBootMs: number;
  readonly application: 'gone' | 'up' | 'dying';
  /** Whether one in the cloud was started after it: from then on it must write nothing. */
  readonly isReplaced: boolean;
  /** Whether somebody started it past the guard, and for how many ticks that has gone on beside one that was awake. */
  readonly isByHand: boolean;
  readonly byHandTicks: number;
  /** Ticks left until what is killed is surely gone. */
  readonly dying: number;
  /** Ticks left of its pause, and whether it may be paused: not before it was awake for a tick. */
  readonly pause: number;
  readonly mayPause: boolean;
  /** The newest question, and an earlier one that the cloud may still handle. */
  readonly letters: readonly Letter[];
  /** When it asked last, which it does once in a tick, and once more where it is told what its question has to name. */
  readonly askedBootMs: number;
  /** Questions that it ever asked: no nonce is given twice. */
  readonly questions: number;
}

/** How things stay once the faults have ended. */
interface Calm {
  readonly site: 'well' | 'cut' | 'dead';
  /** Whether the recovery region has room for machines. */
  readonly hasCapacity: boolean;
  readonly sinceTick: number;
}

const CALMS: readonly Omit<Calm, 'sinceTick'>[] = [
  { site: 'well', hasCapacity: true },
  { site: 'well', hasCapacity: false },
  { site: 'cut', hasCapacity: true },
  { site: 'dead', hasCapacity: true },
];

interface State {
  readonly tick: number;
  readonly group: GroupDocument;
  readonly writtenTick: number;
  readonly nodes: readonly Node[];
  readonly cloud: {
    readonly application: boolean;
    /** Whether one at the site was started after it. */
    readonly isReplaced: boolean;
    /** Runs that have a resource group: without it nothing of them can start. */
    readonly rooms: readonly string[];
    /** Runs that were begun in this term. */
    readonly begun: number;
    /** The run whose worker has found the wait over, and is about to end the term. */
    readonly waited: string;
    /** The run whose worker is about to start the machine, having seen that it may. */
    readonly starting: string;
  };
  /** What of each may still happen. */
  readonly left: Pick<LeaseBounds, 'deaths' | 'reboots' | 'jumps' | 'handStarts' | 'aborts'> & { rollbacks: number };
  readonly calm: Calm | undefined;
  readonly wrong: string | undefined;
}

/**
 * `fault`: need not happen, and does not once they have ended; `may`: need not happen; `soon`: is done without delay once
 * the faults have ended; `due`: is done before time goes on.
 */
type Kind = 'fault' | 'may' | 'soon' | 'due';
type Kinds = Generator<Step<State> & { readonly kind: Kind }>;
type Become = (
  kind: Kind,
  label: string,
  changed: Partial<Node>,
  rest?: Partial<State>,
) => Step<State> & { kind: Kind };

export class LeaseModel implements Model<State> {
  readonly initial: readonly State[];
  readonly #bounds: LeaseBounds;
  readonly #unsafe: Unsafe;
  readonly #first: GroupDocument;
  readonly #margin: number;

  constructor(bounds: LeaseBounds, unsafe: Unsafe = {}) {
    this.#bounds = bounds;
    this.#unsafe = unsafe;
    const names = ['north', 'south', 'east'].slice(0, bounds.nodes);
    this.#margin = unsafe.margin ?? PAUSE_ALLOWED + DRIFT_ALLOWED + KILL;
    this.#first = {
      version: CURRENT_VERSION,
      group: GROUP,
      term: 1,
      phase: 'open',
      holder: 'site',
      leaseMs: bounds.leaseTicks * TICK_MS,
      ...(bounds.lease === 'keep' && { lease: 'keep' }),
      marginMs: this.#margin * TICK_MS,
      renewals: 0,
      run: null,
      closing: null,
      guards: names.map((node) => ({ node })),
    };
    const record = { promisedTerm: 0, seenTerm: 0, keptTerm: 0 };
    const nodes = names.map((): Node => ({
      guard: started(record, { application: 'gone', armedBootMs: 0 }),
      record,
      lag: 0,
      lost: 0,
      armedBootMs: 0,
      application: 'gone',
      isReplaced: false,
      isByHand: false,
      byHandTicks: 0,
      dying: 0,
      pause: 0,
      mayPause: true,
      letters: [],
      askedBootMs: 0,
      questions: 0,
    }));
    const cloud = { application: false, isReplaced: false, rooms: [], begun: 0, waited: '', starting: '' };
    const { deaths, reboots, jumps, handStarts, aborts } = bounds;
    const left = { deaths, reboots, jumps, handStarts, aborts, rollbacks: unsafe.rollback === true ? 1 : 0 };
    const rest = { left, calm: undefined, wrong: undefined };
    this.initial = [{ tick: FIRST_TICK, group: this.#first, writtenTick: FIRST_TICK - 1, nodes, cloud, ...rest }];
  }

  /** Times by how long ago or ahead they are, as far as that makes a difference. */
  key(state: State): string {
    const { leaseTicks } = this.#bounds;
    const { tick, group, writtenTick, nodes, cloud, left, calm, wrong } = state;
    const { term, phase, holder, renewals, run, quiet, freed: undone, closing } = group;
    const ago = (ms: number | undefined): number =>
      ms === undefined ? -1 : Math.min(2 + leaseTicks + this.#margin, tick - ms / TICK_MS);
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

  isCalm({ calm }: State): boolean {
    return calm !== undefined;
  }

  violation({ wrong, nodes }: State): string | undefined {
    if (wrong !== undefined) return wrong;
    if (nodes.some(({ byHandTicks }) => byHandTicks > BY_HAND_MAX)) return 'what was started by hand is not ended';
    return undefined;
  }

  *next(state: State): Generator<Step<State>> {
    if (state.calm) {
      yield* this.#nextInCalm(state);
      return;
    }
    let mustWait = false;
    for (const actor of this.#actors(state)) {
      for (const { kind, ...step } of actor) {
        if (kind === 'due') mustWait = true;
        yield step;
      }
    }
    if (mustWait) return;
    yield* this.#time(state);
    if (this.#bounds.isCalmed) yield* this.#calms(state);
  }

  /** What there is to do is done at once, and in one order; what need not happen may still come before any of it. */
  *#nextInCalm(state: State): Generator<Step<State>> {
    const steps = [...this.#actors(state)].flatMap((actor) => [...actor]);
    yield* steps.filter(({ kind }) => kind === 'may');
    const first = steps.find(({ kind }) => kind === 'due') ?? steps.find(({ kind }) => kind === 'soon');
    if (first) yield first;
    else yield* this.#time(state);
  }

  *#actors(state: State): Generator<Kinds> {
    for (const index of state.nodes.keys()) yield this.#node(state, index);
    yield this.#run(state);
    yield this.#abort(state);
    yield this.#world(state);
  }

  *#world(state: State): Kinds {
    if (state.cloud.application && state.cloud.isReplaced) {
      yield { kind: 'may', label: 'the application in the cloud writes', state: { ...state, wrong: WROTE } };
    }
    if (state.left.rollbacks > 0 && state.group !== this.#first) {
      const left = { ...state.left, rollbacks: 0 };
      yield { kind: 'fault', label: 'the store is set back', state: { ...state, group: this.#first, left } };
    }
  }

  /** The faults end, in one of several ways: when nothing is due, for what is would be done first. */
  *#calms(state: State): Generator<Step<State>> {
    for (const calm of CALMS) {
      const nodes =
        calm.site === 'dead'
          ? state.nodes.map((node) => ({ ...node, ...OFF, pause: 0, isByHand: false, byHandTicks: 0 }))
          : state.nodes.map((node) => ({ ...node, letters: node.letters.slice(-1) }));
      const capacity = calm.hasCapacity ? '' : ', and there is no capacity';
      yield {
        label: `from here on there are no more faults: the site is ${calm.site}${capacity}`,
        state: { ...state, nodes, calm: { ...calm, sinceTick: state.tick } },
      };
    }
  }

  /** Time goes on; each clock may stand still meanwhile, as much as drift allows. */
  *#time(state: State): Generator<Step<State>> {
    const drift = state.calm ? 0 : (this.#unsafe.drift ?? (this.#bounds.isSteady ? 0 : DRIFT_ALLOWED));
    let worlds: Node[][] = [[]];
    for (const node of state.nodes) {
      const isWatched = node.isByHand && node.guard !== undefined;
      const after = {
        ...node,
        pause: Math.max(0, node.pause - 1),
        // What has been killed late is not put off once more.
        mayPause: node.mayPause || (node.pause === 0 && node.application !== 'dying'),
        dying: Math.max(0, node.dying - 1),
        byHandTicks: isWatched ? node.byHandTicks + 1 : 0,
      };
      const ways = node.lost < drift ? [after, { ...after, lag: node.lag + 1, lost: node.lost + 1 }] : [after];
      worlds = worlds.flatMap((before) => ways.map((way) => [...before, way]));
    }
    const writes = state.nodes.some(
      ({ application, pause, isByHand }) => application === 'up' && pause === 0 && !isByHand,
    );
    for (const nodes of worlds) {
      const losing = nodes.filter(({ lag }, at) => lag !== state.nodes[at]?.lag).length;
      yield {
        label: losing === 0 ? 'a tick' : `a tick, and ${losing} clock(s) stand still meanwhile`,
        state: { ...state, tick: state.tick + 1, nodes },
        ticks: 1,
        isGood: writes || state.cloud.application,
      };
    }
  }

  #isKillDue(state: State, node: Node): boolean {
    if (this.#unsafe.noGuard === true || node.application !== 'up' || node.armedBootMs === 0) return false;
    return bootMs(state, node) >= node.armedBootMs;
  }

  *#node(state: State, index: number): Kinds {
    const node = state.nodes[index];
    const name = nameOf(state, index);
    if (!node || state.calm?.site === 'dead') return;
    const become: Become = (kind, label, changed, rest = {}) => ({
      kind,
      label: `${name}: ${label}`,
      state: { ...state, ...rest, nodes: state.nodes.with(index, { ...node, ...changed }) },
    });
    if (node.application === 'dying') {
      yield become(node.dying === 0 && node.pause === 0 ? 'due' : 'may', 'what was killed is gone', GONE);
    }
    for (const [at, letter] of node.letters.entries()) {
      if (letter.answer === undefined && state.calm?.site !== 'cut') yield this.#handled(state, index, at);
    }
    if (node.pause > 0) return;
    if (node.application !== 'gone' && node.isReplaced)
      yield become('may', 'the application writes', {}, { wrong: WROTE });
    const pause = this.#unsafe.pause ?? (this.#bounds.isSteady ? 0 : PAUSE_ALLOWED);
    if (node.mayPause && pause > 0) {
      yield become('fault', 'paused', { pause, mayPause: false });
    }
    if (this.#isKillDue(state, node)) yield become('due', 'killed from outside', killed(node));
    const { left } = state;
    if (left.reboots > 0) {
      const off = { ...OFF, record: { ...node.record, keptTerm: 0 }, isByHand: false, byHandTicks: 0 };
      yield become('fault', 'reboots', off, { left: { ...left, reboots: left.reboots - 1 } });
    }
    if (left.handStarts > 0 && node.application === 'gone') {
      const byHand = { application: 'up', isByHand: true, isReplaced: false } as const;
      const rest = { left: { ...left, handStarts: left.handStarts - 1 } };
      yield become('fault', 'somebody starts the application by hand', byHand, rest);
    }
    const { guard } = node;
    if (guard === undefined) {
      yield become('soon', 'the guard starts', { guard: started(node.record, node), letters: [] });
      return;
    }
    if (left.deaths > 0) {
      const rest = { left: { ...left, deaths: left.deaths - 1 } };
      yield become('fault', 'the guard dies', { guard: undefined, letters: [] }, rest);
    }
    if (left.jumps > 0) {
      const jumped = clocksJumped(guard, bootMs(state, node));
      yield become('fault', 'the wall clock jumps', { guard: jumped }, { left: { ...left, jumps: left.jumps - 1 } });
    }
    yield* this.#asking(state, name, node, guard, become);
    yield* this.#acting(state, node, guard, become);
  }

  *#asking(state: State, name: string, node: Node, guard: GuardState, become: Become): Kinds {
    const nowBootMs = bootMs(state, node);
    if (node.askedBootMs !== nowBootMs) yield become('soon', 'asks', asking(state, name, node, guard));
    for (const { answer } of node.letters) {
      if (answer === undefined || state.calm?.site === 'cut') continue;
      const letters = node.letters.filter((letter) => letter.answer !== answer);
      // The record is durable before anything is done in a term that is newer than those seen.
      const record = noted(node.record, { seenTerm: answer.term });
      const heard = { guard: guardAnswered(guard, answer, answer.closing), letters, record };
      const isStale = answer.after !== undefined;
      const what = answer.granted ? `hears of a lease in term ${answer.term}` : `is refused in term ${answer.term}`;
      // Told what its question has to name, it asks again.
      const again = isStale ? asking(state, name, { ...node, ...heard }, heard.guard) : {};
      yield become('soon', isStale ? 'is told what was granted last, and asks again' : what, { ...heard, ...again });
    }
  }

  *#acting(state: State, node: Node, guard: GuardState, become: Become): Kinds {
    const tell = (event: GuardEvent): { guard: GuardState } => ({ guard: told(guard, event) });
    if (node.application === 'gone' && guard.application !== 'stopped') {
      yield become('soon', 'sees that nothing runs any more', { ...tell({ event: 'gone' }), armedBootMs: 0 });
    }
    if (node.application === 'up' && guard.application === 'stopping') {
      yield become('may', 'the application stops in order', GONE);
    }
    if (this.#unsafe.weakStopped === true && guard.isDelivered) {
      const back = { guard: { ...guard, closing: undefined, promisedTerm: 0 } };
      yield become('fault', 'takes back what it signed', back);
    }
    // A guard looks before it does anything else.
    if (node.application !== 'gone' && guard.application === 'stopped') {
      yield become('due', 'finds something that it has not started', tell({ event: 'found' }));
      return;
    }
    yield* this.#ordered(state, node, guard, become);
    const action = dueAction(state, node);
    switch (action?.do) {
      case 'arm': {
        const { untilBootMs } = action;
        yield become('due', 'arms the stop', { ...tell({ event: 'armed', untilBootMs }), armedBootMs: untilBootMs });
        break;
      }
      case 'keep': {
        const { term } = action;
        const record = noted(node.record, { keptTerm: term });
        yield become('due', `records that what it starts runs on in term ${term}`, {
          ...tell({ event: 'kept', term }),
          record,
        });
        break;
      }
      case 'start': {
        const up = { application: 'up', isReplaced: false } as const;
        const cloud = { ...state.cloud, isReplaced: state.cloud.application };
        yield become('due', 'starts the application', { ...tell({ event: 'started' }), ...up }, { cloud });
        break;
      }
      case 'stop': {
        const { deadlineBootMs, why } = action;
        yield become('due', `asks it to stop: ${why}`, tell({ event: 'asked-to-stop', deadlineBootMs }));
        break;
      }
      case 'kill':
        yield become('due', 'kills', { ...tell({ event: 'killed' }), ...killed(node) });
        break;
      case 'promise': {
        const { term } = action.closing;
        const record = noted(node.record, { promisedTerm: term });
        yield become('due', `promises for term ${term}`, { ...tell({ event: 'promised', term }), record });
        break;
      }
      case 'deliver': {
        if (state.calm?.site === 'cut') break;
        const { closing } = action;
        const name = nameOf(state, state.nodes.indexOf(node));
        const group = promisedBy(state.group, { ...closing, node: name });
        const rest = group ? { group, writtenTick: state.tick } : {};
        yield become('soon', 'its promise arrives', tell({ event: 'delivered', closing }), rest);
        break;
      }
      case 'wait':
      case undefined:
    }
  }

  /**
   * A single application is started, as the guard's desk does it by an order, whenever the guard finds no reason against that.
   * In the model it is all that runs on the node; where something of it runs already, and nothing comes of another start, there
   * is nothing to show.
   */
  *#ordered(state: State, node: Node, guard: GuardState, become: Become): Kinds {
    const { cloud } = state;
    const isNew = node.application === 'gone' || node.isReplaced || (cloud.application && !cloud.isReplaced);
    if (node.application === 'dying' || !isNew || whyNotStarted(guard, bootMs(state, node), TIMES) !== undefined)
      return;
    const up = { application: 'up', isReplaced: false } as const;
    const rest = { cloud: { ...cloud, isReplaced: cloud.application } };
    yield become('may', 'an order starts a single application', up, rest);
  }

  /** The cloud takes a question: a lease is granted after the write that renews it. */
  #handled(state: State, index: number, at: number): Step<State> & { kind: Kind } {
    const node = state.nodes[index];
    const letter = node?.letters[at];
    if (!node || !letter) throw new Error('no such question');
    const { group } = state;
    const { question } = letter;
    const { after, refusals } = renewed(group, [question], question.node);
    const answer = grantOf(after ?? group, question, refusals.get(question));
    // The answer to an earlier question is never heeded, nor is one that names the same granted later.
    const isNewest = node.guard?.lease.asked?.nonce === question.nonce;
    const others = node.letters.filter((other) => other !== letter);
    const letters = isNewest ? [...(after ? [] : others), { ...letter, answer }] : others;
    return {
      kind: 'soon',
      label: `the cloud ${after ? 'renews' : 'refuses'} a lease in term ${group.term}`,
      state: {
        ...state,
        ...(after && { group: after, writtenTick: state.tick }),
        nodes: state.nodes.with(index, { ...node, letters }),
      },
    };
  }

  *#run(state: State): Kinds {
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
      yield* this.#undo(state, run, hasRoom);
    }
    if (phase === 'closing' && closing) {
      if (cloud.waited === '' && this.#isWaitOver(state, closing.run)) {
        const over = { ...state, cloud: { ...cloud, waited: closing.run } };
        yield { kind: 'soon', label: 'the wait is over', state: over };
      }
      yield* this.#confirmation(state, closing.run);
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
  *#undo(state: State, run: string, hasRoom: boolean): Kinds {
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

  #isWaitOver({ group, tick }: State, run: string): boolean {
    const { lease, ...rest } = group;
    const judged = this.#unsafe.keepWaits === true ? rest : { ...rest, ...(lease && { lease }) };
    return untilStoppedMs(judged, run, tick * TICK_MS) === 0;
  }

  /** A person goes and sees that nothing runs, and says so. */
  *#confirmation(state: State, run: string): Kinds {
    const { group, tick, nodes } = state;
    if (nodes.some(({ application }) => application !== 'gone')) return;
    const atMs = this.#unsafe.keepEarly === true ? Number.MAX_SAFE_INTEGER : tick * TICK_MS;
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

  *#abort(state: State): Kinds {
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
    const isWeak = this.#unsafe.weakAbort === true;
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
}

const WROTE = 'written at the site and in the cloud: an application that was replaced has written again';

const GONE = { application: 'gone', dying: 0, isReplaced: false, isByHand: false, byHandTicks: 0 } as const;
/** A node without power. */
const OFF = {
  application: 'gone',
  dying: 0,
  isReplaced: false,
  armedBootMs: 0,
  letters: [],
  guard: undefined,
} as const;

/** What runs at the site when one is started in the cloud; what somebody started by hand is not judged by its writes. */
function replaced(node: Node): Node {
  return node.application === 'gone' || node.isByHand ? node : { ...node, isReplaced: true };
}

function started(
  record: Node['record'],
  { application, armedBootMs }: Pick<Node, 'application' | 'armedBootMs'>,
): GuardState {
  const runs = application !== 'gone';
  const found = { application: runs ? 'running' : 'stopped', armedBootMs: runs ? armedBootMs : 0 } as const;
  return newGuard({ group: GROUP, ...record, found });
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

/** What was killed before is gone by the time of the first kill. */
function killed({ application, dying }: Node): Pick<Node, 'application' | 'dying'> {
  return application === 'up' ? { application: 'dying', dying: KILL } : { application, dying };
}

/** One question more; an earlier one may still be on its way, and comes to nothing unless it may be granted. */
function asking(state: State, name: string, node: Node, guard: GuardState): Partial<Node> {
  const nowBootMs = bootMs(state, node);
  const nonce = String(node.questions + 1).padStart(32, '0');
  const last = lastGranted(state.group, name);
  const waiting = node.letters.filter((letter) => !letter.answer && letter.question.after === last).slice(-1);
  const question = { group: GROUP, nonce, node: name, after: guard.lease.after };
  return {
    guard: guardAsked(guard, { nonce, givenBootMs: nowBootMs }),
    letters: [...waiting, { question, answer: undefined }],
    askedBootMs: nowBootMs,
    questions: node.questions + 1,
  };
}

function nameOf({ group }: Pick<State, 'group'>, index: number): string {
  return group.guards?.[index]?.node ?? '';
}

function bootMs({ tick }: Pick<State, 'tick'>, { lag }: Node): number {
  return (tick - lag) * TICK_MS;
}

/** What the node's guard would do now; undefined where it only waits. */
function dueAction(state: State, node: Node): GuardAction | undefined {
  if (!node.guard) return undefined;
  const action = nextAction(node.guard, bootMs(state, node), TIMES);
  return action.do === 'wait' ? undefined : action;
}
