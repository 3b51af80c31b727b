/**
 * What Linux knows of a volume besides its bytes: the label and UUID of its file system, and where it is mounted.
 *
 * Invariants: it is read from what the kernel and udev show as files, and nothing is run; what cannot be read counts as
 * not known, since no volume's replication may hang on its label.
 */
import { readFile, readdir, readlink, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { VolumeProperties } from '../ports/volume-source.ts';

/** Where the system shows itself. */
export interface SystemTrees {
  readonly proc: string;
  readonly sys: string;
  readonly dev: string;
}

export const SYSTEM_TREES: SystemTrees = { proc: '/proc', sys: '/sys', dev: '/dev' };

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Properties of the block device with this number, `MAJOR:MINOR`: its own, and the mount points of its partitions, too. */
export async function deviceProperties(device: string, trees = SYSTEM_TREES): Promise<VolumeProperties> {
  return await propertiesOf([device], trees);
}

/** Properties of an image file: what is known of the loop devices that show all of it. */
export async function imageProperties(
  image: { readonly dev: bigint; readonly ino: bigint },
  trees = SYSTEM_TREES,
): Promise<VolumeProperties> {
  const devices: string[] = [];
  for (const name of await entriesOf(join(trees.sys, 'block'))) {
    if (!name.startsWith('loop')) continue;
    const loop = join(trees.sys, 'block', name);
    const backing = await textOf(join(loop, 'loop', 'backing_file'));
    const file = backing === '' ? undefined : await stat(backing, { bigint: true }).catch(() => undefined);
    if (file?.dev !== image.dev || file.ino !== image.ino || (await textOf(join(loop, 'loop', 'offset'))) !== '0')
      continue;
    devices.push(await textOf(join(loop, 'dev')));
  }
  return await propertiesOf(devices, trees);
}

async function propertiesOf(devices: readonly string[], trees: SystemTrees): Promise<VolumeProperties> {
  const parts = (await Promise.all(devices.map((device) => partitionsOf(device, trees)))).flat();
  const mountPoints = await mountPointsOf([...devices, ...parts], trees);
  const label = await linkName('by-label', devices, trees);
  const identity = (await linkName('by-uuid', devices, trees))?.toLowerCase();
  return {
    // Those of FAT and NTFS are shorter, and no UUIDs.
    ...(identity !== undefined && UUID.test(identity) && { identity }),
    ...(label !== undefined && { label }),
    ...(mountPoints.length > 0 && { mountPoints }),
  };
}

/** Source: the Linux kernel's Documentation/ABI, "/sys/block/<disk>/<partition>": a folder with a file "partition". */
async function partitionsOf(device: string, trees: SystemTrees): Promise<string[]> {
  const folder = join(trees.sys, 'dev', 'block', device);
  const found: string[] = [];
  for (const name of await entriesOf(folder)) {
    if ((await textOf(join(folder, name, 'partition'))) !== '') found.push(await textOf(join(folder, name, 'dev')));
  }
  return found;
}

/**
 * Where the whole of a file system on one of the devices is mounted, in order. Source: proc_pid_mountinfo(5): the third
 * field is MAJOR:MINOR, the fourth the root within the file system, the fifth the mount point.
 */
async function mountPointsOf(devices: readonly string[], trees: SystemTrees): Promise<string[]> {
  const found = new Set<string>();
  for (const line of (await textOf(join(trees.proc, 'self', 'mountinfo'))).split('\n')) {
    const [, , device = '', root, mountPoint = ''] = line.split(' ');
    if (devices.includes(device) && root === '/') found.add(unescaped(mountPoint, /\\([0-7]{3})/g, 8));
  }
  return [...found].sort();
}

/** The name of the link in /dev/disk that leads to one of the devices. */
async function linkName(kind: string, devices: readonly string[], trees: SystemTrees): Promise<string | undefined> {
  const folder = join(trees.dev, 'disk', kind);
  for (const name of (await entriesOf(folder)).sort()) {
    const target = basename(await readlink(join(folder, name)).catch(() => ''));
    // Without a name, that is the folder of all devices, which has no number.
    const device = await textOf(join(trees.sys, 'class', 'block', target, 'dev'));
    // Source: systemd's udev, "string_escape=replace" and "encode_devnode_name": other bytes as \xNN.
    if (device !== '' && devices.includes(device)) return unescaped(name, /\\x([0-9a-f]{2})/g, 16);
  }
  return undefined;
}

/** `text` with the bytes that stand in it as numbers. */
function unescaped(text: string, form: RegExp, base: 8 | 16): string {
  const bytes = Buffer.from(text).toString('latin1');
  const plain = bytes.replace(form, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, base)));
  return Buffer.from(plain, 'latin1').toString('utf8');
}

async function entriesOf(folder: string): Promise<string[]> {
  return await readdir(folder).catch(() => []);
}

/** The file's text without the line's end; empty if there is none. */
async function textOf(path: string): Promise<string> {
  return (await readFile(path, 'utf8').catch(() => '')).replace(/\n$/, '');
}
