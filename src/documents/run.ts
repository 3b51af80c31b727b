/**
 * A failover run: the saga's record, readable while it runs.
 *
 * Invariants: only the message with the run's newest ticket moves it on; a step is recorded as ended only after its work
 * was seen done; names of cloud resources derive from the run, so that a repeated step meets its own work.
 */
import { z } from 'zod';
import { groupIdSchema, volumeIdSchema } from '../kernel/ids.ts';
import { blobPlaceSchema } from '../kernel/places.ts';
import { versionSchema } from '../kernel/versions.ts';
import { actorSchema } from './actor.ts';
import type { DocumentKind } from './store.ts';

/** The steps of a run, in the design's order. */
export const RUN_STEPS = ['reserve', 'close', 'wait', 'end', 'drain', 'point', 'disk', 'machine', 'health'] as const;
export type RunStep = (typeof RUN_STEPS)[number];

/** A volume's part in a run: the point that is started from. */
const runVolumeSchema = z.looseObject({
  volume: volumeIdSchema,
  generation: z.int().min(1),
  marker: z.string(),
  number: z.int().min(0),
  takenAtMs: z.int(),
  snapshot: blobPlaceSchema.extend({ snapshot: z.string() }),
  /** The copy that the disk is imported from. */
  copy: blobPlaceSchema,
});
export type RunVolume = z.infer<typeof runVolumeSchema>;

export const runSchema = z.looseObject({
  version: versionSchema,
  run: z.string(),
  group: groupIdSchema,
  kind: z.enum(['unplanned']),
  actor: actorSchema,
  reason: z.string(),
  state: z.enum(['running', 'done', 'failed']),
  /** The step that is next, or was last. */
  step: z.enum(RUN_STEPS),
  ticket: z.int().min(0),
  /** When the ticket's message is expected to have been worked on, on the service's clock. */
  ticketDueMs: z.int(),
  startedAtMs: z.int(),
  endedAtMs: z.int().nullable(),
  steps: z.array(
    z.looseObject({
      step: z.enum(RUN_STEPS),
      startedAtMs: z.int(),
      endedAtMs: z.int().nullable(),
      attempts: z.int().min(1),
      detail: z.string(),
    }),
  ),
  volumes: z.array(runVolumeSchema),
  /** Long operations under way: name of the resource → the platform's token. */
  operations: z.record(z.string(), z.string()),
  /** What the run made, for people and for the clean-up. */
  machines: z.array(
    z.looseObject({
      name: z.string(),
      address: z.string(),
      healthUrl: z.url(),
      tags: z.record(z.string(), z.string()),
    }),
  ),
  failure: z.looseObject({ code: z.string(), message: z.string() }).nullable(),
});
export type RunDocument = z.infer<typeof runSchema>;
export const runKind: DocumentKind<RunDocument> = {
  what: 'run',
  schema: runSchema,
  labels: (run) => ({ state: run.state }),
};
