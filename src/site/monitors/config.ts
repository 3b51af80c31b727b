/**
 * What people write about one application's monitors, as part of the site's configuration file.
 *
 * Invariants: an unknown word is refused, never passed over; all that is wrong is told at once; what comes out of the schema
 * is an {@link ApplicationPlan} but for its name, with nothing left to default.
 */
import { z } from 'zod';
import { nameSchema } from '../../kernel/ids.ts';
import type { Check } from '../../ports/probe.ts';
import type { ApplicationPlan } from './application.ts';
import type { MonitorPlan } from './monitor.ts';

/** A day: what is looked at less often is no monitor. */
const LONGEST_MS = 86_400_000;
/** The longest text of one option. */
const TEXT_MAX = 4096;

const text = z.string().min(1).max(TEXT_MAX);
const file = text.startsWith('/', 'must be an absolute path');
const port = z.int().min(1).max(65_535);
/** No value that libpq or a resolver would read as anything else but a host. */
const host = text.regex(/^[^\s,]+$/, 'must be one host');
const pattern = text.superRefine((source, context) => {
  try {
    new RegExp(source);
  } catch (error) {
    const message = `is no regular expression: ${error instanceof Error ? error.message : source}`;
    context.addIssue({ code: 'custom', message });
  }
});
const httpUrl = z.url({ protocol: /^https?$/, error: 'must be an http or https URL' }).refine(
  (url) => {
    const { username, password } = new URL(url);
    return username === '' && password === '';
  },
  { error: 'must hold no user and no password', when: ({ value }) => typeof value === 'string' && URL.canParse(value) },
);
const expectValue = z.string().max(TEXT_MAX).optional().meta({
  description: 'What the first column of the first row must be, as text. Without it, any row is well.',
});

const common = {
  name: nameSchema.meta({ description: 'Name of the monitor, one of a kind within its application.' }),
  intervalMs: z
    .int()
    .min(100)
    .max(LONGEST_MS)
    .default(10_000)
    .meta({ description: 'From the beginning of one check to the beginning of the next.' }),
  timeoutMs: z
    .int()
    .min(50)
    .max(LONGEST_MS)
    .default(5000)
    .meta({ description: 'A check that takes longer has failed; at most the interval.' }),
  failures: z.int().min(1).max(1000).default(3).meta({ description: 'So many failures in a row make it failed.' }),
  successes: z
    .int()
    .min(1)
    .max(1000)
    .default(1)
    .meta({ description: 'So many successes in a row make it well again.' }),
  keptResults: z
    .int()
    .min(1)
    .max(10_000)
    .default(720)
    .meta({ description: 'How many results are kept for the decision on performance.' }),
};

/** A time-out above the interval would have a monitor skip its turns. Told beside everything else that is wrong. */
const timeoutFits = {
  path: ['timeoutMs'],
  error: 'must be at most intervalMs',
  when: ({ value }: { value: unknown }) => timesSchema.safeParse(value).success,
};
const timesSchema = z.looseObject({ intervalMs: z.int(), timeoutMs: z.int() });
const doesTimeoutFit = (times: { timeoutMs: number; intervalMs: number }): boolean =>
  times.timeoutMs <= times.intervalMs;

const kinds = z.discriminatedUnion('kind', [
  z
    .strictObject({
      ...common,
      kind: z.literal('process'),
      pidFile: file.optional(),
      commandPattern: pattern.optional(),
    })
    .refine(doesTimeoutFit, timeoutFits)
    .refine((of) => of.pidFile !== undefined || of.commandPattern !== undefined, {
      path: ['pidFile'],
      error: 'give pidFile, commandPattern or both',
      when: () => true,
    }),
  z
    .strictObject({
      ...common,
      kind: z.literal('unit'),
      unit: z.string().regex(/^[\w:.@\\-]{1,255}$/, 'must be the name of a systemd unit'),
    })
    .refine(doesTimeoutFit, timeoutFits),
  z.strictObject({ ...common, kind: z.literal('tcp'), host, port }).refine(doesTimeoutFit, timeoutFits),
  z
    .strictObject({
      ...common,
      kind: z.literal('http'),
      url: httpUrl,
      expectStatus: z.array(z.int().min(100).max(599)).min(1).max(20).default([200]),
      expectText: text.optional(),
    })
    .refine(doesTimeoutFit, timeoutFits),
  z
    .strictObject({
      ...common,
      kind: z.literal('postgresql'),
      host,
      port: port.default(5432),
      user: text,
      database: text,
      passwordFile: file.optional(),
      query: text,
      expectValue,
    })
    .refine(doesTimeoutFit, timeoutFits),
  z
    .strictObject({ ...common, kind: z.literal('sqlite'), file, query: text, expectValue })
    .refine(doesTimeoutFit, timeoutFits),
  z
    .strictObject({
      ...common,
      kind: z.literal('command'),
      command: file,
      args: z.array(z.string().max(TEXT_MAX)).max(100).default([]),
      expectExitCode: z.int().min(0).max(255).default(0),
      expectText: text.optional(),
    })
    .refine(doesTimeoutFit, timeoutFits),
]);

const restartsSchema = z
  .strictObject({
    attempts: z
      .int()
      .min(0)
      .max(100)
      .default(2)
      .meta({ description: 'Restarts that are made before the application is reported as failed.' }),
    timeoutMs: z.int().min(1000).max(LONGEST_MS).default(120_000).meta({ description: 'For one restart.' }),
    startMs: z
      .int()
      .min(0)
      .max(LONGEST_MS)
      .default(30_000)
      .meta({ description: 'How long after a start failures are those of an application that is still starting.' }),
    steadyMs: z
      .int()
      .min(0)
      .max(LONGEST_MS)
      .default(600_000)
      .meta({ description: 'After being well for so long without a break, earlier attempts are forgotten.' }),
  })
  .prefault({});

/** The names that more than one of `monitors` has; whatever else is wrong with them is told elsewhere. */
function twice(monitors: unknown): string[] {
  const named = z.array(z.looseObject({ name: z.string() }).catch({ name: '' })).safeParse(monitors).data ?? [];
  const names = named.map((monitor) => monitor.name).filter((name) => name !== '');
  return [...new Set(names.filter((name, index) => names.indexOf(name) !== index))];
}

/** One application's monitors: `monitors` and `restarts`. */
export const monitoringSchema = z.strictObject({
  monitors: z
    .array(kinds)
    .min(1)
    .max(50)
    .refine((monitors) => twice(monitors).length === 0, {
      error: ({ input }) => `several monitors have one name: ${twice(input).join(', ')}`,
      when: ({ value }) => Array.isArray(value),
    }),
  restarts: restartsSchema,
});

export type Monitoring = z.infer<typeof monitoringSchema>;

/** What the engine runs of it for the application called `application`. */
export function applicationPlan(application: string, { monitors, restarts }: Monitoring): ApplicationPlan {
  return { name: application, monitors: monitors.map(monitorPlan), restarts };
}

function monitorPlan(of: Monitoring['monitors'][number]): MonitorPlan {
  const { name, intervalMs, timeoutMs, failures, successes, keptResults, ...check } = of;
  const plain: Check = check;
  return { name, check: plain, intervalMs, timeoutMs, thresholds: { failures, successes }, keptResults };
}
