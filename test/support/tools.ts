/**
 * Which real tools a test needs. A test whose tool is missing is skipped with the reason printed; in CI, where `.ci/run`
 * has installed everything, a missing tool is a failure, so that a skip can never hide a fault there.
 */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** True when `name` is an executable on PATH or in the system's own folders. */
export function hasTool(name: string): boolean {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return folders.some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Options for `test()`: skips with a reason where one of `tools` is missing, and throws instead when CI=true. */
export function needs(...tools: string[]): { skip: false | string } {
  const missing = tools.filter((tool) => !hasTool(tool));
  return needsThat(missing.length === 0, `needs ${missing.join(', ')}, not installed here`);
}

/** The same for anything else of a machine: `reason` says what is missing where `holds` is false. */
export function needsThat(holds: boolean, reason: string): { skip: false | string } {
  if (holds) return { skip: false };
  if (process.env['CI'] === 'true') throw new Error(`${reason}; CI must have it`);
  return { skip: reason };
}
