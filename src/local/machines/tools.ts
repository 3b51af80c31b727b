/** Programs of this machine: where they are, and how one is run to its end. */
import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { LeewardError } from '../../kernel/errors.ts';

const run = promisify(execFile);

/** Path of the program `name`, on PATH or in the system's own folders; undefined where it is not installed. */
export function findTool(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return folders
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** Runs `name` and gives its standard output. Throws PLATFORM_FAILED with its last words, credentials removed. */
export async function runTool(name: string, args: readonly string[]): Promise<string> {
  try {
    return (await run(name, [...args], { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 })).stdout;
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error);
    throw new LeewardError('PLATFORM_FAILED', `${name} failed: ${lastWords(said)}`);
  }
}

/** The last line of `text` that says something, without the query of any URL: a SAS is a credential. */
export function lastWords(text: string): string {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return (lines.at(-1) ?? 'it said nothing').trim().replaceAll(/\?[^\s"']*/g, '?…');
}
