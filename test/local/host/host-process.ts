/** The local functions host as a child process, with its log to look into. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { COMPILED } from '../../support/compiled.ts';

const MAIN = fileURLToPath(new URL('../../../src/local/host/main.ts', import.meta.url));

/** Long enough on a loaded machine; only a failing test waits for it. */
const PATIENCE_MS = 30_000;

export function fixture(name: string): string {
  return fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));
}

export interface HostProcess {
  /** Lines of its log, growing. */
  readonly lines: readonly string[];
  /** `http://127.0.0.1:PORT`, once it is ready. Throws when it ends before. */
  ready(): Promise<string>;
  /** Waits for a line that fits, beginning with line number `from`. */
  line(form: RegExp, from?: number): Promise<string>;
  signal(signal: NodeJS.Signals): void;
  /** Exit code, or the signal that ended it. */
  ended(): Promise<number | string>;
  /** Ends it at once and removes its files. */
  dispose(): Promise<void>;
}

/** Starts the host on the app in `app`; `environment` is all that it gets of settings, `more` are further arguments. */
export async function spawnHost(
  app: string,
  environment: Record<string, string>,
  more: readonly string[] = [],
): Promise<HostProcess> {
  const folder = await mkdtemp(join(tmpdir(), 'leeward-host-'));
  const portFile = join(folder, 'port');
  const child = spawn(process.execPath, [MAIN, '--app', app, '--port', '0', '--port-file', portFile, ...more], {
    env: { PATH: process.env['PATH'], ...COMPILED, ...environment },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  const lines: string[] = [];
  createInterface({ input: child.stderr }).on('line', (line) => lines.push(line));
  const exit = once(child, 'close').then((): number | string => child.exitCode ?? child.signalCode ?? 'lost');

  async function until<T>(what: string, look: () => T | undefined): Promise<T> {
    for (const begun = performance.now(); performance.now() - begun < PATIENCE_MS;) {
      const ended = child.exitCode !== null || child.signalCode !== null;
      const found = look();
      if (found !== undefined) return found;
      if (ended) break;
      await sleep(20);
    }
    throw new Error(`${what}: not seen in\n${lines.join('\n')}`);
  }

  return {
    lines,
    async ready() {
      await until('port file', () => (existsSync(portFile) ? true : undefined));
      return `http://127.0.0.1:${(await readFile(portFile, 'utf8')).trim()}`;
    },
    line: (form, from = 0) => until(String(form), () => lines.slice(from).find((line) => form.test(line))),
    signal: (signal) => void child.kill(signal),
    ended: () => exit,
    async dispose() {
      process.removeListener('exit', kill);
      if (child.exitCode === null && child.signalCode === null) kill();
      await exit;
      await rm(folder, { recursive: true, force: true });
    },
  };
}
