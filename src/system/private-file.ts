/**
 * Files with a secret in them, such as a site's access file.
 *
 * Invariant: nobody but its owner may read one. It is made like that, and one that others can read is refused, since
 * what it holds must be taken for known.
 */
import { stat } from 'node:fs/promises';
import { LeewardError } from '../kernel/errors.ts';
import { readIfThere, writeDurably } from './durable-file.ts';

/** Reads it. Errors: NOT_FOUND; USAGE when others than its owner may read or write it. */
export async function readPrivateFile(path: string): Promise<string> {
  const bytes = await readIfThere(path);
  if (bytes === undefined) throw new LeewardError('NOT_FOUND', `there is no file ${path}`);
  const { mode } = await stat(path);
  if ((mode & 0o077) !== 0) {
    throw new LeewardError(
      'USAGE',
      `${path} holds a secret and others may read it: chmod 600 it, and renew the secret`,
    );
  }
  return bytes.toString('utf8');
}

/** Writes it with mode 0600, durably. */
export async function writePrivateFile(path: string, text: string): Promise<void> {
  await writeDurably(path, text, 0o600);
}
