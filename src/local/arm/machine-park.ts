/**
 * The machines that run, by the id of their virtual machine.
 *
 * Invariants: at most one machine runs for an id, whatever starts and stops overlap; after `stop` resolved, none does,
 * and one that was about to start will not be left behind.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { MachineRunner, MachineSpec, RunningMachine } from '../machines/machine-runner.ts';
import { keyOf } from './resource-id.ts';
import { fileNameOf } from './store.ts';

interface Wanted {
  readonly runner: MachineRunner;
  readonly spec: Omit<MachineSpec, 'folder'>;
  readonly wanted: () => boolean;
}

export interface MachinePark {
  /**
   * Makes the machine run as `spec` says: one that runs so already is left alone, one that runs otherwise is ended
   * first. Nothing is started when it is no longer `wanted` as its turn comes. Rejects as {@link MachineRunner} does.
   */
  ensure(id: string, of: Wanted): Promise<void>;
  stop(id: string): Promise<void>;
  running(id: string): boolean;
  /** The machine's own folder, whether it runs or not. */
  folder(id: string): string;
  stopAll(): Promise<void>;
}

/** Machines whose folders lie in `folder`. */
export function createMachinePark(folder: string): MachinePark {
  const machines = new Map<string, { readonly machine: RunningMachine; readonly shape: string }>();
  /** Starts and stops of one machine go one after the other. */
  const turns = new Map<string, Promise<unknown>>();

  const inTurn = async <T>(key: string, step: () => Promise<T>): Promise<T> => {
    const before = turns.get(key) ?? Promise.resolve();
    const turn = before.then(step, step);
    turns.set(key, turn);
    return await turn;
  };
  const end = async (key: string): Promise<void> => {
    await machines.get(key)?.machine.stop();
    machines.delete(key);
  };
  const folderOf = (id: string): string => join(folder, fileNameOf(id));

  return {
    async ensure(id, { runner, spec, wanted }) {
      const key = keyOf(id);
      const shape = shapeOf(spec);
      await inTurn(key, async () => {
        const now = machines.get(key);
        if (now?.shape === shape && now.machine.running()) return;
        await end(key);
        if (!wanted()) return;
        await mkdir(folderOf(id), { recursive: true, mode: 0o700 });
        machines.set(key, { machine: await runner.start({ ...spec, folder: folderOf(id) }), shape });
      });
    },
    async stop(id) {
      await inTurn(keyOf(id), () => end(keyOf(id)));
    },
    running: (id) => machines.get(keyOf(id))?.machine.running() ?? false,
    folder: folderOf,
    async stopAll() {
      await Promise.all([...turns.keys()].map((key) => inTurn(key, () => end(key))));
    },
  };
}

/** What makes a machine another one. The URL of a disk is not part of it: its signature differs each time. */
function shapeOf(spec: Wanted['spec']): string {
  return JSON.stringify([spec.address, spec.disks.map(({ lun, folder }) => [lun, folder])]);
}
