/** What a guard keeps of its applications as a file: see {@link KeptApplications}. */
import type { KeptApplication, KeptApplications } from '../../ports/kept-applications.ts';
import { bootId } from '../processes.ts';
import type { GuardFiles } from './files.ts';

export class KeptApplicationsFile implements KeptApplications {
  readonly #files: GuardFiles;

  constructor(files: GuardFiles) {
    this.#files = files;
  }

  async read(): Promise<ReadonlyMap<string, KeptApplication>> {
    const { boot, applications } = (await this.#files.read('applications')) ?? { boot: '', applications: {} };
    const isNow = boot === bootId();
    return new Map(
      Object.entries(applications).map(([name, { startedBootMs, ...kept }]) => [
        name,
        isNow ? { ...kept, startedBootMs } : kept,
      ]),
    );
  }

  async write(kept: ReadonlyMap<string, KeptApplication>): Promise<void> {
    await this.#files.write('applications', { boot: bootId(), applications: Object.fromEntries(kept) });
  }
}
