/**
 * Disks of a guest that is a site's node: the tools' disk, with the bundle as a site has it, its Node, and the libraries that
 * this machine has for them; and the node's own.
 */
import { execFile } from 'node:child_process';
import { chmod, copyFile, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { bundle } from '../../../scripts/bundle.ts';
import type { StackImage } from '../../../src/local/machines/stack-image.ts';
import { findTool } from '../../../src/local/machines/tools.ts';
import { rootIn, withFiles } from './image.ts';

const run = promisify(execFile);

/** Programs that this takes beside the machinery, for `needs()`. */
export const NODE_GUEST_TOOLS = ['mke2fs', 'ldd', 'wdctl', 'tar'] as const;

/** Modules of the stack image's kernel that only a node has. */
const MODULES = ['watchdog/watchdog.ko', 'watchdog/softdog.ko'];

export interface NodeMachine {
  readonly kernel: string;
  readonly initramfs: string;
  /** Read only. */
  readonly tools: string;
}

/** Builds it in `folder`; `kernelFolder` is where the stack image's kernel has its modules: `lib/modules/VERSION`. */
export async function buildNodeMachine(image: StackImage, folder: string, kernelFolder: string): Promise<NodeMachine> {
  const root = rootIn(folder);
  await mkdir(join(root, 'modules'), { recursive: true });
  await mkdir(join(root, 'www', 'cgi-bin'), { recursive: true });
  await mkdir(join(root, 'etc'));
  await writeFile(join(root, 'etc', 'passwd'), 'root:x:0:0:root:/:/bin/sh\n');
  await put(join(import.meta.dirname, 'node-init'), join(root, 'init'));
  await put(join(import.meta.dirname, 'node-sh'), join(root, 'www', 'cgi-bin', 'sh'));
  const [version = ''] = await readdir(join(kernelFolder, 'lib', 'modules'));
  const drivers = join(kernelFolder, 'lib', 'modules', version, 'kernel', 'drivers');
  for (const module of MODULES) await copyFile(join(drivers, module), join(root, 'modules', basename(module)));
  const initramfs = join(folder, 'initramfs');
  await withFiles(image.initramfs, root, initramfs);
  return { kernel: image.kernel, initramfs, tools: await buildTools(folder) };
}

async function buildTools(folder: string): Promise<string> {
  const tools = join(folder, 'tools');
  for (const part of ['bin', 'lib']) await mkdir(join(tools, part), { recursive: true });
  await run('tar', ['-C', tools, '-xzf', await bundle(folder), '--strip-components=1']);
  await put(findTool('wdctl') ?? '', join(tools, 'bin', 'wdctl'));
  for (const program of ['node', 'wdctl']) {
    for (const library of await librariesOf(join(tools, 'bin', program))) {
      await put(library, join(tools, 'lib', basename(library)));
    }
  }
  const disk = join(folder, 'tools.ext4');
  await makeDisk(disk, 384, tools);
  await rm(tools, { recursive: true });
  return disk;
}

/** A disk of this size with the files of a folder. */
export async function makeDisk(disk: string, sizeMib: number, from: string): Promise<void> {
  await run(findTool('mke2fs') ?? 'mke2fs', ['-q', '-F', '-t', 'ext4', '-d', from, disk, `${sizeMib}M`]);
}

async function librariesOf(program: string): Promise<string[]> {
  const { stdout } = await run('ldd', [program]);
  return stdout.split('\n').flatMap((line) => /(\/\S+) \(0x/.exec(line)?.[1] ?? []);
}

async function put(from: string, to: string): Promise<void> {
  await copyFile(from, to);
  await chmod(to, 0o755);
}
