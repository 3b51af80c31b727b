/**
 * The sweep: picks up whatever no message will ever mention again.
 *
 * Invariants: liveness never hangs on one lucky message: a volume with a claim, a tip that is not reached or a delta
 * that waits is found by its label, whoever died; one volume's fault does not keep the others waiting; what it finds on
 * a poison queue goes back to work if it is sound, and is set aside if it is not.
 */
import type { Documents } from '../../documents/store.ts';
import { WORK_LABEL } from '../../documents/volume.ts';
import { describeError } from '../../kernel/errors.ts';
import { fewAtOnce } from '../../kernel/few-at-once.ts';
import { parseVolume } from '../../kernel/ids.ts';
import { documents as names, parseVolumeDocument } from '../../kernel/names.ts';
import type { Queues } from '../../ports/queue.ts';
import type { Chores } from './chores.ts';
import type { ReplicaEngine } from '../apply/engine.ts';
import { revivePoison } from './poison.ts';
import type { JudgedQueue } from './poison.ts';

/** Volumes that are advanced side by side. */
const VOLUMES_AT_ONCE = 4;

/**
 * How long a sweep goes on with what may take long: less than the usual time between two sweeps, since the next one is what
 * a chain waits for whose worker died.
 */
const CHORES_MS = 20_000;

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
    const { engine, chores } = this.#ports;
    const reasons = new Map<string, Set<string>>();
    const noting = async (volume: string, work: () => Promise<unknown>): Promise<void> => {
      const told = reasons.get(volume) ?? new Set();
      reasons.set(volume, told);
      const reason = await reasonOf(work);
      if (reason !== undefined) told.add(reason);
    };
    await fewAtOnce(VOLUMES_AT_ONCE, this.#withWork(), async (volume) =>
      noting(volume, async () => engine.advance(parseVolume(volume))),
    );
    // What may take long comes when no chain waits any more, and has one budget for all volumes together.
    const untilMs = chores.deadlineBootMs(CHORES_MS);
    await fewAtOnce(VOLUMES_AT_ONCE, [...reasons.keys()], async (volume) =>
      noting(volume, async () => chores.run(parseVolume(volume), untilMs)),
    );
    const all = [...reasons].map(([what, told]) => ({ what, reason: [...told].join('; ') }));
    return {
      advanced: all.filter(({ reason }) => reason === '').map(({ what }) => what),
      failed: all.filter(({ reason }) => reason !== ''),
    };
  }

  async *#withWork(): AsyncGenerator<string> {
    for await (const { name, labels } of this.#ports.documents.list(names.allVolumes)) {
      const volume = parseVolumeDocument(name);
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
