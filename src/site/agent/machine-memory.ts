/**
 * What is remembered of one machine over the agent's own end: the steps that were taken, the times of being well, and the
 * decision that was kept last.
 *
 * Invariants: a change is on stable storage before anything goes by it; the size does not grow with time.
 */
import { CURRENT_VERSION } from '../../kernel/versions.ts';
import type { KeptTexts } from '../../ports/kept-texts.ts';
import type { Step } from '../decide/escalation.ts';
import { elapsedMs } from '../decide/moment.ts';
import type { Moment } from '../decide/moment.ts';
import { machineRecordSchema, readRecord, writeRecord } from './records.ts';
import type { MachineRecord } from './records.ts';

/** A time of being well goes on over an agent that was away for no longer than this. */
const WELL_GAP_MS = 120_000;
/** How often the end of a time of being well that goes on is written down. */
const WELL_NOTED_MS = 60_000;
/** Events that are kept: far more than the limits of the steps allow within their windows. */
const EVENTS_MAX = 400;

export type Attempt = Extract<MachineRecord['events'][number], { what: 'attempt' }>;

const NOTHING_KNOWN: MachineRecord = { version: CURRENT_VERSION, events: [], isWell: false };

export class MachineMemory {
  readonly #texts: KeptTexts;
  readonly #name: string;
  #record: MachineRecord;
  /** When the end of a time of being well was written down last, on boot time. */
  #notedBootMs = -Infinity;

  private constructor(texts: KeptTexts, name: string, record: MachineRecord) {
    this.#texts = texts;
    this.#name = name;
    this.#record = record;
  }

  /** Of the machine called so. Errors: DOCUMENT_INVALID, VERSION_TOO_NEW. */
  static async open(texts: KeptTexts, machine: string): Promise<MachineMemory> {
    const name = `machine.${machine}`;
    return new MachineMemory(texts, name, (await readRecord(texts, name, machineRecordSchema)) ?? NOTHING_KNOWN);
  }

  /** Oldest first. */
  get events(): MachineRecord['events'] {
    return this.#record.events;
  }

  get lastAttempt(): Attempt | undefined {
    return this.#record.events.findLast((event) => event.what === 'attempt');
  }

  /** What the decision that was kept last says; undefined where whatever is decided next is news. */
  get lastKept(): string | undefined {
    return this.#record.lastKept;
  }

  /** The id of the decision that was kept last. */
  get decision(): string | undefined {
    return this.#record.decision;
  }

  /** A time of being well is written down when it begins, now and then while it goes on, and when it ends. */
  async noteWell(isWell: boolean, now: Moment): Promise<void> {
    const { events, isWell: wasWell } = this.#record;
    // A time of being well only resets the counts of steps: without a step there is nothing to reset.
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

  /** A decision was kept, which says this. */
  async noteKept(lastKept: string, decision: string): Promise<void> {
    await this.#write({ lastKept, decision });
  }

  /** There is nothing to decide any more. */
  async noteNothingToDecide(): Promise<void> {
    await this.#write({ lastKept: undefined });
  }

  /** A step is about to be taken, by this decision. */
  async noteAttempt(step: Step, decision: string, at: Moment): Promise<void> {
    const attempt: Attempt = { what: 'attempt', step, at, outcome: 'pending', decision };
    await this.#write({ events: [...this.#record.events, attempt], isWell: false });
  }

  /** What became of `attempt`, one of the events. What is decided next is news, though it may read the same. */
  async noteOutcome(attempt: Attempt, outcome: Attempt['outcome']): Promise<void> {
    const events = this.#record.events.map((event) => (event === attempt ? { ...attempt, outcome } : event));
    await this.#write({ events, lastKept: undefined });
  }

  /** Stores the change, and goes by it only then. */
  async #write(change: Partial<MachineRecord>): Promise<void> {
    const record = { ...this.#record, ...change };
    record.events = record.events.slice(-EVENTS_MAX);
    await writeRecord(this.#texts, this.#name, machineRecordSchema, record);
    this.#record = record;
  }
}
