/**
 * What the agent must not forget, as small documents of its own: each application's attempts, each machine's steps, the marks
 * that people set, the decisions that were made.
 *
 * Invariants: each is checked when it is written and when it is read; one that a newer version wrote, or that is damaged, is
 * left as it is and told: a person looks.
 */
import { z } from 'zod';
import { WALL_MS_MAX } from '../../kernel/clock.ts';
import { checkStored, parseStored } from '../../kernel/json.ts';
import { versionSchema } from '../../kernel/versions.ts';
import type { KeptTexts } from '../../ports/kept-texts.ts';
import { eventSchema } from '../decide/decision.ts';

/** One application, as it was when something last changed. */
export const applicationRecordSchema = z.looseObject({
  version: versionSchema,
  state: z.enum(['running', 'failing', 'failed']),
  attemptsMade: z.int().min(0),
  attemptsAllowed: z.int().min(0),
  /** An attempt was begun, and its end is not known. */
  isRestarting: z.boolean(),
  reason: z.string(),
  /** The guard's count of its starts when they were last looked at. */
  starts: z.int().min(0).optional(),
});
export type ApplicationRecord = z.infer<typeof applicationRecordSchema>;

/** One machine. */
export const machineRecordSchema = z.looseObject({
  version: versionSchema,
  /** Oldest first. */
  events: z.array(eventSchema),
  /** Whether the last event is a time of being well that goes on. */
  isWell: z.boolean(),
  /** What the newest kept decision says, so that the same is not kept again and again; left out where the next one is news. */
  lastKept: z.string().optional(),
  /** The id of that decision. */
  decision: z.string().optional(),
});
export type MachineRecord = z.infer<typeof machineRecordSchema>;

/** A machine, a group or the whole site, taken offline on purpose. */
export const markSchema = z.looseObject({
  version: versionSchema,
  what: z.enum(['machine', 'group', 'site']),
  name: z.string(),
  untilWallMs: z.int().min(0).max(WALL_MS_MAX),
});

/** What is kept under `name`; undefined for nothing. Errors: DOCUMENT_INVALID, VERSION_TOO_NEW. */
export async function readRecord<T>(texts: KeptTexts, name: string, schema: z.ZodType<T>): Promise<T | undefined> {
  const text = await texts.read(name);
  if (text === undefined) return undefined;
  return parseStored(text, { what: inErrors(name), schema, use: 'rewrite' });
}

/** Keeps it. Errors: DOCUMENT_INVALID for what does not fit, and the texts' own. */
export async function writeRecord<T>(texts: KeptTexts, name: string, schema: z.ZodType<T>, value: T): Promise<void> {
  await texts.write(name, `${JSON.stringify(checkStored(value, { what: inErrors(name), schema }))}\n`);
}

function inErrors(name: string): string {
  return `the site's record ${name}`;
}
