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
import { CURRENT_VERSION } from '../../src/kernel/versions.ts';
import type { Model, Step } from './checker.ts';
import { keyOf } from './lease-key.ts';
import { nodeSteps } from './lease-node.ts';
import { abortSteps, runSteps } from './lease-run.ts';
import {
  BY_HAND_MAX,
  CALMS,
  DRIFT_ALLOWED,
  FIRST_TICK,
  GROUP,
  KILL,
  OFF,
  PAUSE_ALLOWED,
  TICK_MS,
  WROTE,
  started,
} from './lease-world.ts';
import type { Kinds, LeaseBounds, Node, Rules, State, Unsafe } from './lease-world.ts';

export class LeaseModel implements Model<State> {
  readonly initial: readonly State[];
  readonly #rules: Rules;

  constructor(bounds: LeaseBounds, unsafe: Unsafe = {}) {
    const names = ['north', 'south', 'east'].slice(0, bounds.nodes);
    const margin = unsafe.margin ?? PAUSE_ALLOWED + DRIFT_ALLOWED + KILL;
    const first: GroupDocument = {
      version: CURRENT_VERSION,
      group: GROUP,
      term: 1,
      phase: 'open',
      holder: 'site',
      leaseMs: bounds.leaseTicks * TICK_MS,
      ...(bounds.lease === 'keep' && { lease: 'keep' }),
      marginMs: margin * TICK_MS,
      renewals: 0,
      run: null,
      closing: null,
      guards: names.map((node) => ({ node })),
    };
    this.#rules = { bounds, unsafe, margin, first };
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
    this.initial = [{ tick: FIRST_TICK, group: first, writtenTick: FIRST_TICK - 1, nodes, cloud, ...rest }];
  }

  key(state: State): string {
    return keyOf(this.#rules, state);
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
    if (this.#rules.bounds.isCalmed) yield* this.#calms(state);
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
    for (const index of state.nodes.keys()) yield nodeSteps(this.#rules, state, index);
    yield runSteps(this.#rules, state);
    yield abortSteps(this.#rules, state);
    yield this.#world(state);
  }

  *#world(state: State): Kinds {
    if (state.cloud.application && state.cloud.isReplaced) {
      yield { kind: 'may', label: 'the application in the cloud writes', state: { ...state, wrong: WROTE } };
    }
    if (state.left.rollbacks > 0 && state.group !== this.#rules.first) {
      const left = { ...state.left, rollbacks: 0 };
      yield { kind: 'fault', label: 'the store is set back', state: { ...state, group: this.#rules.first, left } };
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
    const drift = state.calm ? 0 : (this.#rules.unsafe.drift ?? (this.#rules.bounds.isSteady ? 0 : DRIFT_ALLOWED));
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
}
