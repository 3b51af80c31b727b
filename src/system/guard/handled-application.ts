/** What is the same for all applications of a guard: each is found and killed by its handle. */
import type { GuardedApplication, Look } from '../../ports/guarded-application.ts';
import { isSameThing, killThing, lookAt } from './handle.ts';
import type { Handle } from './handle.ts';
import type { HandleFile } from './handle-file.ts';

export abstract class HandledApplication implements GuardedApplication {
  readonly #handles: HandleFile;
  #handle: Handle;

  /** `plain` is its handle before anything of it was started. */
  constructor(handles: HandleFile, plain: Handle) {
    this.#handles = handles;
    this.#handle = handles.all.find((one) => isSameThing(one, plain)) ?? plain;
  }

  abstract start(signal: AbortSignal): Promise<void>;
  abstract askToStop(): void;

  get name(): string {
    return this.#handle.name;
  }

  get handle(): Handle {
    return this.#handle;
  }

  async look(): Promise<Look> {
    return lookAt(this.#handle);
  }

  kill(): void {
    killThing(this.#handle);
  }

  /** When it resolves, whoever comes after this process knows of it. */
  protected async record(handle: Handle): Promise<void> {
    const before = this.#handle;
    // From here on it is signalled, too, even if it is not on record yet.
    this.#handle = handle;
    await this.#handles.put(handle, before);
  }
}
