/** A guard's folder in a test: what runs by it, and what stops that from outside, is found there and ends with the test. */
import type { GuardFiles } from '../../src/system/guard/files.ts';
import { isThere, killThing } from '../../src/system/guard/handle.ts';
import type { Handle } from '../../src/system/guard/handle.ts';
import { isRunning } from '../../src/system/processes.ts';

/** Of the application called `name`, if it runs. */
export async function runningHandle(files: GuardFiles, name: string): Promise<Handle | undefined> {
  const handle = (await files.read('running'))?.handles.find((one) => one.name === name);
  return handle && (await isThere(handle)) ? handle : undefined;
}

/** Kills all that was started by this folder, and what stops from outside. */
export async function endAll(files: GuardFiles): Promise<void> {
  const said = await files.read('keeper');
  if (said && isRunning(said.keeper)) process.kill(said.keeper.pid, 'SIGKILL');
  for (const handle of (await files.read('running'))?.handles ?? []) killThing(handle);
}
