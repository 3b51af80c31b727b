/**
 * The sweep: picks up whatever no message will ever mention again.
 *
 * Invariants: liveness never hangs on one lucky message: a volume with a claim, a tip that is not reached or a delta
 * that waits is found by its label, whoever died; one volume's fault does not keep the others waiting; what it finds on
 * a poison queue goes back to work if it is sound, and is set aside if it is not.
 */
import type { Documents } from '../documents/store.ts';
import { WORK_LABEL } from '../documents/volume.ts';
import { describeError, isLeewardError } from '../kernel/errors.ts';
import { parseVolume } from '../kernel/ids.ts';
import { documents as names, poisonQueue } from '../kernel/names.ts';
import type { Queues, TakenMessage } from '../ports/queue.ts';
import type { ReplicaEngine } from './engine.ts';
import type { Ingest } from './ingest.ts';

/** Volumes that are advanced side by side. */
const VOLUMES_AT_ONCE = 4;

/** Poison messages taken from a queue in one sweep, and how long they are hidden meanwhile. */
const POISON_TAKEN = 32;
const POISON_HIDDEN_MS = 5 * 60_000;

/** How long a sound message waits before it is tried again: what made it fail may take a while to pass. */
const RETRY_DELAY_MS = 30_000;

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
    readonly ingest: Ingest;
    readonly queues: Queues;
  };

  constructor(ports: { documents: Documents; engine: ReplicaEngine; ingest: Ingest; queues: Queues }) {
    this.#ports = ports;
  }

  /** One sweep over all volumes and the poison queues of `queues`. Costs a listing and a look at each queue when idle. */
  async run(queues: readonly string[]): Promise<SweepReport> {
    const { advanced, failed } = await this.#volumes();
    let requeued = 0;
    let setAside = 0;
    for (const queue of queues) {
      const poison = await this.#ports.queues.take(poisonQueue(queue), {
        countMax: POISON_TAKEN,
        hiddenMs: POISON_HIDDEN_MS,
      });
      for (const message of poison) {
        try {
          if (await this.#revive(queue, message)) requeued += 1;
          else setAside += 1;
        } catch (error) {
          failed.push({ what: poisonQueue(queue), reason: describeError(error) });
        }
      }
    }
    return { advanced, failed, requeued, setAside };
  }

  async #volumes(): Promise<{ advanced: string[]; failed: { what: string; reason: string }[] }> {
    const advanced: string[] = [];
    const failed: { what: string; reason: string }[] = [];
    const work = this.#withWork();
    const worker = async (): Promise<void> => {
      for (let next = await work.next(); next.done !== true; next = await work.next()) {
        const volume = next.value;
        try {
          await this.#ports.engine.advance(parseVolume(volume));
          advanced.push(volume);
        } catch (error) {
          failed.push({ what: volume, reason: describeError(error) });
        }
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

  /** True when the message went back to its queue; false when it was set aside. */
  async #revive(queue: string, message: TakenMessage): Promise<boolean> {
    const text = decodeBody(message.body);
    const sound = text !== undefined && (await this.#ports.ingest.isSound(text));
    if (sound) await this.#ports.queues.send(queue, text, { delayMs: RETRY_DELAY_MS });
    else await this.#ports.ingest.receive(text ?? message.body, undefined);
    try {
      await message.done();
    } catch (error) {
      // Its invisibility ran out: whoever has it now does the same, and a repeated message is harmless.
      if (!isLeewardError(error, 'NOT_FOUND')) throw error;
    }
    return sound;
  }
}

/** The text in a message's body; undefined if it is not base64 of UTF-8, as the host demands it. */
function decodeBody(body: string): string | undefined {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(body) || body.length % 4 !== 0) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(body, 'base64'));
  } catch {
    return undefined;
  }
}
