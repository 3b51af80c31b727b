/** Local stacks for tests: each in a folder of its own, taken down with everything that it started. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { downStack, statusOfStack } from '../../../src/local/stack/stack.ts';
import type { StackPart, UpOptions } from '../../../src/local/stack/stack.ts';

/** An app that listens to a queue, runs each second, and answers HTTP. */
export const APP = fixture('app');

/** Settings that {@link APP} names. */
export const APP_SETTINGS = { ECHO_QUEUE: 'echo-in', EACH_SECOND: '* * * * * *' };

export function fixture(name: string): string {
  return fileURLToPath(new URL(`../host/fixtures/${name}`, import.meta.url));
}

/** A folder to make stacks in. `remove` ends every stack of `stateDirs` and deletes it. */
export async function makeRoom(): Promise<{ folder: string; options: UpOptions; remove: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'leeward-stack-'));
  const stateDirs = ['one', 'two'].map((name) => join(folder, name));
  return {
    folder,
    options: { stateDir: join(folder, 'one'), appDir: APP, settings: () => APP_SETTINGS },
    async remove() {
      for (const stateDir of stateDirs) await downStack(stateDir);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Process ids of the parts that run. */
export async function pidsOf(stateDir: string): Promise<Partial<Record<StackPart, number>>> {
  const status = await statusOfStack(stateDir);
  assert.ok(status);
  return Object.fromEntries(status.parts.flatMap(({ part, pid }) => (pid === undefined ? [] : [[part, pid]])));
}

export async function statesOf(stateDir: string): Promise<readonly string[]> {
  const status = await statusOfStack(stateDir);
  assert.ok(status);
  return status.parts.map(({ part, state }) => `${part} ${state}`);
}
