/**
 * A decision about a machine, with everything that it was made from, so that it can be replayed and explained.
 *
 * Invariants: what was decided follows from the two histories alone; the size follows the machine's applications and the steps
 * of its window, never the time that has passed.
 */
import { z } from 'zod';
import { groupIdSchema, nodeSchema } from '../../kernel/ids.ts';
import { versionSchema } from '../../kernel/versions.ts';
import { STEPS } from './escalation.ts';
import { MACHINE_POLICIES } from './policies.ts';

export const momentSchema = z.looseObject({ bootId: z.string(), bootMs: z.number(), wallMs: z.number() });

const stepSchema = z.enum(STEPS);

export const eventSchema = z.discriminatedUnion('what', [
  z.looseObject({
    what: z.literal('attempt'),
    step: stepSchema,
    at: momentSchema,
    outcome: z.enum(['pending', 'succeeded', 'failed']),
    /** The decision that it follows. */
    decision: z.string().optional(),
  }),
  z.looseObject({ what: z.literal('well'), since: momentSchema, until: momentSchema }),
]);

const limitSchema = z.looseObject({ countMax: z.number(), windowMs: z.number(), timeoutMs: z.number() });

export const machineDecisionSchema = z.looseObject({
  version: versionSchema,
  decision: z.string(),
  machine: z.string(),
  node: nodeSchema,
  group: groupIdSchema,
  /** Whether anything was to be done, and why. */
  verdict: z.enum(['nothing', 'act']),
  reason: z.string(),
  history: z.looseObject({
    policy: z.enum(MACHINE_POLICIES),
    applications: z.array(
      z.looseObject({
        name: z.string(),
        priority: z.number(),
        state: z.enum(['running', 'failed', 'offline']),
        /** What its monitors found, in words. */
        found: z.string().optional(),
      }),
    ),
    offline: z.array(
      z.looseObject({ what: z.enum(['machine', 'group', 'site']), name: z.string(), untilWallMs: z.number() }),
    ),
    nowWallMs: z.number(),
  }),
  /** What was to be done, where anything was. */
  next: z.enum([...STEPS, 'wait', 'tell-person']).optional(),
  nextReason: z.string().optional(),
  escalation: z.looseObject({
    events: z.array(eventSchema),
    limits: z.looseObject({
      steps: z.looseObject({
        'restart-application': limitSchema,
        'restart-machine': limitSchema,
        'fail-over': limitSchema,
      }),
      lastingMs: z.number(),
    }),
    now: momentSchema,
  }),
});

export type MachineDecision = z.infer<typeof machineDecisionSchema>;
