/** One application of a guard in memory, which starts and ends as it is told. */
import type { Clock } from '../../../src/kernel/clock.ts';
import { LeewardError } from '../../../src/kernel/errors.ts';
import type { GuardedApplication, Look } from '../../../src/ports/guarded-application.ts';

export class MemoryApplication implements GuardedApplication {
  readonly name: string;
  readonly #clock: Clock;
  readonly #happened: string[];
  runs = false;
  /** How long a start takes; it fails where this is undefined. */
  startsAfterMs: number | undefined = 0;
  /** How long it takes to end once it was asked to; it does not where this is undefined. */
  endsAfterMs: number | undefined = 100;
  /** Whether nobody can say if it runs. */
  isHidden = false;
  /** Whether even killing does nothing. */
  isStuck = false;
  /** Whether it takes no signal from whoever asks. */
  isDenied = false;

  /** What happens to it is noted in `happened`. */
  constructor(name: string, clock: Clock, happened: string[]) {
    this.name = name;
    this.#clock = clock;
    this.#happened = happened;
  }

  async look(): Promise<Look> {
    if (this.isHidden) return 'unknown';
    return this.runs ? 'running' : 'stopped';
  }

  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.startsAfterMs === undefined) throw new LeewardError('PLATFORM_FAILED', `${this.name} cannot be started`);
    await this.#clock.sleep(this.startsAfterMs, signal);
    if (this.runs) throw new Error(`${this.name} runs already`);
    this.runs = true;
    this.#happened.push(`+${this.name}`);
  }

  askToStop(): void {
    this.#needAllowed();
    if (this.endsAfterMs === undefined) return;
    void this.#clock.sleep(this.endsAfterMs).then(() => {
      this.#end('-');
    });
  }

  kill(): void {
    this.#needAllowed();
    if (!this.isStuck) this.#end('!');
  }

  /** Ends by itself. */
  die(): void {
    this.runs = false;
  }

  #needAllowed(): void {
    if (this.isDenied) throw new LeewardError('DENIED', 'it takes no signal');
  }

  #end(how: string): void {
    if (!this.runs) return;
    this.runs = false;
    this.#happened.push(`${how}${this.name}`);
  }
}
