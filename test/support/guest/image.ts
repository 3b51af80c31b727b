/** The stack image with files of a test's own on top. */
import { createReadStream, createWriteStream } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { runTool } from '../../../src/local/machines/tools.ts';

/**
 * Writes an initramfs to `to`: what `initramfs` has, with the files of `root` in addition or in its place. The kernel unpacks
 * one archive after the other. Source: Linux, "initramfs buffer format".
 */
export async function withFiles(initramfs: string, root: string, to: string): Promise<void> {
  const [list, archive] = [`${to}.list`, `${to}.cpio`];
  await writeFile(list, `${['.', ...(await readdir(root, { recursive: true })).toSorted()].join('\n')}\n`);
  await runTool('sh', [
    '-c',
    'cd "$1" && exec cpio -o -H newc --owner=+0:+0 --quiet <"$2" >"$3"',
    'sh',
    root,
    list,
    archive,
  ]);
  await pipeline(createReadStream(initramfs), createWriteStream(to));
  await pipeline(createReadStream(archive), createWriteStream(to, { flags: 'a' }));
}

/** Where {@link withFiles} is told to put what a test adds. */
export function rootIn(folder: string): string {
  return join(folder, 'root');
}
