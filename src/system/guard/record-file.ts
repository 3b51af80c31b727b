/** A guard's record as a file: see {@link GuardRecord}. */
import type { GuardFacts, GuardRecord } from '../../ports/guard-record.ts';
import type { GuardFiles } from './files.ts';

export class GuardRecordFile implements GuardRecord {
  readonly #files: GuardFiles;

  constructor(files: GuardFiles) {
    this.#files = files;
  }

  async read(): Promise<GuardFacts> {
    return (await this.#files.read('record')) ?? { promisedTerm: 0, seenTerm: 0 };
  }

  async write(facts: GuardFacts): Promise<void> {
    await this.#files.write('record', facts);
  }
}
