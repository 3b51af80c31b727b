/** The service manager's and the container engines' own commands, asked for a bounded time. */
import { spawn } from 'node:child_process';
import { LeewardError } from '../../kernel/errors.ts';
import { runBounded } from '../bounded-process.ts';

/** For a question, or for something that only has to be taken note of. */
const ANSWER_MS = 5000;

/**
 * What it wrote to stdout. Errors: UNAVAILABLE when it gives none in time, or cannot be run; REFUSED with what it said instead.
 */
export async function toolSays(tool: string, args: readonly string[]): Promise<string> {
  const end = await runBounded(tool, args, AbortSignal.timeout(ANSWER_MS)).catch((): undefined => undefined);
  if (end?.how !== 'exited') throw new LeewardError('UNAVAILABLE', `${tool} ${args[0] ?? ''}: no answer`);
  if (end.code === 0) return end.stdout;
  throw new LeewardError('REFUSED', `${tool} ${args[0] ?? ''}: ${end.stderr.trim()}`);
}

/** What is being told now, so that nothing is told twice at once. */
const underWay = new Set<string>();

/** Tells it something, and waits for nothing: what comes of it is seen by looking. */
export function tellTool(tool: string, args: readonly string[]): void {
  const what = JSON.stringify([tool, ...args]);
  if (underWay.has(what)) return;
  underWay.add(what);
  // In a session of its own, so that it is not ended together with who tells it.
  const child = spawn(tool, args, { detached: true, stdio: 'ignore' });
  child.once('error', () => underWay.delete(what));
  child.once('exit', () => underWay.delete(what));
  child.unref();
}
