/**
 * A service of the site, agent or guard: `leeward` as a process of its own, of which the demo knows what it logs.
 *
 * Invariant: it runs as any site's does; the demo tells it nothing but signals.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { LeewardError } from '../kernel/errors.ts';
import type { Clock } from '../kernel/clock.ts';
import { parseJson } from '../kernel/json.ts';
import { signalTo, startDetached } from '../local/stack/processes.ts';
import { guardNewsSchema } from '../site/guard/news.ts';
import { isRunning } from '../system/processes.ts';
import type { ProcessMark } from '../system/processes.ts';

const LOOK_MS = 50;

/** A line of a service's log: docs/cli.md, "Options". */
const lineSchema = z.looseObject({
  at: z.iso.datetime(),
  line: z.string(),
  volume: z.string().optional(),
  acknowledged: z.array(z.int()).optional(),
  readBytes: z.int().optional(),
  changedBytes: z.int().optional(),
  sentBytes: z.int().optional(),
  ...guardNewsSchema.partial().shape,
});
export type LogLine = z.infer<typeof lineSchema>;

export interface ServiceOptions {
  /** The project's own folder. */
  readonly project: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** File that it appends its log to. */
  readonly log: string;
  readonly clock: Clock;
}

export class Service {
  readonly #options: ServiceOptions;
  readonly #mark: ProcessMark;
  /** Lines of services before this one, in the same file. */
  readonly #from: number;

  private constructor(options: ServiceOptions, mark: ProcessMark, from: number) {
    this.#options = options;
    this.#mark = mark;
    this.#from = from;
  }

  static async start(options: ServiceOptions): Promise<Service> {
    const { project, args, environment, log } = options;
    const from = (await linesOf(log)).length;
    const mark = startDetached({
      script: join(project, 'src/cli/main.ts'),
      args: [...args, '--log', 'json'],
      environment,
      log,
      folder: project,
    });
    return new Service(options, mark, from);
  }

  get isRunning(): boolean {
    return isRunning(this.#mark);
  }

  signal(signal: NodeJS.Signals): void {
    signalTo(this.#mark, signal);
  }

  /** What it has said so far. Lines that are not its log's (a crash of Node's) are left out. */
  async lines(): Promise<readonly LogLine[]> {
    return (await linesOf(this.#options.log)).slice(this.#from).flatMap((text) => {
      const parsed = lineSchema.safeParse(parseJson(text));
      return parsed.success ? [parsed.data] : [];
    });
  }

  /**
   * The lines that `wanted` takes, once there are `count` of them. Errors: UNAVAILABLE after `timeoutMs`, PLATFORM_FAILED
   * where it ended; each with the log.
   */
  async said(
    what: string,
    wanted: (line: LogLine) => boolean,
    of: { readonly count?: number; readonly timeoutMs: number; readonly signal: AbortSignal },
  ): Promise<readonly LogLine[]> {
    const { clock, log } = this.#options;
    const { count = 1, timeoutMs, signal } = of;
    for (const deadlineBootMs = clock.bootMs() + timeoutMs; ;) {
      const isOver = !this.isRunning;
      const found = (await this.lines()).filter(wanted);
      if (found.length >= count) return found;
      if (isOver) throw new LeewardError('PLATFORM_FAILED', `${what}: the process has ended; its log: ${log}`);
      if (clock.bootMs() >= deadlineBootMs) {
        throw new LeewardError('UNAVAILABLE', `${what}: not within ${timeoutMs / 1000} s; the log: ${log}`);
      }
      await clock.sleep(LOOK_MS, signal);
    }
  }
}

async function linesOf(file: string): Promise<string[]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  // The last one may not be whole yet.
  return text.split('\n').slice(0, -1);
}
