/**
 * One command at a time changes a stack: two that start parts beside each other would give one storage two servers.
 *
 * Invariant: the lock's file is there, whole, while its holder works; that of a holder that died is taken over.
 */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { LeewardError } from '../../kernel/errors.ts';
import { isMissing, linked } from '../../system/durable-file.ts';
import type { Layout } from './layout.ts';
import { isRunning, markOf, processSchema } from '../../system/processes.ts';

/** Does `work` while no other command changes the stack. Throws CONFLICT when one does. */
export async function withLock<T>(layout: Layout, work: () => Promise<T>): Promise<T> {
  await take(layout);
  try {
    return await work();
  } finally {
    await rm(layout.lock, { force: true });
  }
}

let attempts = 0;

async function take(layout: Layout): Promise<void> {
  const beside = `${layout.lock}-${process.pid}-${attempts++}`;
  await writeFile(beside, JSON.stringify(markOf(process.pid)), { mode: 0o600 });
  try {
    if (await linked(beside, layout.lock)) return;
    const holder = await holderOf(layout);
    if (holder !== undefined && !isRunning(holder)) {
      await rm(layout.lock, { force: true });
      if (await linked(beside, layout.lock)) return;
    }
    throw new LeewardError(
      'CONFLICT',
      `another command${holder ? ` (process ${holder.pid})` : ''} is changing the local stack in ${layout.stateDir}; ` +
        `try again when it has ended`,
    );
  } finally {
    await rm(beside, { force: true });
  }
}

async function holderOf(layout: Layout) {
  try {
    return processSchema.parse(JSON.parse(await readFile(layout.lock, 'utf8')));
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw new LeewardError('DOCUMENT_INVALID', `${layout.lock} is damaged: delete it`, { cause: error });
  }
}
