/**
 * {@link MachineControl} of a QEMU machine over its control socket, `-qmp unix:PATH,server=on,wait=off`.
 *
 * Invariant: each call makes a connection of its own and ends it, so that nobody else is kept from the control, and is over
 * after {@link LIMIT_MS} whatever answers.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { LeewardError, isLeewardError } from '../../kernel/errors.ts';
import type { MachineControl } from '../../ports/machine-control.ts';
import { QmpConnection } from './qmp-connection.ts';

/** QEMU answers in milliseconds. One that is stuck on its storage does not, for as long as that lasts. */
const LIMIT_MS = 10_000;
/** How soon it is tried again to be let into the queue. */
const QUEUE_MS = 50;

const statusSchema = z.looseObject({ status: z.string() });

export class QmpMachineControl implements MachineControl {
  readonly #path: string;
  readonly #limitMs: number;

  /** Of the QEMU whose socket is at `path`; `limitMs` bounds each call. */
  constructor(path: string, limitMs: number = LIMIT_MS) {
    this.#path = path;
    this.#limitMs = limitMs;
  }

  async restart(signal: AbortSignal): Promise<void> {
    try {
      await this.#connected(signal, async (qemu) => {
        await qemu.execute('system_reset', { until: 'RESET' });
        // One that stood still, by a panic for instance, is as new now and still stands.
        if (!(await isRunning(qemu))) await qemu.execute('cont');
      });
    } catch (error) {
      signal.throwIfAborted();
      throw this.#told(error);
    }
  }

  async #connected<T>(signal: AbortSignal, work: (qemu: QmpConnection) => Promise<T>): Promise<T> {
    const limit = AbortSignal.timeout(this.#limitMs);
    const qemu = await this.#open(AbortSignal.any([signal, limit]));
    try {
      return await work(qemu);
    } finally {
      qemu.close();
    }
  }

  /** Where its queue of connections is full, somebody is served, or was given up, soon. Source: Linux, unix(7), EAGAIN. */
  async #open(signal: AbortSignal): Promise<QmpConnection> {
    for (;;) {
      try {
        return await QmpConnection.open(this.#path, signal);
      } catch (error) {
        if (codeOf(error) !== 'EAGAIN') throw error;
        await sleep(QUEUE_MS, undefined, { signal });
      }
    }
  }

  #told(error: unknown): LeewardError {
    if (isLeewardError(error)) return error;
    const [path, code] = [this.#path, codeOf(error)];
    if (code === 'EACCES') return new LeewardError('DENIED', `${path} may not be used: give it to the agent's user`);
    const why =
      code === 'ABORT_ERR'
        ? `did not answer within ${this.#limitMs} ms: QEMU is stuck, or another program holds its control`
        : `cannot be reached (${code}): its QEMU does not run, or has its control elsewhere`;
    return new LeewardError('UNAVAILABLE', `the machine's control ${path} ${why}`, { cause: error });
  }
}

/** Source: QEMU QMP Reference Manual, "RunState". */
async function isRunning(qemu: QmpConnection): Promise<boolean> {
  const parsed = statusSchema.safeParse(await qemu.execute('query-status'));
  if (!parsed.success) throw new LeewardError('PLATFORM_FAILED', 'QEMU tells no status');
  return parsed.data.status === 'running';
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
}
