/**
 * The disk that Debian guests start from, made once and kept in .leeward/debian-guest.
 *
 * Invariants: a disk is whole from the moment it has its name, and its name follows from all that it is made from but
 * Debian's own packages: a recipe that changed makes another one. Nothing ever writes to it.
 */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, readFile, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { sha256 } from '../../../src/kernel/hash.ts';

const KEPT = join(import.meta.dirname, '../../../.leeward');
/** What get-kernel.sh has unpacked. */
const KERNEL = join(KEPT, 'kernel');
const DISKS = join(KEPT, 'debian-guest');
const MAKE = join(import.meta.dirname, 'make-disk.sh');
const FILES = join(import.meta.dirname, 'files');

/** Programs that making and running a guest takes, for `needs()`. */
export const DEBIAN_TOOLS = ['debootstrap', 'mkfs.ext4', 'qemu-img', 'qemu-system-x86_64', 'setpriv'] as const;

/** What of this machine is missing besides programs; undefined for nothing. */
export function debianLacks(): string | undefined {
  if (kernelName() === undefined) return 'needs a kernel in .leeward/kernel: src/local/machines/get-kernel.sh';
  return process.getuid?.() === 0 ? undefined : 'needs root, to make a root file system';
}

/** Kernel and disk of a Debian guest. Makes the disk where there is none: this takes minutes. */
export async function debianDisk(): Promise<{ readonly kernel: string; readonly disk: string }> {
  const name = kernelName();
  if (name === undefined) throw new Error('there is no kernel');
  const content = sha256().update(name);
  const files = (await readdir(FILES)).toSorted().map((file) => join(FILES, file));
  for (const file of [MAKE, ...files]) content.update(file).update(await readFile(file));
  const disk = join(DISKS, `${content.hex().slice(0, 16)}.ext4`);
  if (!existsSync(disk)) {
    await rm(DISKS, { recursive: true, force: true });
    await mkdir(DISKS, { recursive: true });
    await promisify(execFile)(MAKE, [KERNEL, disk]);
  }
  return { kernel: join(KERNEL, 'boot', name), disk };
}

function kernelName(): string | undefined {
  const boot = join(KERNEL, 'boot');
  return existsSync(boot) ? readdirSync(boot).find((name) => name.startsWith('vmlinuz-')) : undefined;
}
