/** Where the tests look for a kernel: what `.ci/run` or a developer unpacked, or an installed one. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findMachinery } from '../../../src/local/machines/stack-image.ts';
import type { Machinery } from '../../../src/local/machines/stack-image.ts';
import { needsThat } from '../../support/tools.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');

/** What `get-kernel.sh` unpacked a kernel into. */
export const kernelFolder = process.env['LEEWARD_KERNEL'] ?? join(ROOT, '.leeward', 'kernel');

/** The machinery of this machine, its stack image kept in a cache that all tests share. */
export async function machineryHere(): Promise<Machinery> {
  return await findMachinery({ cacheFolder: join(tmpdir(), 'leeward-test-stack'), kernelFolders: [kernelFolder, '/'] });
}

/** Options for `test()`: skips with the reason where machines are only simulated, and throws instead when CI=true. */
export function needsBooting(machinery: Machinery): { skip: false | string } {
  return machinery.kind === 'qemu' ? { skip: false } : needsThat(false, `no machine boots here: ${machinery.reason}`);
}
