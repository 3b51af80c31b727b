/**
 * Whether a process of this node is there: by its number in a file, by its command line, or both. Linux's /proc tells.
 *
 * A dead process that nobody has waited for is not there. A number alone may be another process's by now: with a pattern
 * beside it, its command line must fit too. This process itself never counts.
 */
import { open, readFile, readdir } from 'node:fs/promises';
import type { Finding, ProcessCheck } from '../../ports/probe.ts';
import { isOver, statOf } from '../processes.ts';
import { bad, shortly, well } from './words.ts';

/** More than any number of a process needs. */
const PID_FILE_BYTES = 32;

export async function checkProcess(check: ProcessCheck, signal: AbortSignal): Promise<Finding> {
  const { pidFile, commandPattern } = check;
  const pattern = commandPattern === undefined ? undefined : new RegExp(commandPattern);
  if (pidFile !== undefined) return await byFile(pidFile, pattern);
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry));
  for (const pid of pids) {
    signal.throwIfAborted();
    if (Number(pid) === process.pid) continue;
    if (pattern?.test((await commandLine(pid)) ?? '') === true && isAlive(pid)) {
      return well(`process ${pid} is there`);
    }
  }
  return bad(`no process has a command line that fits ${commandPattern ?? 'nothing'}`);
}

async function byFile(pidFile: string, pattern: RegExp | undefined): Promise<Finding> {
  let beginning: string;
  try {
    beginning = await beginningOf(pidFile);
  } catch (error) {
    return bad(`the file ${pidFile} cannot be read (${shortly(error)})`);
  }
  const pid = /^\s*([1-9]\d*)(?:\s|$)/.exec(beginning)?.[1];
  if (pid === undefined) return bad(`the file ${pidFile} holds no process number`);
  if (!isAlive(pid)) return bad(`process ${pid} of ${pidFile} is not there`);
  if (pattern !== undefined && !pattern.test((await commandLine(pid)) ?? '')) {
    return bad(`process ${pid} of ${pidFile} has another command line`);
  }
  return well(`process ${pid} is there`);
}

async function beginningOf(path: string): Promise<string> {
  await using file = await open(path);
  const { bytesRead, buffer } = await file.read(Buffer.alloc(PID_FILE_BYTES), 0, PID_FILE_BYTES, 0);
  return buffer.subarray(0, bytesRead).toString('latin1');
}

/** The arguments joined by spaces; undefined for no process, empty for a dead one. */
async function commandLine(pid: string): Promise<string | undefined> {
  return (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => undefined))?.replaceAll('\0', ' ').trimEnd();
}

function isAlive(pid: string): boolean {
  const stat = statOf(Number(pid));
  return stat !== undefined && !isOver(stat);
}
