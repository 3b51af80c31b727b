/** What a guard keeps of its applications as a file: see {@link ApplicationMarks}. */
import type { ApplicationMark, ApplicationMarks } from '../../ports/application-marks.ts';
import { bootId } from '../processes.ts';
import type { GuardFiles } from './files.ts';

export class ApplicationMarksFile implements ApplicationMarks {
  readonly #files: GuardFiles;

  constructor(files: GuardFiles) {
    this.#files = files;
  }

  async read(): Promise<ReadonlyMap<string, ApplicationMark>> {
    const { boot, applications } = (await this.#files.read('applications')) ?? { boot: '', applications: {} };
    const isNow = boot === bootId();
    return new Map(
      Object.entries(applications).map(([name, { startedBootMs, ...mark }]) => [
        name,
        isNow ? { ...mark, startedBootMs } : mark,
      ]),
    );
  }

  async write(marks: ReadonlyMap<string, ApplicationMark>): Promise<void> {
    await this.#files.write('applications', { boot: bootId(), applications: Object.fromEntries(marks) });
  }
}
