/**
 * Two commands that make a volume stand still and go on again: `freeze` and `thaw`, each by /bin/sh.
 *
 * Invariant: both are run by a shell of its own process group that waits in between for the end of its input, or of its
 * time: when this process dies, its input ends, and it thaws. `thaw` is run after a `freeze` that failed, too, since that may
 * have got half-way; it is never ended by force, for nobody else would do what it does.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { LeewardError } from '../kernel/errors.ts';
import { KIB } from '../kernel/units.ts';
import type { HeldStill, Quiesce } from '../ports/quiesce.ts';

/** What the shell does, with both commands and the seconds as arguments. What they write goes to stderr. */
const SCRIPT = [
  // Whoever listened may be gone: nobody hearing what is written must not end it before it thaws.
  "trap '' PIPE",
  'timeout "$3" /bin/sh -c "$1" </dev/null >&2 || { /bin/sh -c "$2" </dev/null >&2; exit 1; }',
  'echo held',
  // 0 at the end of the input, 124 at the end of the time. Source: coreutils, "timeout invocation".
  'timeout "$3" cat >/dev/null',
  'waited=$?',
  '/bin/sh -c "$2" </dev/null >&2 || exit 1',
  'exit "$waited"',
].join('\n');

/** The end of what the commands wrote is enough to say why. */
const SAID_BYTES_MAX = 4 * KIB;

export interface QuiesceCommands {
  readonly freeze: string;
  readonly thaw: string;
  /** For `freeze`, and again for how long the volume is held still. Whole seconds, at least one. */
  readonly limitSeconds: number;
}

export class CommandQuiesce implements Quiesce {
  readonly #commands: QuiesceCommands;

  constructor(commands: QuiesceCommands) {
    this.#commands = commands;
  }

  async hold(signal?: AbortSignal): Promise<HeldStill> {
    signal?.throwIfAborted();
    const { freeze, thaw, limitSeconds } = this.#commands;
    const child = spawn('/bin/sh', ['-c', SCRIPT, 'hold', freeze, thaw, String(limitSeconds)], {
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const ended = endOf(child);
    const said = tailOf(child);
    const release = async (): Promise<boolean> => {
      child.stdin.end();
      return (await ended) === 0;
    };
    // It may have ended before its input is.
    child.stdin.on('error', () => undefined);
    signal?.addEventListener('abort', () => void release(), { once: true });
    const isHeld = await Promise.race([once(child.stdout, 'data').then(() => true), ended.then(() => false)]);
    if (signal?.aborted) await release();
    signal?.throwIfAborted();
    if (isHeld) return { release };
    const why = said().trim().replaceAll(/\s+/g, ' ');
    throw new LeewardError('UNAVAILABLE', `it could not be made to stand still: ${why === '' ? 'freeze failed' : why}`);
  }
}

async function endOf(child: ChildProcess): Promise<number> {
  return await new Promise((resolve) => {
    child.once('error', () => {
      resolve(-1);
    });
    child.once('exit', (code) => {
      resolve(code ?? -1);
    });
  });
}

function tailOf({ stderr }: ChildProcess): () => string {
  let tail = '';
  stderr?.setEncoding('utf8').on('data', (text: string) => {
    tail = `${tail}${text}`.slice(-SAID_BYTES_MAX);
  });
  return () => tail;
}
