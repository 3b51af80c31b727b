/** The handles of all that a guard has started, in its folder: see `handle.ts`. */
import type { GuardFiles } from './files.ts';
import type { Handle } from './handle.ts';

export class HandleFile {
  readonly #files: GuardFiles;
  #handles: readonly Handle[];

  private constructor(files: GuardFiles, handles: readonly Handle[]) {
    this.#files = files;
    this.#handles = handles;
  }

  /** With those of an earlier guard. Errors: DOCUMENT_INVALID. */
  static async open(files: GuardFiles): Promise<HandleFile> {
    return new HandleFile(files, (await files.read('running'))?.handles ?? []);
  }

  get all(): readonly Handle[] {
    return this.#handles;
  }

  /** Puts it in the place of `before`, and is done when that is on stable storage. */
  async put(handle: Handle, before: Handle | undefined): Promise<void> {
    this.#handles = [...this.#handles.filter((one) => one !== before), handle];
    await this.#files.write('running', { handles: [...this.#handles] });
  }

  /** Forgets those that this does not hold for. */
  async keepOnly(isKept: (handle: Handle) => boolean): Promise<void> {
    this.#handles = this.#handles.filter(isKept);
    await this.#files.write('running', { handles: [...this.#handles] });
  }
}
