/**
 * A volume's source that is opened when it is first needed, and anew after it failed.
 *
 * Invariant: a volume whose disk is gone stops neither the site's heartbeats nor its other volumes, and goes on when the
 * disk is back, without a restart. Within one interval it stays one opened source: the first failure ends the interval.
 */
import { LeewardError } from '../kernel/errors.ts';
import type { VolumeProperties, VolumeSource } from '../ports/volume-source.ts';

export class LazySource implements VolumeSource {
  readonly #open: () => Promise<VolumeSource>;
  #opened: Promise<VolumeSource> | undefined;

  /** Opens nothing yet. */
  constructor(open: () => Promise<VolumeSource>) {
    this.#open = open;
  }

  async sizeBytes(): Promise<number> {
    return await this.#use(async (source) => source.sizeBytes());
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    await this.#use(async (source) => source.read(offset, into));
  }

  async properties(): Promise<VolumeProperties> {
    return await this.#use(async (source) => source.properties());
  }

  async close(): Promise<void> {
    const opened = this.#opened;
    this.#opened = undefined;
    // One that could not be opened has nothing to close.
    const source = await opened?.catch(() => undefined);
    await source?.close();
  }

  async #use<T>(work: (source: VolumeSource) => Promise<T>): Promise<T> {
    this.#opened ??= this.#open();
    try {
      return await work(await this.#opened);
    } catch (error) {
      await this.close();
      if (!(error instanceof LeewardError) || error.code !== 'USAGE') throw error;
      // What can be opened again later is no wrong setting.
      throw new LeewardError('SOURCE_CHANGED', error.message, { cause: error.cause });
    }
  }
}
