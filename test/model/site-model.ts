/**
 * The decision on a site, as a model: what the site and its witnesses say, the monitor's watch, the verdict, and the close that
 * is refused where the site was heard again, all the production's own (src/health/*); time, network and who lies are played.
 * README.md says which fault is where, and how this model and the leases' (lease-model.ts) make one.
 *
 * What must hold: with three failure domains, no single fault stops or moves an application that is well, but for those that
 * the design names: where renewals do not get through for a lease's length, or their answers, a strict lease stops it. One
 * kind of fault acts in each history, whenever and however it likes. And a site that is dead, or cut off, or hears no answer
 * is failed over after a bounded time; a witness that lies or is mute goes on being so meanwhile.
 */
import type { GroupDocument } from '../../src/documents/group.ts';
import type { MonitorDocument } from '../../src/documents/monitor.ts';
import { STRICT_LEASE_CONSENT, SINGLE_WITNESS_CONSENT } from '../../src/documents/plan.ts';
import type { SiteHistory } from '../../src/documents/site-failure.ts';
import type { HeartbeatDocument } from '../../src/documents/site.ts';
import type { Spoken, Witness } from '../../src/documents/witness.ts';
import { historyOf } from '../../src/health/decide/gather.ts';
import type { Gathered } from '../../src/health/decide/gather.ts';
import { isEndedByRenewal, whyNotAnyMore } from '../../src/health/decide/heard-again.ts';
import { saidOf } from '../../src/health/doors/heartbeat.ts';
import { decideSiteFailure } from '../../src/health/decide/site-failure.ts';
import { spoke } from '../../src/health/decide/spoken.ts';
import { bound, closed, freed, lastGranted, renewed } from '../../src/health/term/term.ts';
import { nextWatch } from '../../src/health/decide/watch.ts';
import type { LeaseQuestion } from '../../src/protocol/lease.ts';
import { CURRENT_VERSION } from '../../src/kernel/versions.ts';
import type { Model, Step } from './checker.ts';

/** One step of time: how often everybody speaks, renews and looks. */
const TICK_MS = 1000;
const FIRST_MS = 1000 * TICK_MS;
const GROUP = 'acme/berlin/erp';
const NODE = 'north';
const RUN = 't1-unplanned-1';
const ACTOR = { kind: 'by-hand' as const };

/** In ticks: the window that the site must be down, and a lease. */
const WINDOW = 3;
const LEASE = 3;
/** How far the service's clock jumps, in ticks: more than any of these. */
const JUMP = 8;
/** Times that are further off than this make no difference. */
const FAR = 2 * WINDOW + JUMP;

const PLAN = {
  mode: 'automatic',
  consents: [STRICT_LEASE_CONSENT],
  windowMs: WINDOW * TICK_MS,
  noAnswer: 'no',
  alertAfterMs: Number.MAX_SAFE_INTEGER,
} satisfies Gathered['plan'];

const everyMs = TICK_MS;
/** Three failure domains. */
const HEARTBEAT: Witness = { name: 'heartbeat', kind: 'heartbeat', domain: 'monitor', everyMs };
const OBSERVER: Witness = { name: 'observer', kind: 'observer', domain: 'elsewhere', everyMs };
const REGION: Witness = {
  name: 'region',
  kind: 'region',
  domain: 'another region',
  everyMs,
  url: 'https://erp.example/',
};
const WITNESSES = [HEARTBEAT, OBSERVER, REGION];

/** What goes wrong in a history, at any of its ticks. */
export const FAULTS = [
  /** One word and one renewal are lost now and then: so they are in every history. */
  'nothing else',
  'the observer lies',
  'the observer is mute',
  /** By whoever has recorded what the site sent; its heartbeats count but once, and their loss alone is played. */
  'renewals are sent again',
  'the agent is dead or lies of the lease',
  'the site is cut off',
  'answers do not reach the site',
  'the door of the cloud is shut',
  'the door of leases alone is shut',
  'the monitor sleeps, or is doubled',
  "the service's clock jumps",
] as const;
export type Fault = (typeof FAULTS)[number];

/** How the site stays, once there is no more than that and a witness that goes on lying. */
type End = 'dead' | 'cut off' | 'deaf';

interface State {
  readonly fault: Fault;
  readonly nowMs: number;
  readonly group: GroupDocument;
  readonly writtenMs: number;
  /** Ticks that are left of the lease, on the site's own clock. */
  readonly lease: number;
  readonly heartbeat: { readonly value: HeartbeatDocument; readonly lastModifiedMs: number };
  readonly observer: Spoken | undefined;
  readonly region: Spoken | undefined;
  readonly watch: MonitorDocument | undefined;
  /** Whether what the site sent last was lost. */
  readonly hasLost: boolean;
  /** What the run rests on that is bound to the group. */
  readonly decided: { readonly history: SiteHistory; readonly about: string; readonly wasStopped: boolean } | undefined;
  /** What the run was about that was undone last: it is not begun again. */
  readonly undone: string;
  readonly end: End | undefined;
  readonly isMoved: boolean;
  readonly wrong: string | undefined;
}

export interface SiteBounds {
  /** What of {@link FAULTS} is looked at; all if left out. */
  readonly faults?: readonly Fault[];
  /** So many failure domains are enough, in place of more than half of them: each choice of so many alone decides. */
  readonly quorum?: number;
  /** Whether heartbeats and renewals are the only witness, and the plan consents to that. */
  readonly isAlone?: boolean;
  /** Whether a question for a lease is granted whatever it names: so it is granted again when it is sent again. */
  readonly replays?: boolean;
}

/** What everybody does within one tick. */
interface Tick {
  readonly label: string;
  readonly aheadMs: number;
  /** What the site sends arrives. */
  readonly isHeard: boolean;
  /** A renewal that was granted before arrives once more. */
  readonly isSentAgain: boolean;
  /** The cloud answers who asks for a lease. */
  readonly isRenewed: boolean;
  /** A renewal's answer arrives. */
  readonly isAnswered: boolean;
  readonly heartbeat: 'true' | 'none' | 'absent';
  readonly observer: 'true' | 'up' | 'down' | 'none' | 'absent';
  readonly region: 'true' | 'absent';
  readonly monitor: 'ticks' | 'sleeps' | 'ticks twice';
  readonly isThrough: boolean;
}

const USUAL: Tick = {
  label: 'all is well',
  aheadMs: TICK_MS,
  isHeard: true,
  isSentAgain: false,
  isRenewed: true,
  isAnswered: true,
  heartbeat: 'true',
  observer: 'true',
  region: 'true',
  monitor: 'ticks',
  isThrough: true,
};

/** What each fault can do in a tick, beside nothing. */
const ACTS: { readonly [Name in Fault]: readonly Partial<Tick>[] } = {
  'nothing else': [],
  'the observer lies': [{ observer: 'up' }, { observer: 'down' }, { observer: 'none' }],
  'the observer is mute': [{ observer: 'absent' }],
  'renewals are sent again': [{ isSentAgain: true }],
  'the agent is dead or lies of the lease': [{ heartbeat: 'none' }, { heartbeat: 'absent' }],
  'the site is cut off': [{ isHeard: false }],
  'answers do not reach the site': [{ isAnswered: false }],
  'the door of the cloud is shut': [{ isHeard: false, isThrough: false, observer: 'absent', region: 'absent' }],
  'the door of leases alone is shut': [{ isRenewed: false, isThrough: false }],
  'the monitor sleeps, or is doubled': [{ monitor: 'sleeps' }, { monitor: 'ticks twice' }],
  "the service's clock jumps": [{ aheadMs: JUMP * TICK_MS }, { aheadMs: -JUMP * TICK_MS }],
};

/** Faults that last when the site's own end has come. */
const LASTING: readonly Fault[] = ['the observer lies', 'the observer is mute', 'renewals are sent again'];
const OUR_DOORS: readonly Fault[] = ['the door of the cloud is shut', 'the door of leases alone is shut'];
/** Faults under which a strict lease ends: they are named, and not judged as stopping the application. */
const NAMED: readonly Fault[] = ['the site is cut off', 'answers do not reach the site', ...OUR_DOORS];

export class SiteModel implements Model<State> {
  readonly initial: readonly State[];
  readonly #quorum: number;
  readonly #witnesses: readonly Witness[];
  readonly #plan: Gathered['plan'];
  readonly #replays: boolean;

  constructor({ faults = FAULTS, quorum = WITNESSES.length, isAlone = false, replays = false }: SiteBounds = {}) {
    this.#quorum = quorum;
    this.#witnesses = isAlone ? [HEARTBEAT] : WITNESSES;
    this.#plan = isAlone ? { ...PLAN, consents: [...PLAN.consents, SINGLE_WITNESS_CONSENT] } : PLAN;
    this.#replays = replays;
    const group: GroupDocument = {
      version: CURRENT_VERSION,
      group: GROUP,
      term: 1,
      phase: 'open',
      holder: 'site',
      leaseMs: LEASE * TICK_MS,
      marginMs: TICK_MS,
      renewals: 1,
      run: null,
      closing: null,
      guards: [{ node: NODE }],
    };
    const heartbeat = heard(undefined, 'held', FIRST_MS);
    this.initial = faults.map((fault) => ({
      fault,
      nowMs: FIRST_MS,
      group,
      writtenMs: FIRST_MS,
      lease: LEASE,
      heartbeat,
      observer: undefined,
      region: undefined,
      watch: undefined,
      hasLost: false,
      decided: undefined,
      undone: '',
      end: undefined,
      isMoved: false,
      wrong: undefined,
    }));
  }

  key(state: State): string {
    const { nowMs, group, writtenMs, heartbeat, observer, region, watch, decided, end } = state;
    const ago = (ms: number | null | undefined): number =>
      ms === null || ms === undefined ? FAR + 1 : Math.max(-FAR, Math.min(FAR, (nowMs - ms) / TICK_MS));
    const word = (spoken: Spoken | undefined): unknown =>
      spoken && [spoken.verdict, ago(spoken.sinceMs), ago(spoken.lastSeenMs), ago(spoken.lastUpMs)];
    const relative = (about: string): string => about.replace(/\d{6,}/, (ms) => String(ago(Number(ms))));
    const { quiet, renewals, run, phase } = group;
    return JSON.stringify([
      [state.fault, end, state.lease, state.hasLost, state.isMoved, state.wrong, relative(state.undone)],
      [phase, run, ago(writtenMs), quiet?.renewals === renewals && ago(quiet.sinceMs)],
      [ago(heartbeat.lastModifiedMs), word(heartbeat.value.said?.[0]?.word), word(observer), word(region)],
      watch && [ago(watch.lastTickMs), ago(watch.awakeSinceMs), ago(watch.canarySinceMs)],
      decided && [
        relative(decided.about),
        decided.wasStopped,
        decided.history.renewals < renewals,
        (decided.history.lastHeartbeatMs ?? 0) < heartbeat.lastModifiedMs,
        decided.history.siteWord?.verdict,
        isEndedByRenewal(decided.history),
      ],
    ]);
  }

  isCalm({ end }: State): boolean {
    return end !== undefined;
  }

  violation({ wrong }: State): string | undefined {
    return wrong;
  }

  *next(state: State): Generator<Step<State>> {
    if (state.isMoved) {
      yield { label: 'the cloud has it', state, isGood: true };
      return;
    }
    if (state.decided) {
      yield this.#close(state, state.decided);
      // Once there are no more faults nothing waits.
      if (state.end) return;
    }
    for (const tick of ticksOf(state)) yield { label: tick.label, state: this.#after(state, tick), ticks: 1 };
    if (state.end) return;
    for (const end of ['dead', 'cut off', 'deaf'] as const) {
      // Beside a lying witness, one whose word is a renewal that nobody heeds makes two that are wrong.
      if (end === 'deaf' && LASTING.includes(state.fault)) continue;
      const lease = end === 'dead' ? 0 : state.lease;
      yield { label: `from here on the site is ${end}`, state: { ...state, lease, end } };
    }
  }

  /**
   * The run closes the group, unless the site was heard again. An application that was stopped when that was decided, and
   * started again before the close, was not well.
   */
  #close(state: State, { history, about, wasStopped }: NonNullable<State['decided']>): Step<State> {
    const { group, heartbeat, writtenMs, lease } = state;
    const isRenewed = isEndedByRenewal(history) && group.renewals > history.renewals;
    if (isRenewed || whyNotAnyMore(history, GROUP, heartbeat) !== undefined) {
      const after = freed(group, RUN) ?? group;
      const undone = {
        group: { ...after, freed: undefined },
        writtenMs: state.nowMs,
        decided: undefined,
        undone: about,
      };
      return { label: 'the site was heard again: the run is undone', state: { ...state, ...undone } };
    }
    const after = closed(group, { run: RUN, actor: ACTOR, lastModifiedMs: writtenMs }) ?? group;
    // What was stopped by a door of our own is started again when that opens, and is not moved meanwhile.
    const isWell = (lease > 0 && !wasStopped) || (OUR_DOORS.includes(state.fault) && state.end === undefined);
    const wrong = isWell ? `a healthy application is moved by a single fault: ${state.fault}` : undefined;
    return { label: 'the term is closed', state: { ...state, group: after, isMoved: true, wrong } };
  }

  #after(state: State, tick: Tick): State {
    const { end, fault } = state;
    const nowMs = state.nowMs + tick.aheadMs;
    const isHeard = tick.isHeard && end !== 'dead' && end !== 'cut off';
    const own = isHeard && tick.isRenewed ? renewed(state.group, [this.#question(state)]).after : undefined;
    const group = (tick.isSentAgain ? this.#sentAgain(own ?? state.group) : undefined) ?? own;
    const isRenewed = own !== undefined && tick.isAnswered && end !== 'deaf';
    const lease = isRenewed ? LEASE : Math.max(0, state.lease - 1);
    const says = tick.heartbeat === 'none' || lease === 0 ? 'none' : 'held';
    const isSpoken = isHeard && tick.heartbeat !== 'absent';
    const truth = lease > 0 ? 'up' : 'down';
    const sees = (witness: Witness, before: Spoken | undefined, word: Tick['observer']): Spoken | undefined => {
      if (word === 'absent') return before;
      return spoke(before, { verdict: word === 'true' ? truth : word, atMs: nowMs }, witness);
    };
    const isStopped = lease === 0 && end === undefined && !NAMED.includes(fault);
    const after: State = {
      ...state,
      nowMs,
      lease,
      ...(group && { group, writtenMs: nowMs }),
      ...(isSpoken && { heartbeat: heard(state.heartbeat, says, nowMs) }),
      hasLost: !tick.isHeard && fault !== 'the site is cut off',
      observer: sees(OBSERVER, state.observer, tick.observer),
      region: sees(REGION, state.region, tick.region),
      wrong: isStopped ? `a healthy application is stopped by a single fault: ${fault}` : undefined,
    };
    switch (tick.monitor) {
      case 'sleeps':
        return after;
      case 'ticks':
        return this.#decide(after, tick.isThrough);
      case 'ticks twice':
        return this.#decide(this.#decide(after, tick.isThrough), tick.isThrough);
    }
  }

  /** The site's next question. */
  #question({ group }: State): LeaseQuestion {
    return { group: GROUP, nonce: String(group.renewals), node: NODE, after: lastGranted(group, NODE) };
  }

  /** The newest question that was granted, once more: what it names was granted before it. */
  #sentAgain(group: GroupDocument): GroupDocument | undefined {
    const nonce = lastGranted(group, NODE);
    const after = this.#replays ? nonce : 'an older one';
    return renewed(group, [{ group: GROUP, nonce, node: NODE, after }]).after;
  }

  /** The monitor's tick. */
  #decide(state: State, through: boolean): State {
    const { nowMs, group, writtenMs, heartbeat, observer, region } = state;
    const watch = nextWatch(state.watch, { nowMs, through, gapMs: TICK_MS });
    const spoken = new Map<string, Spoken>();
    if (observer) spoken.set(OBSERVER.name, observer);
    if (region) spoken.set(REGION.name, region);
    const whole = historyOf({
      watch,
      group: { value: group, lastModifiedMs: writtenMs },
      plan: this.#plan,
      heartbeat,
      witnesses: this.#witnesses,
      spoken,
      question: null,
      watchedMs: undefined,
    });
    for (const history of this.#heeded(whole)) {
      const { verdict, about } = decideSiteFailure(history);
      if (verdict !== 'fail-over' || about === state.undone) continue;
      const run = bound(group, RUN, writtenMs);
      if (run)
        return {
          ...state,
          watch,
          group: run,
          writtenMs: nowMs,
          decided: { history, about, wasStopped: state.lease === 0 },
        };
    }
    return { ...state, watch };
  }

  /** The history, or where fewer domains are enough, what each choice of so many alone makes of it. */
  #heeded(whole: SiteHistory): readonly SiteHistory[] {
    if (this.#quorum >= WITNESSES.length) return [whole];
    const consents = [...PLAN.consents, SINGLE_WITNESS_CONSENT];
    return whole.witnesses.map((_, first) => {
      const witnesses = whole.witnesses.filter(
        (_other, at) => (at - first + WITNESSES.length) % WITNESSES.length < this.#quorum,
      );
      return { ...whole, consents, witnesses };
    });
  }
}

/** What can happen within the next tick. */
function* ticksOf({ fault, hasLost, end }: State): Generator<Tick> {
  const acts = end === undefined || LASTING.includes(fault) ? ACTS[fault] : [];
  yield USUAL;
  for (const act of acts) yield { ...USUAL, ...act, label: `${fault}: ${JSON.stringify(act)}` };
  if (hasLost || end !== undefined) return;
  for (const act of [{}, ...acts]) {
    yield { ...USUAL, ...act, isHeard: false, label: `a word is lost; ${fault}: ${JSON.stringify(act)}` };
  }
}

/** The heartbeat's record after one more. */
function heard(before: State['heartbeat'] | undefined, lease: 'held' | 'none', nowMs: number): State['heartbeat'] {
  const group = { group: GROUP, term: 1, lease, nodes: [NODE] };
  const said = saidOf(before?.value.said?.[0], group, { atMs: nowMs, witness: HEARTBEAT });
  const heartbeat = { counter: nowMs, volumes: [], groups: [group] };
  const value = { version: CURRENT_VERSION, site: 'acme/berlin', key: 'k1', heartbeat, said: [said] };
  return { value, lastModifiedMs: nowMs };
}
