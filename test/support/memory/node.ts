/** One node of a site in memory: its applications, what is armed outside the guard, and the guard's record. */
import type { ArmedStop } from '../../../src/ports/armed-stop.ts';
import type { GuardFacts, GuardRecord } from '../../../src/ports/guard-record.ts';
import type { GuardedGroup } from '../../../src/ports/guarded-group.ts';
import type { Clock } from '../../../src/kernel/clock.ts';

/** How long the applications take to end in order. */
export const ENDS_AFTER_MS = 500;

export class MemoryNode implements GuardedGroup, ArmedStop, GuardRecord {
  readonly #clock: Clock;
  /** What happened, with the boot time. */
  readonly events: { readonly what: string; readonly atBootMs: number }[] = [];
  /** Whether they end when they are asked to. */
  isObedient = true;
  /** How long the record takes to be written. */
  writeMs = 0;
  facts: GuardFacts = { promisedTerm: 0, seenTerm: 0, keptTerm: 0 };
  #armedBootMs = 0;
  #end: PromiseWithResolvers<string> | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get runs(): boolean {
    return this.#end !== undefined;
  }

  happened(): string[] {
    return this.events.map(({ what }) => what);
  }

  async takeOver(): Promise<boolean> {
    return this.runs;
  }

  async beginStart(): Promise<void> {
    if (this.#end) throw new Error('they run already');
    this.#note('started');
    this.#end = Promise.withResolvers();
  }

  askToStop(): void {
    this.#note('asked to stop');
    if (!this.isObedient) return;
    void this.#clock.sleep(ENDS_AFTER_MS).then(() => {
      this.#over('ended');
    });
  }

  kill(): void {
    this.#note('killed');
    this.#over('killed');
  }

  async gone(): Promise<string> {
    return (await this.#end?.promise) ?? 'nothing ran';
  }

  async arm(untilBootMs: number): Promise<void> {
    this.#note('armed');
    this.#armedBootMs = untilBootMs;
  }

  async disarm(): Promise<void> {
    this.#armedBootMs = 0;
  }

  async armedBootMs(): Promise<number> {
    return this.#armedBootMs;
  }

  async read(): Promise<GuardFacts> {
    return this.facts;
  }

  async write(facts: GuardFacts): Promise<void> {
    if (this.writeMs > 0) await this.#clock.sleep(this.writeMs);
    this.#note(`recorded ${facts.promisedTerm}/${facts.seenTerm}`);
    this.facts = facts;
  }

  #over(how: string): void {
    const end = this.#end;
    this.#end = undefined;
    if (!end) return;
    this.#note('gone');
    end.resolve(how);
  }

  #note(what: string): void {
    this.events.push({ what, atBootMs: this.#clock.bootMs() });
  }
}
