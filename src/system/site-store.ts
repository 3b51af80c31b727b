/**
 * What a replicator keeps, in a folder of its own: `state.json`, `outbox/NUMBER.delta`, and `index`, one sparse file.
 *
 * Invariants: those of the port; the folder belongs to one process at a time, which its lock says. A lock whose
 * process is gone is taken over, so that a crash needs nobody to clean up.
 */
import { open, readdir, rm, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { constants } from 'node:fs';
import { join } from 'node:path';
import type { SiteStore } from '../ports/site-store.ts';
import { TEMPORARY_SUFFIX, makeFolder, readIfThere, syncFolder, writeDurably } from './durable-file.ts';
import { lockFolder, unlockFolder } from './folder-lock.ts';

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
  await lockFolder(folder, 'one replicator has it at a time');
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
    await unlockFolder(this.#folder);
  }

  #delta(number: number): string {
    return join(this.#outbox, `${String(number).padStart(10, '0')}.delta`);
  }
}
