/**
 * How much was refused at the doors that anybody can knock at, for an administrator to see.
 *
 * Invariant: counts by door and code, both of few kinds: its size does not follow what is sent.
 */
import { z } from 'zod';
import { versionSchema } from '../kernel/versions.ts';
import type { DocumentKind } from './store.ts';

export const DOORS = ['heartbeat', 'lease', 'stopped', 'witness'] as const;
export type Door = (typeof DOORS)[number];

const countsSchema = z.record(z.string(), z.int().min(0));
export const refusalsSchema = z.looseObject({
  version: versionSchema,
  /** By door, then by the error's code. */
  counts: z.partialRecord(z.enum(DOORS), countsSchema),
});
export type Refusals = z.infer<typeof refusalsSchema>;
export const refusalsKind: DocumentKind<Refusals> = { what: 'count of refusals', schema: refusalsSchema };
