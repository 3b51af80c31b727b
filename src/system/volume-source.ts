/**
 * A block device or an image file as a volume, opened read-only.
 *
 * Invariants: fewer bytes than asked for are an error, never zeros; a path that names something else by now is gone. Only
 * the last page of an image file that ends within it is filled up with zeros, as every machine would read it. A block
 * device is read past the page cache (O_DIRECT): a mounted file system writes its data around the device's own cache,
 * which would go on showing what it once read.
 */
import { constants } from 'node:fs';
import type { BigIntStats } from 'node:fs';
import { open, readFile, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { LeewardError } from '../kernel/errors.ts';
import { KIB, MIB, PAGE_BYTES, roundUp } from '../kernel/units.ts';
import type { VolumeProperties, VolumeSource } from '../ports/volume-source.ts';
import { deviceProperties, imageProperties } from './volume-properties.ts';

/** What direct reads are aligned to: the largest logical block of disks in use. Source: open(2), "O_DIRECT". */
const DIRECT_BYTES = 4096;
/** Most bytes of one direct read, and the size of the buffer that is kept for it. */
const DIRECT_READ_BYTES = MIB;
/** Source: the Linux kernel's Documentation/ABI, "/sys/block/<disk>/size": sectors of 512 bytes, whatever the disk's. */
const SECTOR_BYTES = 512;

/** Part of Node, but missing from TypeScript's library without the browser's. */
declare const WebAssembly: {
  readonly Memory: new (pages: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer };
};
const WEBASSEMBLY_PAGE_BYTES = 64 * KIB;

/** Opens `path`. Errors: USAGE when it is neither a file nor a block device, or cannot be opened. */
export async function openVolumeSource(path: string): Promise<VolumeSource> {
  let kind: BigIntStats;
  let handle: FileHandle;
  try {
    kind = await stat(path, { bigint: true });
    if (!kind.isFile() && !kind.isBlockDevice()) {
      throw new LeewardError('USAGE', `volume ${path}: neither a file nor a block device`);
    }
    handle = await open(path, constants.O_RDONLY | (kind.isBlockDevice() ? constants.O_DIRECT : 0));
  } catch (error) {
    if (error instanceof LeewardError) throw error;
    throw new LeewardError('USAGE', `volume ${path} cannot be opened for reading`, { cause: error });
  }
  return kind.isBlockDevice() ? new DeviceSource(path, handle, kind.rdev) : new FileSource(path, handle, kind);
}

/** Size of what `path` names. Errors: as {@link openVolumeSource}. */
export async function sourceBytes(path: string): Promise<number> {
  const source = await openVolumeSource(path);
  try {
    return await source.sizeBytes();
  } finally {
    await source.close();
  }
}

class FileSource implements VolumeSource {
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #opened: BigIntStats;

  constructor(path: string, handle: FileHandle, opened: BigIntStats) {
    this.#path = path;
    this.#handle = handle;
    this.#opened = opened;
  }

  async sizeBytes(): Promise<number> {
    const now = await statOrGone(this.#path);
    if (now.ino !== this.#opened.ino || now.dev !== this.#opened.dev) {
      throw new LeewardError('SOURCE_CHANGED', `volume ${this.#path} was replaced by another file`);
    }
    return roundUp(Number(now.size), PAGE_BYTES);
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    await readAll(this.#handle, this.#path, { offset, into, endsWithinPage: true });
  }

  async properties(): Promise<VolumeProperties> {
    return await imageProperties(this.#opened);
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

class DeviceSource implements VolumeSource {
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #device: bigint;
  /** The memory of a WebAssembly instance is the one buffer of Node's that is sure to start on a page. */
  readonly #aligned = new Uint8Array(
    new WebAssembly.Memory({
      initial: DIRECT_READ_BYTES / WEBASSEMBLY_PAGE_BYTES,
      maximum: DIRECT_READ_BYTES / WEBASSEMBLY_PAGE_BYTES,
    }).buffer,
  );
  /** Reads take turns, since they share that buffer. */
  #turn: Promise<void> = Promise.resolve();

  constructor(path: string, handle: FileHandle, device: bigint) {
    this.#path = path;
    this.#handle = handle;
    this.#device = device;
  }

  async sizeBytes(): Promise<number> {
    const now = await statOrGone(this.#path);
    if (!now.isBlockDevice() || now.rdev !== this.#device) {
      throw new LeewardError('SOURCE_CHANGED', `volume ${this.#path} was replaced by another device`);
    }
    const path = `/sys/dev/block/${majorMinor(this.#device)}/size`;
    const sectors = Number(await readFile(path, 'ascii').catch(() => '0'));
    if (!Number.isSafeInteger(sectors * SECTOR_BYTES) || sectors <= 0) {
      throw new LeewardError('SOURCE_CHANGED', `volume ${this.#path}: the device is gone or empty`);
    }
    return sectors * SECTOR_BYTES;
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    const turn = this.#turn.then(() => this.#read(offset, into));
    this.#turn = turn.catch(() => undefined);
    await turn;
  }

  async #read(offset: number, into: Uint8Array): Promise<void> {
    for (let done = 0; done < into.length;) {
      const at = offset + done;
      const before = at % DIRECT_BYTES;
      const wanted = Math.min(into.length - done, DIRECT_READ_BYTES - before);
      // Rounded up, the read may reach past a device's end, which only cuts it there.
      const length = Math.ceil((before + wanted) / DIRECT_BYTES) * DIRECT_BYTES;
      const whole = { offset: at - before, into: this.#aligned.subarray(0, length), needed: before + wanted };
      await readAll(this.#handle, this.#path, whole);
      into.set(this.#aligned.subarray(before, before + wanted), done);
      done += wanted;
    }
  }

  async properties(): Promise<VolumeProperties> {
    return await deviceProperties(majorMinor(this.#device));
  }

  async close(): Promise<void> {
    await this.#turn;
    await this.#handle.close();
  }
}

/**
 * Reads until at least `needed` bytes of `into` are filled (all of it unless said otherwise), or throws. Where the file may
 * end within a page, what is left of that page, and no more, reads as zeros.
 */
async function readAll(
  handle: FileHandle,
  path: string,
  at: { offset: number; into: Uint8Array; needed?: number; endsWithinPage?: boolean },
): Promise<void> {
  const needed = at.needed ?? at.into.length;
  for (let done = 0; done < needed;) {
    const { bytesRead } = await handle
      .read(at.into, done, at.into.length - done, at.offset + done)
      .catch((error: unknown) => {
        throw new LeewardError('SOURCE_CHANGED', `volume ${path} cannot be read at byte ${at.offset + done}`, {
          cause: error,
        });
      });
    if (bytesRead === 0) {
      const end = at.offset + done;
      if (at.endsWithinPage === true && roundUp(end, PAGE_BYTES) >= at.offset + needed) {
        at.into.fill(0, done);
        return;
      }
      throw new LeewardError('SOURCE_CHANGED', `volume ${path} ended at byte ${end}: did it shrink?`);
    }
    done += bytesRead;
  }
}

async function statOrGone(path: string): Promise<BigIntStats> {
  try {
    return await stat(path, { bigint: true });
  } catch (error) {
    throw new LeewardError('SOURCE_CHANGED', `volume ${path} is gone`, { cause: error });
  }
}

/** `MAJOR:MINOR` of a device number. Source: makedev(3), glibc's encoding on Linux. */
function majorMinor(device: bigint): string {
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & ~0xfffn);
  const minor = (device & 0xffn) | ((device >> 12n) & ~0xffn);
  return `${major & 0xffff_ffffn}:${minor & 0xffff_ffffn}`;
}
