/** What the demo tells while it runs: its acts, and lines with the seconds since its beginning or since the failure. */
import type { Clock } from '../kernel/clock.ts';

export class Progress {
  readonly #clock: Clock;
  readonly #say: (line: string) => void;
  #sinceBootMs: number;
  #acts = 0;
  #act = 'the beginning';

  constructor(clock: Clock, say: (line: string) => void) {
    this.#clock = clock;
    this.#say = say;
    this.#sinceBootMs = clock.bootMs();
  }

  /** The act under way, for people. */
  get act(): string {
    return this.#act;
  }

  begin(title: string): void {
    this.#acts += 1;
    this.#act = `act ${this.#acts}, "${title}"`;
    this.#say(`\n${this.#acts}  ${title}`);
  }

  /** From now on, seconds are counted from here. */
  countFrom(bootMs: number): void {
    this.#sinceBootMs = bootMs;
  }

  line(text: string): void {
    const seconds = ((this.#clock.bootMs() - this.#sinceBootMs) / 1000).toFixed(1);
    this.#say(`${seconds.padStart(8)} s  ${text}`);
  }
}
