/**
 * A child process that is asked something, by a monitor's check or a guard: with a bounded output, and gone once it is over.
 *
 * Invariants: it leads a process group of its own, and the whole group is killed when the process has ended, the signal is
 * aborted or it wrote too much; no more of its output is held than the limit; a process that left the group and keeps the
 * output open holds nobody up. It inherits the environment, and nothing can be typed into it.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import type { Readable } from 'node:stream';
import { KIB } from '../kernel/units.ts';

/** For stdout and for stderr. */
const OUTPUT_BYTES_MAX = 64 * KIB;
/** How long what is still in the pipes may take to be read once the process group is gone. */
const REST_MS = 200;

/** How it ended. */
export type ProcessEnd =
  | {
      readonly how: 'exited';
      /** Exit code; or the signal that ended it. */
      readonly code: number | NodeJS.Signals;
      readonly stdout: string;
      readonly stderr: string;
    }
  | { readonly how: 'not started'; readonly why: string }
  | { readonly how: 'wrote too much'; readonly bytesMax: number };

/** Runs a command without a shell. Rejects with the signal's reason once it is aborted and the process is gone. */
export async function runBounded(command: string, args: readonly string[], signal: AbortSignal): Promise<ProcessEnd> {
  signal.throwIfAborted();
  const child = spawn(command, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const kill = (): void => {
    killGroup(child);
  };
  signal.addEventListener('abort', kill, { once: true });
  try {
    const stdout = new Output(child.stdout, kill);
    const stderr = new Output(child.stderr, kill);
    const end = await ended(child);
    signal.throwIfAborted();
    if (typeof end === 'object') return { how: 'not started', why: end.why };
    if (stdout.isTooMuch || stderr.isTooMuch) return { how: 'wrote too much', bytesMax: OUTPUT_BYTES_MAX };
    return { how: 'exited', code: end, stdout: stdout.text(), stderr: stderr.text() };
  } finally {
    signal.removeEventListener('abort', kill);
  }
}

/** One of its outputs, up to the limit. */
class Output {
  readonly #chunks: Buffer[] = [];
  #bytes = 0;

  constructor(stream: Readable, tooMuch: () => void) {
    stream.on('data', (chunk: Buffer) => {
      this.#bytes += chunk.length;
      if (this.isTooMuch) {
        stream.destroy();
        tooMuch();
      } else {
        this.#chunks.push(chunk);
      }
    });
    // What could not be read is missing in the output, and judged as such.
    stream.on('error', () => undefined);
  }

  get isTooMuch(): boolean {
    return this.#bytes > OUTPUT_BYTES_MAX;
  }

  text(): string {
    return new TextDecoder().decode(Buffer.concat(this.#chunks));
  }
}

async function ended(child: ChildProcess): Promise<number | NodeJS.Signals | { readonly why: string }> {
  return await new Promise((resolve) => {
    child.once('error', (error) => {
      const code = 'code' in error && typeof error.code === 'string' ? error.code : error.message;
      resolve({ why: code === 'ENOENT' ? 'there is no such command' : code });
    });
    child.once('exit', (code, exitSignal) => {
      killGroup(child);
      const end = exitSignal ?? code ?? 0;
      const leave = setTimeout(() => {
        child.stdout?.destroy();
        child.stderr?.destroy();
      }, REST_MS);
      child.once('close', () => {
        clearTimeout(leave);
        resolve(end);
      });
    });
  });
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // Nothing of the group is left, or nothing that we may end.
  }
}
