/**
 * One machine of the site under the agent's eyes: whether something is to be done about it, what, and what came of that. Needs
 * no cloud.
 *
 * Invariants: nothing is decided while its guard cannot be asked or holds no lease; a decision is stored before anything is
 * done about it, and an attempt is on record before it is made; one step at a time; a process that ends in the midst of a step
 * costs no more than that step's time: the next one waits for what becomes of it, and never takes it again. What is decided
 * again, and reads the same, is not kept again.
 */
import type { Clock } from '../../kernel/clock.ts';
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
import { MachineMemory } from './machine-memory.ts';
import { MachineRestart } from './machine-restart.ts';
import type { WatchedApplication } from './watched-application.ts';
import type { WatchedGuard } from './watched-guard.ts';

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

export class WatchedMachine {
  readonly name: string;
  readonly #options: WatchedMachineOptions;
  readonly #limits: EscalationLimits;
  readonly #judging = new JoinedTurns(async () => this.#judge());
  readonly #memory: MachineMemory;
  #signal = new AbortController().signal;
  /** The restart that this process makes, or has made last. */
  #restart: MachineRestart | undefined;
  #want: Want | undefined;
  #trouble: string | undefined;

  private constructor(options: WatchedMachineOptions, memory: MachineMemory) {
    this.name = options.name;
    this.#options = options;
    this.#limits = limitsOf(options.config);
    this.#memory = memory;
  }

  /** With the steps that are on record. Errors: DOCUMENT_INVALID, VERSION_TOO_NEW. */
  static async open(options: WatchedMachineOptions): Promise<WatchedMachine> {
    const machine = new WatchedMachine(options, await MachineMemory.open(options.records, options.name));
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

  /** The wish that its group run elsewhere, once no milder step is left; undefined otherwise. */
  get want(): Want | undefined {
    return this.#want;
  }

  /** Why a person is needed, in words; undefined while nobody is. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  /** Whether a step was under way when its record was last written. */
  get isStepOpen(): boolean {
    return this.#memory.lastAttempt?.outcome === 'pending';
  }

  /** Decides anew, since something may have changed; resolves when that is done. Errors: those of storing it. */
  async judge(signal: AbortSignal): Promise<void> {
    this.#signal = signal;
    await this.#judging.ask();
  }

  /** Resolves when no step of this process is under way. */
  async ended(): Promise<void> {
    await this.#restart?.ended;
  }

  async #judge(): Promise<void> {
    const now = this.#now();
    const weighed = this.#weighed();
    await this.#memory.noteWell(weighed !== undefined && this.#isWell(), now);
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
    const said = hasFailed ? inBrief(decided) : undefined;
    const step = STEPS.find((one) => one === next?.next);
    const isNews = step !== undefined || (said !== this.#memory.lastKept && next?.next !== 'wait');
    if (!isNews || this.#signal.aborted) return;
    if (said === undefined) {
      await this.#memory.noteNothingToDecide();
      return;
    }
    const { decision } = await this.#keep(decided, now);
    await this.#memory.noteKept(said, decision);
    if (step !== undefined) await this.#take(step, decision, now);
  }

  /** What is to be done, and by which step. */
  #decide(applications: MachineDecision['history']['applications'], now: Moment): Decided {
    const { policy } = this.config;
    const history = { policy, applications, offline: [...this.#options.marks()], nowWallMs: now.wallMs };
    const verdict = decideMachine(history);
    const next = verdict.verdict === 'act' ? nextStep(this.#memory.events, this.#limits, now) : undefined;
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
      escalation: { events: this.#memory.events, limits: this.#limits, now },
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

  /** What became of the step that is under way, where that is known by now. */
  async #noteOutcome(hasFailed: boolean): Promise<void> {
    const attempt = this.#memory.lastAttempt;
    if (attempt?.outcome !== 'pending') return;
    const restart = this.#restart?.decision === attempt.decision ? this.#restart : undefined;
    if (restart?.isOver === false) return;
    if (!hasFailed) {
      await this.#memory.noteOutcome(attempt, 'succeeded');
      return;
    }
    // Of a step that an earlier process took, and of a failover, only its time tells.
    if (restart === undefined) return;
    const failed = this.#options.applications.filter(({ state }) => state.state === 'failed');
    const hasSeen = failed.every(({ verdict }) => verdict !== 'unknown');
    if (hasSeen || !restart.isCarriedOut) await this.#memory.noteOutcome(attempt, 'failed');
  }

  /** The failover that was wanted last, as long as there is no milder way left. */
  #wanted(): Want | undefined {
    const attempt = this.#memory.lastAttempt;
    if (attempt?.step !== 'fail-over' || attempt.decision === undefined) return undefined;
    const reason = `machine ${this.name}: ${this.#failed()} failed, and no restart helped`;
    return { decision: attempt.decision, reason: heartbeatWords(reason) };
  }

  /** The same wish, kept up while nobody can say how its applications are, for as long as a failover may take. */
  #stillWanted(): Want | undefined {
    const attempt = this.#memory.lastAttempt;
    if (attempt?.outcome !== 'pending') return undefined;
    const isInTime = elapsedMs(attempt.at, this.#now()) < this.#limits.steps['fail-over'].timeoutMs;
    return isInTime ? this.#wanted() : undefined;
  }

  #needed(): string {
    const { decision = 'none is kept' } = this.#memory;
    return heartbeatWords(`nothing is left to try (decision ${decision}); failed: ${this.#failed()}`);
  }

  #failed(): string {
    const failed = this.#options.applications.filter(({ state }) => state.state === 'failed');
    return failed.map(({ name }) => name).join(', ');
  }

  async #take(step: Step, decision: string, at: Moment): Promise<void> {
    await this.#memory.noteAttempt(step, decision, at);
    if (step === 'fail-over') {
      this.#want = this.#wanted();
      return;
    }
    const { timeoutMs } = this.#limits.steps[step];
    this.#restart = new MachineRestart(this.#options, { step, decision, timeoutMs }, this.#signal);
  }

  #now(): Moment {
    const { clock, bootId } = this.#options;
    return { bootId, bootMs: clock.bootMs(), wallMs: clock.wallMs() };
  }
}

/**
 * What counts of a decision when it is compared with the one before: one that differs is kept and told anew. The words of the
 * monitors are not among it, since they may change with every look.
 */
function inBrief({ history, verdict, next }: Decided): string {
  const states = history.applications.map(({ name, state }) => [name, state]);
  return JSON.stringify([verdict.verdict, verdict.reason, next?.next ?? null, ...states]);
}

function toldOf({ decision, machine, verdict, reason, next, nextReason }: MachineDecision): string {
  const what: NextStep['next'] | 'nothing' = next ?? (verdict === 'act' ? 'wait' : 'nothing');
  return `machine ${machine}: ${what}: ${reason}${nextReason === undefined ? '' : `; ${nextReason}`} (decision ${decision})`;
}
