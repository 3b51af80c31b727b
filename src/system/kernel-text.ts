/**
 * What the kernel tells in files of its own: /proc, and the folders of control groups.
 *
 * Invariant: what is not there is told apart from what could not be looked at, so that nothing is taken for gone by a process
 * that may open no more files.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { LeewardError, describeError } from '../kernel/errors.ts';

/** It is not there, ended while it was read, or is not for this process to see. */
const ABSENT: readonly unknown[] = ['ENOENT', 'ENODEV', 'ESRCH', 'ENOTDIR', 'EACCES', 'EPERM'];

/** Undefined where there is none to see. Errors: UNAVAILABLE. */
export function kernelText(path: string): string | undefined {
  return seen(() => readFileSync(path, 'utf8'));
}

/** The names in a folder, none where there is none to see. Errors: UNAVAILABLE. */
export function kernelNames(path: string): readonly string[] {
  return seen(() => readdirSync(path)) ?? [];
}

function seen<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (error instanceof Error && 'code' in error && ABSENT.includes(error.code)) return undefined;
    throw new LeewardError('UNAVAILABLE', `what runs here cannot be looked at: ${describeError(error)}`);
  }
}
