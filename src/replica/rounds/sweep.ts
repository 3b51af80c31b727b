/**
 * The sweep: picks up whatever no message will ever mention again.
 *
 * Invariants: liveness never hangs on one lucky message: a volume with a claim, a tip that is not reached or a delta
 * that waits is found by its label, whoever died; one volume's fault does not keep the others waiting, nor does its work: a
 * sweep ends long before the host would end it, and the volumes take turns over the sweeps; where somebody is at work on a
 * volume it is passed by; what it finds on a poison queue goes back to work if it is sound, and is set aside if it is not.
 */
import type { Documents } from '../../documents/store.ts';
import { WORK_LABEL } from '../../documents/volume.ts';
import type { Clock } from '../../kernel/clock.ts';
import { describeError } from '../../kernel/errors.ts';
import { parseVolume } from '../../kernel/ids.ts';
import { documents as names, parseVolumeDocument, poisonQueue } from '../../kernel/names.ts';
import type { Queues } from '../../ports/queue.ts';
import { CHORES_AT_ONCE } from '../generation/chores.ts';
import type { Chores } from '../generation/chores.ts';
import type { ReplicaEngine } from '../apply/engine.ts';
import { revivePoison } from './poison.ts';
import type { JudgedQueue } from './poison.ts';
import { RoundRobin } from './round-robin.ts';

/** Volumes whose chains are gone on with side by side. */
const CHAINS_AT_ONCE = 4;

/**
 * How long a sweep goes on, and how much of that chains may take at the most. A tenth of what the host gives a function,
 * and no more than a few times the usual time between two sweeps: the next one is what a chain waits for whose worker
 * died while this one was under way.
 */
const SWEEP_MS = 60_000;
const CHAINS_MS = 40_000;

export interface SweepReport {
  /** Volumes that were gone on with, as far as time allowed. */
  readonly advanced: readonly string[];
  /** Volumes that could not go on, and poison queues with a message that could not be judged: it stays there. */
  readonly failed: readonly { readonly what: string; readonly reason: string }[];
  readonly requeued: number;
  readonly setAside: number;
}

export interface SweepPorts {
  readonly documents: Documents;
  readonly clock: Clock;
  readonly engine: ReplicaEngine;
  readonly chores: Chores;
  readonly queues: Queues;
}

export class Sweep {
  readonly #ports: SweepPorts;
  readonly #chains: RoundRobin;
  readonly #chores: RoundRobin;

  constructor(ports: SweepPorts) {
    this.#ports = ports;
    this.#chains = new RoundRobin(ports.clock, CHAINS_AT_ONCE);
    this.#chores = new RoundRobin(ports.clock, CHORES_AT_ONCE);
  }

  /** One sweep over all volumes and the poison queues beside `queues`. Costs a listing and a look at each queue when idle. */
  async run(queues: readonly JudgedQueue[]): Promise<SweepReport> {
    const startBootMs = this.#ports.clock.bootMs();
    let requeued = 0;
    let setAside = 0;
    const failed: SweepReport['failed'][number][] = [];
    // First, for it is quick, and what lies there waits for nothing else.
    for (const queue of queues) {
      const reason = await reasonOf(async () => {
        const poison = await revivePoison(this.#ports.queues, queue);
        requeued += poison.requeued;
        setAside += poison.setAside;
        failed.push(...poison.failed);
      });
      if (reason !== undefined) failed.push({ what: poisonQueue(queue.queue), reason });
    }
    const volumes = await this.#volumes(startBootMs);
    return { advanced: volumes.advanced, failed: [...volumes.failed, ...failed], requeued, setAside };
  }

  async #volumes(startBootMs: number): Promise<Pick<SweepReport, 'advanced' | 'failed'>> {
    const { engine, chores } = this.#ports;
    const reasons = new Map<string, Set<string>>();
    const noting = async (volume: string, work: () => Promise<unknown>): Promise<void> => {
      const told = reasons.get(volume) ?? new Set();
      reasons.set(volume, told);
      const reason = await reasonOf(work);
      if (reason !== undefined) told.add(reason);
    };
    const volumes: string[] = [];
    for await (const volume of this.#withWork()) volumes.push(volume);
    await this.#chains.run(volumes, startBootMs + CHAINS_MS, async (volume, untilBootMs) =>
      noting(volume, async () => engine.pickUp(parseVolume(volume), untilBootMs)),
    );
    // What may take long comes when no chain waits any more.
    await this.#chores.run(volumes, startBootMs + SWEEP_MS, async (volume, untilBootMs) =>
      noting(volume, async () => chores.run(parseVolume(volume), untilBootMs)),
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
