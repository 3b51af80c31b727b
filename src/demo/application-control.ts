/**
 * How the demo's application is made to wait: files in a folder beside the volume, as simple as the scripts that real
 * applications are made to wait with.
 *
 * Invariant: an answer counts only with the nonce of its question, so that one left over from an earlier pause is never
 * taken for a new one; from the answer on, the application writes nothing until the question is taken away.
 */
import { existsSync } from 'node:fs';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { LeewardError } from '../kernel/errors.ts';
import type { Clock, Random } from '../kernel/clock.ts';

/** What the application has written, by its own word: all of it committed and synced. */
export const writtenSchema = z.object({
  /** Rows in its database. */
  rows: z.int().min(0),
  files: z.int().min(0),
});
export type Written = z.infer<typeof writtenSchema>;

const answerSchema = z.object({ nonce: z.string(), written: writtenSchema });

const POLL_MS = 20;

function questionFile(folder: string): string {
  return join(folder, 'pause');
}

function answerFile(folder: string): string {
  return join(folder, 'paused.json');
}

/** Written by the application as it begins: its process id. */
export function pidFile(folder: string): string {
  return join(folder, 'pid');
}

/** The application's side: the nonce of the pause that it is asked for, if it is. */
export async function askedToPause(folder: string): Promise<string | undefined> {
  // Looked at first: it is not there most of the time.
  if (!existsSync(questionFile(folder))) return undefined;
  return await readFile(questionFile(folder), 'utf8').catch(() => undefined);
}

/** The application's side: says that it waits. */
export async function answerPause(folder: string, nonce: string, written: Written): Promise<void> {
  await putWhole(answerFile(folder), JSON.stringify({ nonce, written }));
}

/** The site's side: returns once the application waits. Errors: UNAVAILABLE when it does not within `timeoutMs`. */
export async function pause(folder: string, of: { clock: Clock; random: Random; timeoutMs: number }): Promise<Written> {
  const nonce = Buffer.from(of.random.bytes(8)).toString('hex');
  await putWhole(questionFile(folder), nonce);
  const deadlineBootMs = of.clock.bootMs() + of.timeoutMs;
  while (of.clock.bootMs() < deadlineBootMs) {
    const text = await readFile(answerFile(folder), 'utf8').catch(() => undefined);
    if (text !== undefined) {
      const answer = answerSchema.parse(JSON.parse(text));
      if (answer.nonce === nonce) return answer.written;
    }
    await of.clock.sleep(POLL_MS);
  }
  await goOn(folder);
  throw new LeewardError('UNAVAILABLE', `the application did not pause within ${of.timeoutMs} ms`);
}

/** The site's side: lets the application go on. */
export async function goOn(folder: string): Promise<void> {
  await rm(questionFile(folder), { force: true });
}

/** Whoever reads the file meets all of it or the one before. */
export async function putWhole(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text);
  await rename(`${path}.new`, path);
}
