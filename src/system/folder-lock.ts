/**
 * A folder that belongs to one process at a time, which the lock in it says.
 *
 * Invariants: a lock whose process is gone is taken over, so that a crash needs nobody to clean up; of several that take over
 * at once, one has it.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LeewardError, describeError } from '../kernel/errors.ts';
import { TEMPORARY_SUFFIX, isMissing, linked } from './durable-file.ts';
import { exists, startOf, statOf } from './processes.ts';

const LOCK_NAME = 'lock';

/** Takes `folder` for this process. Errors: CONFLICT while a process that lives has it, with `why` there is but one. */
export async function lockFolder(folder: string, why: string): Promise<void> {
  // The process's number and when it started.
  const mark = `${process.pid} ${startOfId(process.pid) ?? ''}`;
  await acquire({ folder, why }, join(folder, LOCK_NAME), mark);
}

/** Gives it back. */
export async function unlockFolder(folder: string): Promise<void> {
  await rm(join(folder, LOCK_NAME), { force: true });
}

/**
 * Whether a process of this machine that lives has it: a lock that was copied from another machine, or is of an earlier boot,
 * is none's. Errors: UNAVAILABLE.
 */
export function isLocked(folder: string): boolean {
  const path = join(folder, LOCK_NAME);
  try {
    return existsSync(path) && isHeld(readFileSync(path, 'ascii'));
  } catch (error) {
    // It was given back between the two.
    if (isMissing(error)) return false;
    throw new LeewardError('UNAVAILABLE', `${path} cannot be read: ${describeError(error)}`);
  }
}

interface Locked {
  readonly folder: string;
  readonly why: string;
}

/**
 * Makes the lock `path`. Whoever replaces a stale one holds the guard beside it, a lock of the same kind, and looks again
 * first: so nobody ever takes away what another has just taken over.
 */
async function acquire(of: Locked, path: string, mark: string): Promise<void> {
  const own = `${path}.${randomUUID()}${TEMPORARY_SUFFIX}`;
  // Linked or renamed and not written in place, so that nobody ever reads a lock that is still empty.
  await writeFile(own, mark, { mode: 0o600 });
  try {
    if (await linked(own, path)) return;
    await refuseIfHeld(of, path);
    const guard = `${path}.guard`;
    await acquire(of, guard, mark);
    try {
      if (await refuseIfHeld(of, path)) await rename(own, path);
      else if (!(await linked(own, path)))
        throw new LeewardError('CONFLICT', `${of.folder} is being opened by another process`);
    } finally {
      await rm(guard, { force: true });
    }
  } catch (error) {
    if (!isMissing(error)) throw error;
    throw new LeewardError('CONFLICT', `${of.folder} is being opened by another process`, { cause: error });
  } finally {
    await rm(own, { force: true });
  }
}

/** Whether there is a stale lock, false for none. Errors: CONFLICT when the process that wrote it lives. */
async function refuseIfHeld({ folder, why }: Locked, path: string): Promise<boolean> {
  const mark = await readFile(path, 'ascii').catch(missingIsEmpty);
  if (isHeld(mark)) {
    throw new LeewardError('CONFLICT', `${folder} is in use by process ${mark.split(' ')[0]}: ${why}`);
  }
  return mark !== '';
}

/**
 * Whether the process that wrote the mark lives. Ids are used again, in a container after every crash: the start has to fit
 * too.
 */
function isHeld(mark: string): boolean {
  const [pid = '', ...rest] = mark.split(' ');
  return mark !== '' && startOfId(Number(pid)) === rest.join(' ');
}

function missingIsEmpty(error: unknown): string {
  if (isMissing(error)) return '';
  throw error;
}

/** Boot and clock tick of the process's start, empty where there is no /proc; undefined when nothing has its id. */
function startOfId(pid: number): string | undefined {
  if (!exists(pid)) return undefined;
  const stat = statOf(pid);
  return (stat && startOf(stat)) ?? '';
}
