/**
 * One machine of the site under the agent's eyes: whether something is to be done about it, what, and what came of that. Needs
 * no cloud.
 *
 * Invariants: nothing is decided while its guard cannot be asked or holds no lease; a decision is stored before anything is
 * done about it, and an attempt is on record before it is made; one step at a time; a process that ends in the midst of a step
 * costs no more than that step's time: the next one waits for what becomes of it, and never takes it again.
 */
import type { Clock } from '../../kernel/clock.ts';
import { describeError } from '../../kernel/errors.ts';
import { CURRENT_VERSION } from '../../kernel/versions.ts';
import type { KeptTexts } from '../../ports/kept-texts.ts';
import type { MachineControl } from '../../ports/machine-control.ts';
import { heartbeatWords } from '../../protocol/heartbeat.ts';
import { limitsOf } from '../decide/config.ts';
import type { MachineConfig } from '../decide/config.ts';
import type { MachineDecision } from '../decide/decision.ts';
import { STEPS, nextStep } from '../decide/escalation.ts';
import type { EscalationLimits, NextStep, Step } from '../decide/escalation.ts';
import { elapsedMs } from '../decide/moment.ts';
import type { Moment } from '../decide/moment.ts';
import { decideMachine } from '../decide/policies.ts';
import type { MachineHistory, MachineVerdict, OfflineMark } from '../decide/policies.ts';
import { JoinedTurns } from '../work/joined-turns.ts';
import { keepDecision, newDecisionId } from './decisions.ts';
import { machineRecordSchema, readRecord, writeRecord } from './records.ts';
import type { MachineRecord } from './records.ts';
import type { WatchedApplication } from './watched-application.ts';
import { during } from './watched-guard.ts';
import type { WatchedGuard } from './watched-guard.ts';

/** A time of being well goes on over an agent that was away for no longer than this. */
const WELL_GAP_MS = 120_000;
/** How often the end of a time of being well that goes on is written down. */
const WELL_NOTED_MS = 60_000;
/** Events that are kept: far more than the limits of the steps allow within their windows. */
const EVENTS_MAX = 400;

export interface WatchedMachineOptions {
  readonly name: string;
  readonly config: MachineConfig;
  readonly guard: WatchedGuard;
  /** Those of the guard's applications that run in it. */
  readonly applications: readonly WatchedApplication[];
  /** Undefined where it cannot be restarted in place. */
  readonly control: MachineControl | undefined;
  readonly clock: Clock;
  readonly bootId: string;
  readonly records: KeptTexts;
  readonly decisions: KeptTexts;
  /** Marks on the machine, its group and its site. */
  readonly marks: () => readonly OfflineMark[];
  readonly tell: (line: string) => void;
}

/** What the site wants of the machine's group. */
export type Want = {
  readonly decision: string;
  readonly reason: string;
};

/** What was decided about the machine, before anything follows from it. */
interface Decided {
  readonly history: MachineDecision['history'] & MachineHistory;
  readonly verdict: MachineVerdict;
  readonly next: NextStep | undefined;
}

type Attempt = Extract<MachineRecord['events'][number], { what: 'attempt' }>;

const NOTHING_KNOWN: MachineRecord = { version: CURRENT_VERSION, events: [], isWell: false, told: '' };

export class WatchedMachine {
  readonly name: string;
  readonly #options: WatchedMachineOptions;
  readonly #limits: EscalationLimits;
  readonly #judging = new JoinedTurns(async () => this.#judge());
  #record: MachineRecord;
  #signal = new AbortController().signal;
  /** The restart that this process makes, or has made last. */
  #step:
    | {
        readonly decision: string;
        /** Whether it was carried out, or could not be. */
        isOver: boolean;
        isCarriedOut: boolean;
        work: Promise<void>;
      }
    | undefined;
  #want: Want | undefined;
  #trouble: string | undefined;
  /** When the end of a time of being well was written down last, on boot time. */
  #notedBootMs = -Infinity;

  private constructor(options: WatchedMachineOptions, record: MachineRecord) {
    this.name = options.name;
    this.#options = options;
    this.#limits = limitsOf(options.config);
    this.#record = record;
  }

  /** With the steps that are on record. Errors: DOCUMENT_INVALID, VERSION_TOO_NEW. */
  static async open(options: WatchedMachineOptions): Promise<WatchedMachine> {
    const record = await readRecord(options.records, recordName(options), machineRecordSchema);
    const machine = new WatchedMachine(options, record ?? NOTHING_KNOWN);
    // The first heartbeat says it too: one without it would take it back.
    machine.#want = machine.#stillWanted();
    return machine;
  }

  get config(): MachineConfig {
    return this.#options.config;
  }

  /** The tenant/site/group that it moves with. */
  get group(): string {
    return this.#options.guard.group;
  }

  /** That its group runs elsewhere, where it came to that; undefined otherwise. */
  get want(): Want | undefined {
    return this.#want;
  }

  /** Why a person is needed, in words; undefined while nobody is. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  /** Whether a step was under way when its record was last written. */
  get isStepOpen(): boolean {
    return this.#lastAttempt()?.outcome === 'pending';
  }

  /** Something may have changed. Resolves when it was decided upon. Errors: what cannot be written down. */
  async judge(signal: AbortSignal): Promise<void> {
    this.#signal = signal;
    await this.#judging.ask();
  }

  /** Resolves when no step of this process is under way. */
  async ended(): Promise<void> {
    await this.#step?.work;
  }

  async #judge(): Promise<void> {
    const now = this.#now();
    const weighed = this.#weighed();
    await this.#noteWell(weighed !== undefined && this.#isWell(), now);
    if (weighed === undefined) {
      // Without a lease it is wanted no more: the group may run elsewhere by now. A guard that does not answer says nothing.
      const isUnasked = this.#options.applications.some(({ meant }) => meant.is === 'unasked');
      this.#want = isUnasked ? this.#stillWanted() : undefined;
      this.#trouble = undefined;
      return;
    }
    const hasFailed = weighed.some(({ state }) => state === 'failed');
    await this.#noteOutcome(hasFailed);
    const decided = this.#decide(weighed, now);
    const { next } = decided;
    this.#want = next === undefined ? undefined : this.#wanted();
    this.#trouble = next?.next === 'tell-person' ? this.#needed() : undefined;
    const told = hasFailed ? asTold(decided) : '';
    const step = STEPS.find((one) => one === next?.next);
    const isNews = step !== undefined || (told !== this.#record.told && next?.next !== 'wait');
    if (!isNews || this.#signal.aborted) return;
    if (told === '') {
      await this.#write({ told });
      return;
    }
    const decision = await this.#keep(decided, now);
    await this.#write({ told, decision: decision.decision });
    if (step !== undefined) await this.#take(step, decision, now);
  }

  /** What is to be done, and by which step. */
  #decide(applications: MachineDecision['history']['applications'], now: Moment): Decided {
    const { policy } = this.config;
    const history = { policy, applications, offline: [...this.#options.marks()], nowWallMs: now.wallMs };
    const verdict = decideMachine(history);
    const next = verdict.verdict === 'act' ? nextStep(this.#record.events, this.#limits, now) : undefined;
    return { history, verdict, next };
  }

  /** Stores the decision with all that it was made from, and tells it. */
  async #keep({ history, verdict, next }: Decided, now: Moment): Promise<MachineDecision> {
    const { decisions, guard } = this.#options;
    const decision: MachineDecision = {
      version: CURRENT_VERSION,
      decision: await newDecisionId(decisions, this.name, now.wallMs),
      machine: this.name,
      node: this.config.node,
      group: guard.group,
      verdict: verdict.verdict,
      reason: verdict.reason,
      history,
      ...(next && { next: next.next, nextReason: next.reason }),
      escalation: { events: this.#record.events, limits: this.#limits, now },
    };
    await keepDecision(decisions, decision);
    this.#options.tell(toldOf(decision));
    return decision;
  }

  /** Its applications as the decision takes them; undefined where nothing can be said of one of them. */
  #weighed(): MachineDecision['history']['applications'] | undefined {
    const weighed = this.#options.applications.map((application) => application.weighed());
    return weighed.every((one) => one !== undefined) && weighed.length > 0 ? weighed : undefined;
  }

  /** Whether each application is well by its monitors, or offline on purpose; one at least is well. */
  #isWell(): boolean {
    const meant = this.#options.applications.filter((application) => application.meant.is === 'meant');
    return meant.length > 0 && meant.every(({ verdict, state }) => verdict === 'well' && state.state === 'running');
  }

  /** A time of being well is written down when it begins, now and then while it goes on, and when it ends. */
  async #noteWell(isWell: boolean, now: Moment): Promise<void> {
    const { events, isWell: wasWell } = this.#record;
    // Without a step that counts there is nothing that it could reset.
    if (!events.some(({ what }) => what === 'attempt')) return;
    if (!isWell) {
      if (wasWell) await this.#write({ isWell: false });
      return;
    }
    const last = events.at(-1);
    const isSame = wasWell && last?.what === 'well' && elapsedMs(last.until, now) <= WELL_GAP_MS;
    if (isSame && now.bootMs - this.#notedBootMs < WELL_NOTED_MS) return;
    this.#notedBootMs = now.bootMs;
    const since = isSame ? last.since : now;
    const well = { what: 'well' as const, since, until: now };
    await this.#write({ isWell: true, events: [...(isSame ? events.slice(0, -1) : events), well] });
  }

  /** What became of the step that is under way, where that is known by now. */
  async #noteOutcome(hasFailed: boolean): Promise<void> {
    const attempt = this.#lastAttempt();
    if (attempt?.outcome !== 'pending') return;
    const step = this.#step?.decision === attempt.decision ? this.#step : undefined;
    if (step?.isOver === false) return;
    if (!hasFailed) {
      await this.#writeOutcome(attempt, 'succeeded');
      return;
    }
    // Of a step that an earlier process took, and of a failover, only its time tells.
    if (step === undefined) return;
    const failed = this.#options.applications.filter(({ state }) => state.state === 'failed');
    const hasSeen = failed.every(({ verdict }) => verdict !== 'unknown');
    if (hasSeen || !step.isCarriedOut) await this.#writeOutcome(attempt, 'failed');
  }

  /** The failover that was wanted last, as long as there is no milder way left. */
  #wanted(): Want | undefined {
    const attempt = this.#lastAttempt();
    if (attempt?.step !== 'fail-over' || attempt.decision === undefined) return undefined;
    const reason = `machine ${this.name}: ${this.#failed()} failed, and no restart helped`;
    return { decision: attempt.decision, reason: heartbeatWords(reason) };
  }

  /** The same while nobody can say how its applications are, for as long as a failover may take. */
  #stillWanted(): Want | undefined {
    const attempt = this.#lastAttempt();
    if (attempt?.outcome !== 'pending') return undefined;
    const isInTime = elapsedMs(attempt.at, this.#now()) < this.#limits.steps['fail-over'].timeoutMs;
    return isInTime ? this.#wanted() : undefined;
  }

  #needed(): string {
    const { decision = 'none is kept' } = this.#record;
    return heartbeatWords(`nothing is left to try (decision ${decision}); failed: ${this.#failed()}`);
  }

  #failed(): string {
    const failed = this.#options.applications.filter(({ state }) => state.state === 'failed');
    return failed.map(({ name }) => name).join(', ');
  }

  async #take(step: Step, { decision }: MachineDecision, at: Moment): Promise<void> {
    await this.#write({
      events: [...this.#record.events, { what: 'attempt', step, at, outcome: 'pending', decision }],
      isWell: false,
    });
    if (step === 'fail-over') {
      this.#want = this.#wanted();
      return;
    }
    const signal = this.#signal;
    const taken = { decision, isOver: false, isCarriedOut: false, work: Promise.resolve() };
    taken.work = this.#perform(step, signal).then(
      () => {
        taken.isCarriedOut = true;
        taken.isOver = true;
      },
      (error: unknown) => {
        // The site ends: what was begun may still come about, and the next process waits for that.
        if (signal.aborted) return;
        this.#options.tell(`machine ${this.name}: ${step}: ${describeError(error)}`);
        taken.isOver = true;
      },
    );
    this.#step = taken;
  }

  async #perform(step: Exclude<Step, 'fail-over'>, signal: AbortSignal): Promise<void> {
    const { applications, guard, control, clock } = this.#options;
    const enough = new AbortController();
    const late = clock.sleep(this.#limits.steps[step].timeoutMs, AbortSignal.any([signal, enough.signal])).then(
      () => {
        enough.abort(new Error('its time is over'));
      },
      () => undefined,
    );
    const limited = AbortSignal.any([signal, enough.signal]);
    try {
      if (step === 'restart-application') {
        const failed = applications.filter(({ state }) => state.state === 'failed').map(({ name }) => name);
        await guard.restart(failed, limited);
      } else {
        await during(applications, async () => control?.restart(limited));
      }
    } finally {
      enough.abort(new Error('it is over'));
      await late;
    }
  }

  async #writeOutcome(attempt: Attempt, outcome: Attempt['outcome']): Promise<void> {
    const events = this.#record.events.map((event) => (event === attempt ? { ...attempt, outcome } : event));
    // What is decided next is news, though it may read the same.
    await this.#write({ events, told: '' });
  }

  #lastAttempt(): Attempt | undefined {
    return this.#record.events.findLast((event) => event.what === 'attempt');
  }

  /** Writes it down, and only then goes by it. */
  async #write(change: Partial<MachineRecord>): Promise<void> {
    const record = { ...this.#record, ...change };
    record.events = record.events.slice(-EVENTS_MAX);
    await writeRecord(this.#options.records, recordName(this.#options), machineRecordSchema, record);
    this.#record = record;
  }

  #now(): Moment {
    const { clock, bootId } = this.#options;
    return { bootId, bootMs: clock.bootMs(), wallMs: clock.wallMs() };
  }
}

/**
 * What makes a decision another one than the one before: it is kept and told anew then. What monitors found in words is not
 * among it, since that may change with every look.
 */
function asTold({ history, verdict, next }: Decided): string {
  const states = history.applications.map(({ name, state }) => [name, state]);
  return JSON.stringify([verdict.verdict, verdict.reason, next?.next ?? null, ...states]);
}

function recordName({ name }: Pick<WatchedMachineOptions, 'name'>): string {
  return `machine.${name}`;
}

function toldOf({ decision, machine, verdict, reason, next, nextReason }: MachineDecision): string {
  const what: NextStep['next'] | 'nothing' = next ?? (verdict === 'act' ? 'wait' : 'nothing');
  return `machine ${machine}: ${what}: ${reason}${nextReason === undefined ? '' : `; ${nextReason}`} (decision ${decision})`;
}
