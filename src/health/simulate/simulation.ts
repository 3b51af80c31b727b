/**
 * What the monitor would make of a scenario: second by second, through the functions that run in production.
 *
 * Invariants: nothing here decides, folds or counts by itself: a heartbeat goes through `saidOf`, a word through `spoke`, a tick
 * through `nextWatch`, `whyUnfit`, `historyOf` and `decideSiteFailure`, a renewal and a close through the transitions of the
 * term. All is up for as long before the beginning as a monitor needs that has watched a whole window. Pure.
 */
import type { GroupDocument } from '../../documents/group.ts';
import type { MonitorDocument } from '../../documents/monitor.ts';
import type { Plan } from '../../documents/plan.ts';
import type { Question } from '../../documents/site-failure.ts';
import { witnessesOf } from '../../documents/site.ts';
import type { HeartbeatDocument } from '../../documents/site.ts';
import type { Spoken, Witness } from '../../documents/witness.ts';
import { inSeconds } from '../../kernel/in-words.ts';
import { CURRENT_VERSION } from '../../kernel/versions.ts';
import type { GroupWord } from '../../protocol/heartbeat.ts';
import { NO_NONCE, renewEveryMs } from '../../protocol/lease.ts';
import { whyUnfit } from '../bounds/fit.ts';
import { historyOf } from '../decide/gather.ts';
import { saidOf } from '../doors/heartbeat.ts';
import type { Scenario, ScenarioEvent } from './scenario.ts';
import { decideSiteFailure } from '../decide/site-failure.ts';
import type { SiteVerdict } from '../decide/site-failure.ts';
import { spoke } from '../decide/spoken.ts';
import { bound, closed, renewed, untilStoppedMs } from '../term/term.ts';
import { nextWatch } from '../decide/watch.ts';

/** What the plan says of deciding. */
export type DecidingPlan = Pick<
  Plan,
  'group' | 'mode' | 'consents' | 'windowMs' | 'noAnswer' | 'answerMs' | 'alertAfterMs' | 'stopping'
>;

export interface SimulatedMoment {
  /** From the scenario's beginning; below zero before it. */
  readonly atMs: number;
  readonly what: 'event' | 'verdict' | 'run';
  readonly text: string;
  readonly verdict?: SiteVerdict['verdict'];
}

/** Storage times are whole seconds, and so are these. */
const STEP_MS = 1000;
/** When a scenario begins, on the simulated clock: any date would do. */
const BEGIN_MS = 1_700_000_000_000;
const RUN = 't1-unplanned-simulated';
const SITE_KEY = 'k1';

/** What happens, in its order, up to the failover or the end. */
export function simulate(plan: DecidingPlan, scenario: Scenario): readonly SimulatedMoment[] {
  const world = new SimulatedWorld(plan, scenario);
  const events = scenario.events.toSorted((a, b) => a.atMs - b.atMs);
  const warmUpMs = 2 * plan.windowMs + 2 * scenario.gapMs;
  const moments: SimulatedMoment[] = [];
  let next = 0;
  for (let atMs = -Math.ceil(warmUpMs / STEP_MS) * STEP_MS; atMs <= scenario.forMs; atMs += STEP_MS) {
    for (let event = events[next]; event !== undefined && event.atMs <= atMs; event = events[next]) {
      next += 1;
      moments.push({ atMs: event.atMs, what: 'event', text: world.apply(event, atMs) });
    }
    moments.push(...world.pass(atMs));
    if (world.isOver) break;
  }
  return moments;
}

class SimulatedWorld {
  readonly #plan: DecidingPlan;
  readonly #scenario: Scenario;
  readonly #witnesses: readonly Witness[];
  readonly #says = new Map<string, 'up' | 'down' | 'none' | 'nothing'>();
  readonly #spoken = new Map<string, Spoken>();
  #goes = { heartbeats: true, renewals: true, canary: true, monitor: true };
  #word: GroupWord;
  #group: { value: GroupDocument; lastModifiedMs: number };
  #heartbeat: { value: HeartbeatDocument; lastModifiedMs: number } | undefined;
  #watch: MonitorDocument | undefined;
  #watchedMs: number | undefined;
  #question: Question | null = null;
  #wishes = 0;
  #last = '';
  isOver = false;

  constructor(plan: DecidingPlan, scenario: Scenario) {
    const { leaseMs, marginMs, keep, guards, nodes, heartbeatMs } = scenario;
    this.#plan = plan;
    this.#scenario = scenario;
    this.#witnesses = witnessesOf(scenario, heartbeatMs);
    this.#word = { group: plan.group, term: 1, lease: 'held', nodes };
    const value: GroupDocument = {
      version: CURRENT_VERSION,
      group: plan.group,
      term: 1,
      phase: 'open',
      holder: 'site',
      leaseMs,
      marginMs,
      ...(keep && { lease: 'keep' as const }),
      renewals: 0,
      guards: guards.map((node) => ({ node })),
      run: null,
      closing: null,
    };
    this.#group = { value, lastModifiedMs: 0 };
  }

  /** Lets the event happen, and tells it. */
  apply(event: ScenarioEvent, atMs: number): string {
    const { heartbeats, renewals, lease, witness, canary, monitor, answer, offlineForMs, wants, guards } = event;
    const goes = this.#goes;
    if (heartbeats) goes.heartbeats = heartbeats === 'go';
    if (renewals) goes.renewals = renewals === 'go';
    if (canary) goes.canary = canary === 'works';
    if (monitor) goes.monitor = monitor === 'wakes';
    if (lease) this.#word = { ...this.#word, lease };
    if (witness) this.#says.set(witness.name, witness.says);
    if (offlineForMs !== undefined) this.#word = { ...this.#word, offlineUntilMs: BEGIN_MS + atMs + offlineForMs };
    if (wants !== undefined) {
      this.#wishes += 1;
      this.#word = { ...this.#word, wants: { decision: `simulated-${this.#wishes}`, reason: wants } };
    }
    if (guards) this.#write({ ...this.#group.value, guards: guards.map((node) => ({ node })) }, atMs);
    if (answer && this.#question) {
      this.#question = { ...this.#question, answer: { ...answer, atMs: BEGIN_MS + atMs } };
    }
    const [what = '', said] = Object.entries(event).find(([key]) => key !== 'atMs') ?? [];
    const told = typeof said === 'object' ? Object.values(said).join(' ') : String(said);
    return answer && !this.#question ? `answer ${told}: nobody was asked` : `${what} ${told}`;
  }

  /** One second. */
  pass(atMs: number): readonly SimulatedMoment[] {
    const { heartbeatMs, leaseMs, monitorMs } = this.#scenario;
    const isDue = (everyMs: number): boolean => atMs % (Math.ceil(everyMs / STEP_MS) * STEP_MS) === 0;
    if (this.#goes.heartbeats && isDue(heartbeatMs)) this.#beat(atMs);
    if (this.#goes.renewals && isDue(renewEveryMs(leaseMs))) this.#renew(atMs);
    for (const witness of this.#witnesses) if (isDue(witness.everyMs)) this.#hear(witness, atMs);
    return this.#goes.monitor && isDue(monitorMs) ? this.#tick(atMs) : [];
  }

  /** The first guard renews, for all of them. No question is lost here, so that all questions may have one nonce. */
  #renew(atMs: number): void {
    const { value } = this.#group;
    const node = value.guards?.[0]?.node;
    const question = { group: value.group, nonce: NO_NONCE, ...(node !== undefined && { node }) };
    this.#write(renewed(value, [question]).after, atMs);
  }

  #beat(atMs: number): void {
    const heartbeats = this.#witnesses.find(({ kind }) => kind === 'heartbeat') ?? {
      everyMs: this.#scenario.heartbeatMs,
    };
    const before = this.#heartbeat?.value.said?.[0];
    const nowMs = BEGIN_MS + atMs;
    const value: HeartbeatDocument = {
      version: CURRENT_VERSION,
      site: this.#plan.group.split('/').slice(0, 2).join('/'),
      key: SITE_KEY,
      heartbeat: { counter: nowMs, volumes: [], groups: [this.#word] },
      said: [saidOf(before, this.#word, { atMs: nowMs, witness: heartbeats })],
    };
    this.#heartbeat = { value, lastModifiedMs: nowMs };
  }

  #hear(witness: Witness, atMs: number): void {
    const verdict = this.#says.get(witness.name) ?? 'up';
    if (witness.kind === 'heartbeat' || verdict === 'nothing') return;
    // Probes are asked by the monitor: while it sleeps, by nobody.
    if (witness.kind === 'probe' && !this.#goes.monitor) return;
    this.#spoken.set(witness.name, spoke(this.#spoken.get(witness.name), { verdict, atMs: BEGIN_MS + atMs }, witness));
  }

  #write(value: GroupDocument | undefined, atMs: number): void {
    if (value) this.#group = { value, lastModifiedMs: BEGIN_MS + atMs };
  }

  #tick(atMs: number): readonly SimulatedMoment[] {
    const nowMs = BEGIN_MS + atMs;
    const tick = { nowMs, through: this.#goes.canary, gapMs: this.#scenario.gapMs };
    const watch = (this.#watch = nextWatch(this.#watch, tick));
    const unfit = whyUnfit({
      plan: this.#plan,
      group: this.#group.value,
      witnesses: this.#witnesses,
      word: this.#heartbeat && this.#word,
      gapMs: this.#scenario.gapMs,
    });
    const history = historyOf({
      watch,
      group: this.#group,
      plan: this.#plan,
      unfit,
      heartbeat: this.#heartbeat,
      witnesses: this.#witnesses,
      spoken: this.#spoken,
      question: this.#question,
      watchedMs: this.#watchedMs,
    });
    this.#watchedMs = history.watchedMs;
    const { verdict, reason, about, kind } = decideSiteFailure(history);
    const isNews = this.#last !== `${verdict} ${about}`;
    this.#last = `${verdict} ${about}`;
    // A verdict from before the beginning is no part of the scenario.
    if (!isNews || atMs < 0) return [];
    if (verdict === 'ask') {
      this.#question = { about, kind, askedAtMs: nowMs, untilMs: nowMs + this.#plan.answerMs, answer: null };
    }
    const decided: SimulatedMoment = { atMs, what: 'verdict', verdict, text: reason };
    return verdict === 'fail-over' ? [decided, ...this.#run(atMs)] : [decided];
  }

  /** What the run would do, and when, as far as that is known beforehand. */
  #run(atMs: number): readonly SimulatedMoment[] {
    this.isOver = true;
    const actor = { kind: 'function' as const, name: 'monitor', decision: 'simulated' };
    const { value, lastModifiedMs } = this.#group;
    const taken = bound(value, RUN, lastModifiedMs) ?? value;
    const closing = closed(taken, { run: RUN, actor, lastModifiedMs: BEGIN_MS + atMs }) ?? taken;
    const waitMs = untilStoppedMs(closing, RUN, BEGIN_MS + atMs);
    const told = (text: string, afterMs = 0): SimulatedMoment => ({ atMs: atMs + afterMs, what: 'run', text });
    const first = [told('reserve: a resource group of its own'), told('close: no lease is granted any more')];
    if (waitMs === Infinity) {
      return [
        ...first,
        told('wait: leases keep: until every guard has promised, or a person says that nothing runs there'),
      ];
    }
    return [
      ...first,
      told(
        `wait: ${inSeconds(waitMs)} at most, until every guard has promised, or the last lease and its margin are over`,
      ),
      told('end: the term ends; then drain, point, disk, machine and health, as long as Azure takes for each', waitMs),
    ];
  }
}
