/** What has to be undone whatever happens, in the reverse order of its doing. */
import { describeError } from '../kernel/errors.ts';

export class CleanUp {
  readonly #works: { readonly what: string; readonly work: () => Promise<unknown> }[] = [];

  add(what: string, work: () => Promise<unknown>): void {
    this.#works.push({ what, work });
  }

  /** Leaves a work undone, after all. */
  keep(what: string): void {
    const at = this.#works.findIndex((known) => known.what === what);
    if (at >= 0) this.#works.splice(at, 1);
  }

  /** Does all of it. What fails is told and keeps nothing else from being done. */
  async run(tell: (line: string) => void): Promise<void> {
    for (const { what, work } of this.#works.splice(0).toReversed()) {
      await work().catch((error: unknown) => {
        tell(`${what} failed: ${describeError(error)}`);
      });
    }
  }
}
