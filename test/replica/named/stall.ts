/** A worker that stands still on its way to one call, as a process that is suspended does, and wakes when it is told to. */
import type { MemoryStorage, StoragePorts, Worker, WorkerOptions } from '../../support/data-path.ts';

/** The `nth` call of a method of a port, from 1. */
export interface CallPlace {
  readonly port: keyof StoragePorts;
  readonly method: string;
  readonly nth?: number;
}

export interface StallingWorker {
  readonly worker: Worker;
  /** When it stands still. */
  readonly stalls: Promise<undefined>;
  wake(): void;
}

export function stallingWorker(storage: MemoryStorage, at: CallPlace, options: WorkerOptions = {}): StallingWorker {
  const stalls = Promise.withResolvers<undefined>();
  const wakes = Promise.withResolvers<undefined>();
  let left = at.nth ?? 1;
  const worker = storage.worker(options, async ({ port, method, proceed }) => {
    if (port === at.port && method === at.method) left -= 1;
    if (port === at.port && method === at.method && left === 0) {
      stalls.resolve(undefined);
      await wakes.promise;
    }
    return proceed();
  });
  const wake = (): void => {
    wakes.resolve(undefined);
  };
  return { worker, stalls: stalls.promise, wake };
}

/** Longer than a claim lasts. */
export const LONG_MS = 60_000;
