/**
 * The sweep: picks up whatever no message will ever mention again.
 *
 * Invariants: liveness never hangs on one lucky message: a volume with a claim, a tip that is not reached or a delta
 * that waits is found by its label, whoever died; one volume's fault does not keep the others waiting; what it finds on
 * a poison queue goes back to work if it is sound, and is set aside if it is not.
 */
import type { Documents } from '../documents/store.ts';
import { WORK_LABEL } from '../documents/volume.ts';
import { describeError } from '../kernel/errors.ts';
import { parseVolume } from '../kernel/ids.ts';
import { documents as names } from '../kernel/names.ts';
import type { Queues } from '../ports/queue.ts';
import type { Chores } from './chores.ts';
import type { ReplicaEngine } from './engine.ts';
import { revivePoison } from './poison.ts';
import type { JudgedQueue } from './poison.ts';

/** Volumes that are advanced side by side. */
const VOLUMES_AT_ONCE = 4;

export interface SweepReport {
  readonly advanced: readonly string[];
  /** Volumes that could not go on, and poison queues with a message that could not be judged: it stays there. */
  readonly failed: readonly { readonly what: string; readonly reason: string }[];
  readonly requeued: number;
  readonly setAside: number;
}

export class Sweep {
  readonly #ports: {
    readonly documents: Documents;
    readonly engine: ReplicaEngine;
    readonly chores: Chores;
    readonly queues: Queues;
  };

  constructor(ports: { documents: Documents; engine: ReplicaEngine; chores: Chores; queues: Queues }) {
    this.#ports = ports;
  }

  /** One sweep over all volumes and the poison queues beside `queues`. Costs a listing and a look at each queue when idle. */
  async run(queues: readonly JudgedQueue[]): Promise<SweepReport> {
    const { advanced, failed } = await this.#volumes();
    let requeued = 0;
    let setAside = 0;
    for (const queue of queues) {
      const poison = await revivePoison(this.#ports.queues, queue);
      requeued += poison.requeued;
      setAside += poison.setAside;
      failed.push(...poison.failed);
    }
    return { advanced, failed, requeued, setAside };
  }

  async #volumes(): Promise<{ advanced: string[]; failed: { what: string; reason: string }[] }> {
    const advanced: string[] = [];
    const failed: { what: string; reason: string }[] = [];
    const work = this.#withWork();
    // What may take long has one budget for all volumes together: a sweep must come to its end, and to the poison queues.
    const choresUntilMs = this.#ports.chores.deadlineBootMs;
    const worker = async (): Promise<void> => {
      for (let next = await work.next(); next.done !== true; next = await work.next()) {
        const volume = next.value;
        const reasons = [
          await reasonOf(async () => this.#ports.engine.advance(parseVolume(volume))),
          await reasonOf(async () => this.#ports.chores.run(parseVolume(volume), choresUntilMs)),
        ].filter((reason) => reason !== undefined);
        if (reasons.length === 0) advanced.push(volume);
        else failed.push({ what: volume, reason: [...new Set(reasons)].join('; ') });
      }
    };
    await Promise.all(Array.from({ length: VOLUMES_AT_ONCE }, worker));
    return { advanced, failed };
  }

  async *#withWork(): AsyncGenerator<string> {
    const form = /^volumes\/(.+)\.json$/;
    for await (const { name, labels } of this.#ports.documents.list(names.allVolumes)) {
      const volume = form.exec(name)?.[1];
      if (volume !== undefined && labels[WORK_LABEL] !== 'no') yield volume;
    }
  }
}

/** Why `work` failed; undefined if it did not. */
async function reasonOf(work: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    return describeError(error);
  }
}
