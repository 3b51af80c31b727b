/**
 * The files by which a guard, what it starts, and what stops that from outside know each other: one folder for each group.
 *
 * Invariants: each is written wholly or not at all; what says something about a boot names it, so that nothing of an earlier
 * boot is believed; a process is named by its mark, never by its id alone.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { LeewardError, describeError } from '../../kernel/errors.ts';
import { parseStored } from '../../kernel/json.ts';
import { readIfThere, writeDurably } from '../durable-file.ts';
import { processSchema } from '../processes.ts';
import { handleSchema } from './handle.ts';

/** Kept over boots. */
export const recordSchema = z.object({
  promisedTerm: z.int().min(0),
  seenTerm: z.int().min(0),
  /** Of this boot alone: nothing that runs has outlived another. */
  kept: z.object({ boot: z.string(), term: z.int().min(1) }).optional(),
});
/** The stop that is armed, 0 for none, and the watchdog that is to bite when it cannot be carried out. */
export const armedSchema = z.object({ boot: z.string(), untilBootMs: z.number(), watchdog: z.string().optional() });
/** What runs, or did. */
export const runningSchema = z.object({ handles: z.array(handleSchema) });
/** What stops from outside: its process, what it has taken over from {@link armedSchema}, and what it could not. */
export const keeperSchema = z.object({
  keeper: processSchema,
  untilBootMs: z.number(),
  problem: z.string().optional(),
});
/** Kept over boots; the moments are of the boot that is named. */
export const applicationsSchema = z.object({
  boot: z.string(),
  applications: z.record(
    z.string(),
    z.object({
      starts: z.int().min(0),
      startedBootMs: z.number().optional(),
      offline: z.object({ untilWallMs: z.number().optional() }).optional(),
    }),
  ),
});

const SCHEMAS = {
  record: recordSchema,
  armed: armedSchema,
  running: runningSchema,
  keeper: keeperSchema,
  applications: applicationsSchema,
};

type Files = { readonly [Name in keyof typeof SCHEMAS]: z.infer<(typeof SCHEMAS)[Name]> };

export class GuardFiles {
  readonly folder: string;
  /** The end of the write that is under way, by name: each file is written by one process, and here by one at a time. */
  readonly #writes = new Map<string, Promise<void>>();

  /** In a folder that is there and nobody else may write. */
  constructor(folder: string) {
    this.folder = folder;
  }

  /** Undefined where there is none. Errors: DOCUMENT_INVALID, whatever is in it is for a person to look at; UNAVAILABLE. */
  async read<Name extends keyof Files>(name: Name): Promise<Files[Name] | undefined> {
    const path = this.path(name);
    const bytes = await readIfThere(path).catch((error: unknown) => {
      throw new LeewardError('UNAVAILABLE', `${path} cannot be read: ${describeError(error)}`);
    });
    if (bytes === undefined) return undefined;
    const schema: z.ZodType<Files[keyof Files]> = SCHEMAS[name];
    // The schema of a name gives what belongs to it.
    return parseStored(bytes.toString('utf8'), { what: path, schema }) as Files[Name];
  }

  /** On stable storage when it resolves. Errors: UNAVAILABLE, so that a full disk is a trouble of the guard's and not its end. */
  async write<Name extends keyof Files>(name: Name, value: Files[Name]): Promise<void> {
    const path = this.path(name);
    const write = async (): Promise<void> => {
      try {
        await writeDurably(path, `${JSON.stringify(value)}\n`);
      } catch (error) {
        throw new LeewardError('UNAVAILABLE', `${path} cannot be written: see that there is room`, { cause: error });
      }
    };
    const done = (this.#writes.get(name) ?? Promise.resolve()).then(write, write);
    this.#writes.set(name, done);
    await done;
  }

  path(name: keyof Files | 'log' | 'socket'): string {
    const others = { log: 'applications.log', socket: 'guard.sock' };
    return join(this.folder, name === 'log' || name === 'socket' ? others[name] : `${name}.json`);
  }
}
