/**
 * A part of a benchmark in a process of its own, so that its CPU time and its event loop are its own: a script that is
 * given one JSON argument and prints one line of JSON. The argument holds no secret, only files that do.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';

const run = promisify(execFile);

/** Runs `scripts/bench/NAME` to its end and gives what it printed. Throws with what it said on standard error. */
export async function runPart<T>(name: string, argument: unknown, schema: z.ZodType<T>): Promise<T> {
  const script = join(import.meta.dirname, name);
  try {
    const { stdout } = await run(process.execPath, [script, JSON.stringify(argument)], { maxBuffer: 64 * 1024 * 1024 });
    return schema.parse(JSON.parse(stdout));
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error);
    // An uncaught error's own line, in the midst of its source line and its stack.
    const line = /^\w*Error\b.*$/m.exec(said)?.[0] ?? said.trim().split('\n').at(-1);
    throw new Error(`${name} failed: ${line ?? 'it said nothing'}`, { cause: error });
  }
}

/** For the script itself: its argument. */
export function partArgument<T>(schema: z.ZodType<T>): T {
  return schema.parse(JSON.parse(process.argv[2] ?? ''));
}

/** For the script itself: what it found. */
export function partResult(result: unknown): void {
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

export interface Spent {
  readonly elapsedMs: number;
  /** Of this process, its threads included. */
  readonly cpuSeconds: number;
}

export const spentSchema = z.object({ elapsedMs: z.number(), cpuSeconds: z.number() });

/** What `work` takes. */
export async function spending(work: () => Promise<unknown>): Promise<Spent> {
  const [beganMs, before] = [performance.now(), process.cpuUsage()];
  await work();
  const { user, system } = process.cpuUsage(before);
  return { elapsedMs: performance.now() - beganMs, cpuSeconds: (user + system) / 1e6 };
}
