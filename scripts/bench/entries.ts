/** Copies of what a journal holds. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Storage } from '../../src/app/storage.ts';
import { DELTA_LIMITS } from '../../src/delta/limits.ts';

/** Writes each delta of a journal container into `folder`, in their order. */
export async function saveEntries(
  { account, entries }: Pick<Storage, 'account' | 'entries'>,
  container: string,
  folder: string,
): Promise<void> {
  await mkdir(folder);
  let count = 0;
  for await (const { name } of entries.list({ account, container }, '')) {
    if (!name.endsWith('.delta')) continue;
    const bytes = await entries.read({ account, container, blob: name }, DELTA_LIMITS.encodedBytesMax);
    if (!bytes) continue;
    count += 1;
    await writeFile(join(folder, String(count).padStart(6, '0')), bytes);
  }
}
