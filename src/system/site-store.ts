/**
 * What a replicator keeps, in a folder of its own: `state.json`, `outbox/NUMBER.delta`, and `index`, one sparse file.
 *
 * Invariants: those of the port; the folder belongs to one process at a time, which its lock says. A lock whose
 * process is gone is taken over, so that a crash needs nobody to clean up.
 */
import { randomUUID } from 'node:crypto';
import { link, open, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { constants } from 'node:fs';
import { join } from 'node:path';
import { LeewardError } from '../kernel/errors.ts';
import type { SiteStore } from '../ports/site-store.ts';
import { TEMPORARY_SUFFIX, isMissing, makeFolder, readIfThere, syncFolder, writeDurably } from './durable-file.ts';
import { exists, startOf, statOf } from './processes.ts';

const DELTA_NAME = /^(\d{10})\.delta$/;

/** A {@link SiteStore} that must be closed. */
export interface OpenSiteStore extends SiteStore {
  /** Gives the folder back. Afterwards every call fails. */
  close(): Promise<void>;
}

/** Opens `folder`, making it if there is none. Errors: CONFLICT when another process that lives has it open. */
export async function openSiteStore(folder: string): Promise<OpenSiteStore> {
  const outbox = join(folder, 'outbox');
  await makeFolder(outbox);
  await lock(folder);
  for (const at of [folder, outbox]) {
    for (const name of await readdir(at))
      if (name.endsWith(TEMPORARY_SUFFIX)) await rm(join(at, name), { force: true });
  }
  return new FolderStore(folder, await open(join(folder, 'index'), constants.O_RDWR | constants.O_CREAT, 0o600));
}

class FolderStore implements OpenSiteStore {
  readonly #folder: string;
  readonly #outbox: string;
  readonly #index: FileHandle;

  constructor(folder: string, index: FileHandle) {
    this.#folder = folder;
    this.#outbox = join(folder, 'outbox');
    this.#index = index;
  }

  async readState(): Promise<string | undefined> {
    return (await readIfThere(join(this.#folder, 'state.json')))?.toString('utf8');
  }

  async writeState(text: string): Promise<void> {
    await writeDurably(join(this.#folder, 'state.json'), text);
  }

  async putDelta(number: number, bytes: Uint8Array): Promise<void> {
    await writeDurably(this.#delta(number), bytes);
  }

  async readDelta(number: number): Promise<Uint8Array | undefined> {
    return await readIfThere(this.#delta(number));
  }

  async listDeltas(): Promise<readonly { readonly number: number; readonly sizeBytes: number }[]> {
    const found = [];
    for (const name of (await readdir(this.#outbox)).sort()) {
      const number = DELTA_NAME.exec(name)?.[1];
      if (number === undefined) continue;
      const { size } = await stat(join(this.#outbox, name));
      found.push({ number: Number(number), sizeBytes: size });
    }
    return found;
  }

  async removeDelta(number: number): Promise<void> {
    await rm(this.#delta(number), { force: true });
    await syncFolder(this.#outbox);
  }

  async readIndex(offset: number, into: Uint8Array): Promise<void> {
    for (let done = 0; done < into.length;) {
      const { bytesRead } = await this.#index.read(into, done, into.length - done, offset + done);
      if (bytesRead === 0) {
        into.fill(0, done);
        return;
      }
      done += bytesRead;
    }
  }

  async writeIndex(offset: number, bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      done += (await this.#index.write(bytes, done, bytes.length - done, offset + done)).bytesWritten;
    }
  }

  async syncIndex(): Promise<void> {
    await this.#index.sync();
  }

  async cutIndex(offset: number): Promise<void> {
    const { size } = await this.#index.stat();
    if (size > offset) await this.#index.truncate(offset);
  }

  async close(): Promise<void> {
    await this.#index.close();
    await rm(join(this.#folder, LOCK_NAME), { force: true });
  }

  #delta(number: number): string {
    return join(this.#outbox, `${String(number).padStart(10, '0')}.delta`);
  }
}

const LOCK_NAME = 'lock';

/** Makes the lock, which holds the process's number and when it started. */
async function lock(folder: string): Promise<void> {
  const mark = `${process.pid} ${startOfId(process.pid) ?? ''}`;
  await acquire(folder, join(folder, LOCK_NAME), mark);
}

/**
 * Makes the lock `path`. Whoever replaces a stale one holds the guard beside it, a lock of the same kind, and looks again
 * first: so nobody ever takes away what another has just taken over.
 */
async function acquire(folder: string, path: string, mark: string): Promise<void> {
  const own = `${path}.${randomUUID()}${TEMPORARY_SUFFIX}`;
  // Linked or renamed and not written in place, so that nobody ever reads a lock that is still empty.
  await writeFile(own, mark, { mode: 0o600 });
  try {
    if (await linked(own, path)) return;
    await refuseIfHeld(folder, path);
    const guard = `${path}.guard`;
    await acquire(folder, guard, mark);
    try {
      if (await refuseIfHeld(folder, path)) await rename(own, path);
      else if (!(await linked(own, path)))
        throw new LeewardError('CONFLICT', `${folder} is being opened by another process`);
    } finally {
      await rm(guard, { force: true });
    }
  } catch (error) {
    if (!isMissing(error)) throw error;
    throw new LeewardError('CONFLICT', `${folder} is being opened by another process`, { cause: error });
  } finally {
    await rm(own, { force: true });
  }
}

/** Whether `to` is now another name of `from`; false when there is a `to`. */
async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

/** Whether there is a stale lock, false for none. Errors: CONFLICT when the process that wrote it lives. */
async function refuseIfHeld(folder: string, path: string): Promise<boolean> {
  const mark = await readFile(path, 'ascii').catch(missingIsEmpty);
  const [pid = '', ...rest] = mark.split(' ');
  // Ids are used again, in a container after every crash: the start has to fit too.
  if (mark !== '' && startOfId(Number(pid)) === rest.join(' ')) {
    throw new LeewardError('CONFLICT', `${folder} is in use by process ${pid}: one replicator has it at a time`);
  }
  return mark !== '';
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
