/**
 * A scenario: what happens to a site over time, as people write it down in order to see what the monitor would make of it
 * (docs/cli.md, "Simulating").
 *
 * Invariant: an event says one thing that changes; what is not said goes on as it was.
 */
import { z } from 'zod';
import { GUARDS_MAX } from '../../documents/group.ts';
import { USUAL_GAP_MS } from '../../documents/monitor.ts';
import { witnessNameSchema, witnessesSchema } from '../../documents/witness.ts';
import { nodeSchema } from '../../kernel/ids.ts';
import { DAY_MS } from '../../kernel/units.ts';
import { HEARTBEAT_NODES_MAX, USUAL_HEARTBEAT_MS } from '../../protocol/heartbeat.ts';
import { USUAL_LEASE_MS } from '../../protocol/lease.ts';
import { marginMs } from '../term/margin.ts';

const EVENTS_MAX = 1000;

const goes = z.enum(['stop', 'go']);
const atMs = z.int().min(0).max(DAY_MS);

const eventSchema = z
  .strictObject({
    atMs: atMs.meta({ description: 'When, from the beginning.' }),
    heartbeats: goes.optional(),
    renewals: goes.optional().meta({ description: "The guards' renewals of the lease." }),
    lease: z.enum(['held', 'none', 'unknown']).optional().meta({ description: 'What heartbeats say of the lease.' }),
    witness: z
      .strictObject({ name: witnessNameSchema, says: z.enum(['up', 'down', 'none', 'nothing']) })
      .optional()
      .meta({ description: 'What a witness says from now on, as often as it speaks.' }),
    canary: z.enum(['fails', 'works']).optional(),
    monitor: z.enum(['sleeps', 'wakes']).optional(),
    answer: z.strictObject({ is: z.enum(['yes', 'no']), by: z.string().min(1).max(60) }).optional(),
    offlineForMs: z.int().min(0).max(DAY_MS).optional().meta({
      description: 'The site says that it is offline on purpose, for this long from now on.',
    }),
    wants: z
      .string()
      .min(1)
      .max(100)
      .optional()
      .meta({ description: 'The site wants the group failed over, for this reason.' }),
    guards: z.array(nodeSchema).max(GUARDS_MAX).optional(),
  })
  .refine((event) => Object.keys(event).length === 2, 'an event says when, and one thing');
export type ScenarioEvent = z.infer<typeof eventSchema>;

export const scenarioSchema = z.strictObject({
  forMs: z.int().min(1000).max(DAY_MS).meta({ description: 'How long it goes on.' }),
  leaseMs: z.int().min(1000).default(USUAL_LEASE_MS),
  marginMs: z.int().min(1).default(marginMs(USUAL_LEASE_MS)),
  keep: z.boolean().default(false),
  heartbeatMs: z.int().min(1000).default(USUAL_HEARTBEAT_MS),
  monitorMs: z.int().min(1000).default(15_000).meta({ description: 'How often the monitor ticks.' }),
  gapMs: z
    .int()
    .min(1000)
    .default(USUAL_GAP_MS)
    .meta({ description: 'A longer gap between ticks starts its watch anew.' }),
  nodes: z.array(nodeSchema).max(HEARTBEAT_NODES_MAX).default(['node-1']),
  guards: z.array(nodeSchema).max(GUARDS_MAX).default(['node-1']),
  witnesses: witnessesSchema.optional(),
  events: z.array(eventSchema).max(EVENTS_MAX),
});
export type Scenario = z.infer<typeof scenarioSchema>;
