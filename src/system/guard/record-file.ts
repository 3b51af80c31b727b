/** A guard's record as a file: see {@link GuardRecord}. */
import type { GuardFacts, GuardRecord } from '../../ports/guard-record.ts';
import { bootId } from '../processes.ts';
import type { GuardFiles } from './files.ts';

export class GuardRecordFile implements GuardRecord {
  readonly #files: GuardFiles;

  constructor(files: GuardFiles) {
    this.#files = files;
  }

  async read(): Promise<GuardFacts> {
    const { kept, ...terms } = (await this.#files.read('record')) ?? { promisedTerm: 0, seenTerm: 0 };
    return { ...terms, keptTerm: kept?.boot === bootId() ? kept.term : 0 };
  }

  async write({ keptTerm, ...terms }: GuardFacts): Promise<void> {
    const kept = keptTerm > 0 && { kept: { boot: bootId(), term: keptTerm } };
    await this.#files.write('record', { ...terms, ...kept });
  }
}
