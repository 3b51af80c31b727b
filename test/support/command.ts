/** `leeward` as its users have it: a process of its own, with its exit code and both of its outputs. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { COMPILED } from './compiled.ts';

const MAIN = join(import.meta.dirname, '../../src/cli/main.ts');

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  signal(signal: NodeJS.Signals): void;
  /** Resolves once stderr has a line that fits; rejects when the command ends before. */
  said(form: RegExp): Promise<void>;
  readonly ended: Promise<Ran>;
}

export class Leeward {
  readonly #folder: string;
  readonly #environment: Readonly<Record<string, string>>;
  readonly #said: string[];

  /** `folder` is where it runs; `environment` is added to this process's own, of which no setting of Leeward's passes. */
  constructor(folder: string, environment: Readonly<Record<string, string>> = {}, said: string[] = []) {
    this.#folder = folder;
    this.#environment = environment;
    this.#said = said;
  }

  /** The same folder, other settings; what it says counts as said here too. */
  with(environment: Readonly<Record<string, string>>): Leeward {
    return new Leeward(this.#folder, environment, this.#said);
  }

  /** Everything that it has said so far, on either output. */
  get said(): string {
    return this.#said.join('\n');
  }

  start(...args: readonly string[]): Running {
    const own = Object.entries(process.env).filter(([name]) => !/^(LEEWARD_|AzureWebJobs)/.test(name));
    const child = spawn(process.execPath, [MAIN, ...args], {
      cwd: this.#folder,
      env: { ...Object.fromEntries(own), ...COMPILED, ...this.#environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const kill = (): void => void child.kill('SIGKILL');
    process.once('exit', kill);
    let [stdout, stderr] = ['', ''];
    const waiting = new Set<() => void>();
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      for (const look of waiting) look();
    });
    const ended = new Promise<Ran>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => {
        process.removeListener('exit', kill);
        this.#said.push(stdout, stderr);
        resolve({ code, stdout, stderr });
      });
    });
    return {
      ended,
      signal: (signal) => void child.kill(signal),
      said: async (form) => {
        await new Promise<void>((resolve, reject) => {
          const look = (): void => {
            if (form.test(stderr)) resolve();
          };
          waiting.add(look);
          look();
          void ended.then(() => {
            reject(new Error(`it ended before it said ${String(form)}: ${stderr}`));
          });
        });
      },
    };
  }

  async run(...args: readonly string[]): Promise<Ran> {
    return await this.start(...args).ended;
  }

  /** Runs it with `--json`; gives the one document on stdout. Fails on any exit code but `code`. */
  async json(args: readonly string[], code = 0): Promise<unknown> {
    const ran = await this.run('--json', ...args);
    assert.equal(ran.code, code, `${args.join(' ')}: ${ran.stderr}`);
    return JSON.parse(ran.stdout);
  }
}

/** Holds a refusal: this exit code, nothing on stdout, and one line on stderr that fits. */
export function assertRefused(ran: Ran, code: number, form: RegExp): void {
  assert.match(ran.stderr, form);
  assert.deepEqual({ code: ran.code, stdout: ran.stdout }, { code, stdout: '' }, ran.stderr);
  assert.match(ran.stderr, /^leeward: [^\n]+\n$/, 'one line');
  assert.doesNotMatch(ran.stderr, /\bat \S+ \(|"code":|undefined|\[object/, 'words for people');
}
