/**
 * How busy this machine is, by what Linux tells of it: see {@link MetricsSource}. Sources: proc_loadavg(5); Linux, "PSI -
 * Pressure Stall Information" (`some avg10`, in percent).
 */
import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Metrics, MetricsSource } from '../ports/metrics.ts';

export class SystemMetrics implements MetricsSource {
  readonly #proc: string;

  constructor(proc = '/proc') {
    this.#proc = proc;
  }

  async read(): Promise<Metrics> {
    const load = Number((await this.#text('loadavg'))?.split(' ')[0] ?? NaN);
    const [memoryPressure, ioPressure] = [await this.#pressure('memory'), await this.#pressure('io')];
    return {
      ...(Number.isFinite(load) && { loadPerCore: load / availableParallelism() }),
      ...(memoryPressure !== undefined && { memoryPressure }),
      ...(ioPressure !== undefined && { ioPressure }),
    };
  }

  async #pressure(of: 'memory' | 'io'): Promise<number | undefined> {
    const percent = /^some avg10=(\d+(?:\.\d+)?)\b/m.exec((await this.#text(`pressure/${of}`)) ?? '')?.[1];
    return percent === undefined ? undefined : Math.min(1, Number(percent) / 100);
  }

  /** Undefined where the kernel does not tell: no such file, or its reading refused. */
  async #text(name: string): Promise<string | undefined> {
    try {
      return await readFile(join(this.#proc, name), 'utf8');
    } catch {
      return undefined;
    }
  }
}
