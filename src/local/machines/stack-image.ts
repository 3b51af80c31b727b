/**
 * The stack image: a Debian kernel and an initramfs of busybox, the local parallel of a solution stack in Azure's image
 * library. What it does when it boots is `guest/init`.
 *
 * Invariants: it is built from what is installed or was unpacked, nothing is downloaded and no root is needed; a
 * folder of the cache is complete from the moment it has its name, and its name follows from its content.
 */
import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, mkdtemp, readFile, readdir, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LeewardError, describeError } from '../../kernel/errors.ts';
import { sha256 } from '../../kernel/hash.ts';
import { findTool, runTool } from './tools.ts';

/** A stack image that QEMU can boot. */
export interface StackImage {
  readonly kernel: string;
  readonly initramfs: string;
}

/** Either an image that really boots, or why there is none, as the end of a sentence. */
export type Machinery =
  { readonly kind: 'qemu'; readonly image: StackImage } | { readonly kind: 'simulated'; readonly reason: string };

/**
 * In the order in which the guest loads them. Debian's cloud kernel has ext4 built in; a module that another kernel has
 * built in is left out.
 */
const MODULES = [
  'virtio_ring',
  'virtio',
  'virtio_pci_modern_dev',
  'virtio_pci_legacy_dev',
  'virtio_pci',
  'virtio_blk',
  'failover',
  'net_failover',
  'virtio_net',
];

/** What a booting machine needs besides a kernel, and the Debian package that has it. */
const TOOLS = {
  'qemu-system-x86_64': 'qemu-system-x86',
  'qemu-img': 'qemu-utils',
  setpriv: 'util-linux',
  busybox: 'busybox-static',
  cpio: 'cpio',
} as const;

/** Where QEMU looks for its HTTP block driver, package qemu-block-extra. */
const HTTP_DRIVER_FOLDERS = ['/usr/lib/x86_64-linux-gnu/qemu', '/usr/lib/qemu'];

const GUEST = join(import.meta.dirname, 'guest');
const KERNEL_FORM = /^vmlinuz-(\d.*-cloud-amd64)$/;

/**
 * Finds out whether machines can boot here, and builds the stack image into `cacheFolder` when they can; there its
 * files stay. `kernelFolders` are searched for `boot/vmlinuz-*-cloud-amd64` and `lib/modules`: `/` for an installed
 * kernel, or what `get-kernel.sh` unpacked. Never throws for what is missing: that is a reason to simulate.
 */
export async function findMachinery(of: { cacheFolder: string; kernelFolders: readonly string[] }): Promise<Machinery> {
  for (const [tool, debPackage] of Object.entries(TOOLS)) {
    if (findTool(tool) === undefined) {
      return { kind: 'simulated', reason: `${tool} is not installed (Debian package ${debPackage})` };
    }
  }
  if (!HTTP_DRIVER_FOLDERS.some((folder) => existsSync(join(folder, 'block-curl.so')))) {
    return { kind: 'simulated', reason: 'QEMU cannot read over HTTP here (Debian package qemu-block-extra)' };
  }
  const kernel = await newestKernel(of.kernelFolders);
  if (kernel === undefined) {
    return { kind: 'simulated', reason: 'there is no Debian cloud kernel here (package linux-image-cloud-amd64)' };
  }
  try {
    return { kind: 'qemu', image: await buildStackImage(kernel, of.cacheFolder) };
  } catch (error) {
    return { kind: 'simulated', reason: `the stack image cannot be built: ${describeError(error)}` };
  }
}

interface Kernel {
  readonly image: string;
  readonly modules: string;
}

/** The newest kernel of the first folder that has one. */
async function newestKernel(folders: readonly string[]): Promise<Kernel | undefined> {
  for (const folder of folders) {
    const names = await readdir(join(folder, 'boot')).catch(() => []);
    const versions = names.flatMap((name) => KERNEL_FORM.exec(name)?.[1] ?? []);
    const newest = versions.toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true })).at(-1);
    if (newest === undefined) continue;
    return { image: join(folder, 'boot', `vmlinuz-${newest}`), modules: join(folder, 'lib', 'modules', newest) };
  }
  return undefined;
}

async function buildStackImage(kernel: Kernel, cacheFolder: string): Promise<StackImage> {
  await mkdir(cacheFolder, { recursive: true });
  const work = await mkdtemp(join(cacheFolder, 'building-'));
  try {
    const initramfs = join(work, 'initramfs');
    await copyFile(kernel.image, join(work, 'vmlinuz'));
    await fillRoot(join(work, 'root'), kernel.modules);
    await packInitramfs(join(work, 'root'), initramfs);
    await rm(join(work, 'root'), { recursive: true });
    const content = sha256()
      .update(await readFile(join(work, 'vmlinuz')))
      .update(await readFile(initramfs));
    const folder = join(cacheFolder, `stack-${content.hex().slice(0, 16)}`);
    // Another process may have been faster: its folder then holds the same bytes.
    if (!existsSync(folder)) {
      await rename(work, folder).catch((error: unknown) => {
        if (!existsSync(folder)) throw error;
      });
    }
    return { kernel: join(folder, 'vmlinuz'), initramfs: join(folder, 'initramfs') };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** The guest's root: busybox, the scripts of `guest/`, and the kernel modules with the order in which they are loaded. */
async function fillRoot(root: string, modulesFolder: string): Promise<void> {
  for (const folder of ['bin', 'proc', 'sys', 'dev', 'mnt', 'modules', 'www/files', 'www/cgi-bin']) {
    await mkdir(join(root, folder), { recursive: true });
  }
  await putProgram(findTool('busybox') ?? '', join(root, 'bin', 'busybox'));
  await putProgram(join(GUEST, 'init'), join(root, 'init'));
  for (const script of ['list', 'sha256']) {
    await putProgram(join(GUEST, script), join(root, 'www', 'cgi-bin', script));
  }
  const builtIn = await readFile(join(modulesFolder, 'modules.builtin'), 'utf8');
  const files = await readdir(join(modulesFolder, 'kernel'), { recursive: true });
  const order: string[] = [];
  for (const name of MODULES) {
    if (builtIn.includes(`/${name}.ko\n`)) continue;
    const file = files.find((path) => path.endsWith(`/${name}.ko`));
    if (file === undefined) {
      throw new LeewardError('NOT_FOUND', `the kernel's folder has no uncompressed module ${name}.ko`);
    }
    await copyFile(join(modulesFolder, 'kernel', file), join(root, 'modules', `${name}.ko`));
    order.push(`${name}.ko`);
  }
  await writeFile(join(root, 'modules', 'order'), `${order.join('\n')}\n`);
}

async function putProgram(from: string, to: string): Promise<void> {
  await copyFile(from, to);
  await chmod(to, 0o755);
}

/** Packs `root` as a cpio archive, uncompressed: an emulated processor takes long to unpack anything. */
async function packInitramfs(root: string, to: string): Promise<void> {
  const names = ['.', ...(await readdir(root, { recursive: true })).toSorted()];
  // Times of creation would give the same content another name with every build.
  for (const name of names) await utimes(join(root, name), 0, 0);
  const list = `${to}.list`;
  await writeFile(list, `${names.join('\n')}\n`);
  const script = 'cd "$1" && exec cpio -o -H newc --owner=+0:+0 --reproducible --quiet <"$2" >"$3"';
  await runTool('sh', ['-c', script, 'sh', root, list, to]);
  await rm(list);
}
