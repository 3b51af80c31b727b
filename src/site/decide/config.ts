/**
 * What people write about a machine, and about what is good enough of an application, as parts of the site's configuration
 * file.
 *
 * Invariants: an unknown word is refused, never passed over; what comes out of a schema is what the decisions take, with
 * nothing left to default.
 */
import { z } from 'zod';
import { nodeSchema } from '../../kernel/ids.ts';
import { DAY_MS } from '../../kernel/units.ts';
import type { EscalationLimits, Step, StepLimit } from './escalation.ts';
import { MACHINE_POLICIES } from './policies.ts';

/** A week: what happened before says nothing of today. */
const WINDOW_MS_MAX = 7 * DAY_MS;
const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
/** Steps of one kind within a window: more would not be a limit. */
const COUNT_MAX = 100;

/** What is usual of each step. */
const USUAL: Readonly<Record<Step, StepLimit>> = {
  'restart-application': { countMax: 1, windowMs: HOUR_MS, timeoutMs: 5 * MINUTE_MS },
  'restart-machine': { countMax: 1, windowMs: 6 * HOUR_MS, timeoutMs: 10 * MINUTE_MS },
  'fail-over': { countMax: 1, windowMs: 24 * HOUR_MS, timeoutMs: 30 * MINUTE_MS },
};

const windowMs = z.int().min(1000).max(WINDOW_MS_MAX);

function stepSchema(usual: StepLimit) {
  return z
    .strictObject({
      countMax: z.int().min(0).max(COUNT_MAX).default(usual.countMax).meta({
        description: 'How often it may be taken within the window; 0 leaves it out.',
      }),
      windowMs: windowMs.default(usual.windowMs),
      timeoutMs: windowMs
        .default(usual.timeoutMs)
        .meta({ description: 'When an attempt that did not help by then counts as failed.' }),
    })
    .prefault({});
}

export const machineSchema = z.strictObject({
  node: nodeSchema,
  policy: z.enum(MACHINE_POLICIES).default('failed-against-running').meta({
    description: 'Whether something is done about it, by the weight of its applications.',
  }),
  steps: z
    .strictObject({
      'restart-application': stepSchema(USUAL['restart-application']),
      'restart-machine': stepSchema(USUAL['restart-machine']),
      'fail-over': stepSchema(USUAL['fail-over']),
    })
    .prefault({})
    .meta({ description: 'What is done, mildest first, with a limit for each.' }),
  lastingMs: windowMs
    .default(30 * MINUTE_MS)
    .meta({ description: 'After being well for so long, no step that was taken counts any more.' }),
  control: z
    .strictObject({
      qmp: z.string().startsWith('/').max(4096).meta({ description: "The socket of QEMU's control of the machine." }),
    })
    .optional()
    .meta({ description: 'How it is restarted in place. Without one that step is left out.' }),
});

export type MachineConfig = z.infer<typeof machineSchema>;

/** The machine that a node is where nothing is said of one. */
export function usualMachine(node: string): MachineConfig {
  return machineSchema.parse({ node });
}

/** The limits of its escalation: what nothing here can do is left out. */
export function limitsOf({ steps, lastingMs, control }: MachineConfig): EscalationLimits {
  const inPlace = steps['restart-machine'];
  return {
    steps: { ...steps, 'restart-machine': control === undefined ? { ...inPlace, countMax: 0 } : inPlace },
    lastingMs,
  };
}

/** Samples that the longest time of being poor may have. */
export const PERFORMANCE_SAMPLES_MAX = 5000;

export const performanceSchema = z
  .strictObject({
    responseMsMax: z.number().positive().max(DAY_MS).meta({ description: 'A slower answer is poor.' }),
    correctnessMin: z
      .number()
      .min(0)
      .max(1)
      .default(0.9)
      .meta({ description: 'A smaller share of right answers is poor.' }),
    everyMs: z
      .int()
      .min(1000)
      .max(3_600_000)
      .default(30_000)
      .meta({ description: 'What the monitors found in this time is one sample.' }),
    poorForMs: windowMs.default(10 * MINUTE_MS).meta({ description: 'Poor for so long without a break counts.' }),
    gapMsMax: windowMs.default(2 * MINUTE_MS).meta({ description: 'A longer time without a sample is a break.' }),
  })
  .refine(({ everyMs, gapMsMax }) => gapMsMax >= everyMs, { path: ['gapMsMax'], error: 'must be at least everyMs' })
  .refine(({ everyMs, poorForMs }) => poorForMs <= everyMs * PERFORMANCE_SAMPLES_MAX, {
    path: ['poorForMs'],
    error: `must be at most ${PERFORMANCE_SAMPLES_MAX} times everyMs`,
  });

export type PerformanceConfig = z.infer<typeof performanceSchema>;
