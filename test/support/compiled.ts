/**
 * Where processes that a test starts keep what Node has compiled of their modules, as part of their environment: the folder
 * that `npm test` names for all files, or one of this file's own that is gone with it.
 *
 * To compile is most of what a short process does, and the same for dozens of them.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const COMPILED: Readonly<Record<string, string>> = {
  NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] ?? ownFolder(),
};

function ownFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'leeward-compiled-'));
  process.once('exit', () => {
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}
