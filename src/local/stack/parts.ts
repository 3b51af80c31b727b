/**
 * The processes of a stack: how each is started, known to be ready, and ended.
 *
 * Invariants: a part counts as started only once it is ready; one that does not come up is told with the file of its log
 * and its last words; a process that is not the stack's own is never touched (`processes.ts`).
 */
import { open, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { LeewardError } from '../../kernel/errors.ts';
import { sha256Hex } from '../../kernel/hash.ts';
import { isMissing } from '../../system/durable-file.ts';
import { withoutCredentials } from './access-log.ts';
import { ACCOUNT_NAME } from './cloud.ts';
import { writeStack } from './document.ts';
import type { Stack } from './document.ts';
import { logOf, readyFileOf } from './layout.ts';
import type { Layout, StackPart } from './layout.ts';
import { isRunning } from '../../system/processes.ts';
import { endProcess, startDetached, waitForFile } from './processes.ts';

/** Long enough on a loaded machine; a part that ends is noticed at once. */
const READY_LIMIT_MS = 60_000;
/** A host finishes what is in work, an Azurite saves what it holds. */
const END_LIMIT_MS = 20_000;
const LAST_LINES = 5;
const LAST_BYTES = 4096;

/** How a part ended: as it was asked to, by SIGKILL since it did not, or before anybody asked. */
export type PartEnd = 'stopped' | 'killed' | 'was not running';

export function runs(stack: Stack, part: StackPart): boolean {
  const mark = stack.parts[part];
  return mark !== undefined && isRunning(mark);
}

/**
 * Starts those of `parts` that do not run, and anew those that were started with something else, such as other settings;
 * waits until all of them are ready. Throws PLATFORM_FAILED.
 */
export async function ensureParts(layout: Layout, stack: Stack, parts: readonly StackPart[]): Promise<void> {
  for (const part of parts) {
    const command = commandOf(layout, stack, part);
    const startedWith = await hashOf(command);
    if (runs(stack, part)) {
      if (stack.parts[part]?.startedWith === startedWith) continue;
      await endPart(layout, stack, part);
    }
    const log = logOf(layout, part);
    const logFrom = await sizeOf(log);
    await rm(readyFileOf(layout, part), { force: true });
    stack.parts[part] = { ...startDetached({ ...command, log, folder: layout.stateDir }), logFrom, startedWith };
    await writeStack(layout, stack);
  }
  const outcomes = await Promise.allSettled(parts.map((part) => awaitReady(layout, stack, part)));
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed) throw failed.reason;
}

interface Command {
  readonly script: string;
  readonly args: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** A file that it reads when it starts. */
  readonly reads?: string;
}

async function hashOf(command: Command): Promise<string> {
  const read = command.reads === undefined ? '' : await readFile(command.reads, 'utf8');
  return sha256Hex(JSON.stringify([command, read]));
}

function commandOf(layout: Layout, stack: Stack, part: StackPart): Command {
  const { ports } = stack;
  const script = (path: string): string => join(import.meta.dirname, path);
  const readyFile = readyFileOf(layout, part);
  switch (part) {
    case 'azurite':
      return {
        script: script('azurite-process.ts'),
        args: [
          ...['--blob-port', String(ports.blob), '--queue-port', String(ports.queue)],
          ...['--data', layout.azuriteData, '--requests', layout.requestsLog, '--ready-file', readyFile],
        ],
        environment: { AZURITE_ACCOUNTS: `${ACCOUNT_NAME}:${stack.accountKey}` },
      };
    case 'arm':
      return {
        script: script('../arm/main.ts'),
        args: [
          ...['--state', layout.armState, '--config', layout.armConfig],
          ...['--port', String(ports.arm), '--port-file', readyFile],
        ],
        reads: layout.armConfig,
      };
    case 'host':
      if (stack.appDir === undefined) {
        throw new LeewardError('REFUSED', `the local stack in ${layout.stateDir} was started without a functions host`);
      }
      return {
        script: script('../host/main.ts'),
        args: [
          ...['--app', stack.appDir, '--settings', stack.settingsFile],
          ...['--port', String(ports.host), '--port-file', readyFile],
        ],
        // As in infra/modules/function-app.bicep: a setting that the program itself is too late to read.
        environment: { NODE_OPTIONS: '--max-semi-space-size=4' },
        reads: stack.settingsFile,
      };
  }
}

async function awaitReady(layout: Layout, stack: Stack, part: StackPart): Promise<void> {
  const mark = stack.parts[part];
  if (mark === undefined || (await waitForFile(readyFileOf(layout, part), mark, READY_LIMIT_MS))) return;
  const what = isRunning(mark)
    ? `was not ready within ${READY_LIMIT_MS / 1000} s and was ended`
    : 'ended before it was ready';
  await endProcess(mark, 'SIGKILL', END_LIMIT_MS);
  const log = logOf(layout, part);
  const said = await lastLines(log, mark.logFrom);
  throw new LeewardError('PLATFORM_FAILED', `the local stack's ${part} ${what}; its log ${log} ends with: ${said}`);
}

/** Ends a part, by SIGKILL when `signal` does not within a while. The stack is written. */
export async function endPart(
  layout: Layout,
  stack: Stack,
  part: StackPart,
  signal: NodeJS.Signals = 'SIGTERM',
): Promise<PartEnd> {
  const mark = stack.parts[part];
  const running = mark !== undefined && isRunning(mark);
  let end: PartEnd = running ? 'stopped' : 'was not running';
  if (running && !(await endProcess(mark, signal, END_LIMIT_MS))) {
    end = 'killed';
    if (!(await endProcess(mark, 'SIGKILL', END_LIMIT_MS))) {
      throw new LeewardError('PLATFORM_FAILED', `the local stack's ${part}, process ${mark.pid}, cannot be ended`);
    }
  }
  Reflect.deleteProperty(stack.parts, part);
  await rm(readyFileOf(layout, part), { force: true });
  await writeStack(layout, stack);
  return end;
}

async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch (error) {
    if (isMissing(error)) return 0;
    throw error;
  }
}

/** The end of what a log says from byte `from` on, on one line and without credentials. */
async function lastLines(file: string, from: number): Promise<string> {
  const handle = await open(file, 'r');
  try {
    const { size } = await handle.stat();
    const start = Math.max(from, size - LAST_BYTES);
    const { buffer, bytesRead } = await handle.read({ buffer: Buffer.alloc(LAST_BYTES), position: start });
    const lines = buffer.toString('utf8', 0, bytesRead).split('\n');
    const said = lines.map((line) => line.trim()).filter((line) => line !== '');
    return withoutCredentials(said.slice(-LAST_LINES).join(' | ')) || 'nothing';
  } finally {
    await handle.close();
  }
}
