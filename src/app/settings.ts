/**
 * The settings of the function app, which reads the environment nowhere else. docs/settings.md describes each.
 *
 * Invariant: a wrong or missing setting stops the program with one line that names it; no value of a secret setting is
 * ever part of an error or a log line.
 */
import { z } from 'zod';
import { DELTA_LIMITS } from '../delta/limits.ts';
import type { DeltaLimits } from '../delta/limits.ts';
import { SNAPSHOTS_KEPT_MAX } from '../documents/generation.ts';
import { USUAL_GAP_MS } from '../documents/monitor.ts';
import { personNameSchema } from '../documents/people.ts';
import { LeewardError } from '../kernel/errors.ts';
import { parseJson } from '../kernel/json.ts';
import { DAY_MS, MIB } from '../kernel/units.ts';
import { USUAL_HEARTBEAT_MS, USUAL_JOURNAL_KEPT_MS } from '../protocol/heartbeat.ts';

const text = z.string().min(1);

const milliseconds = (fallback: number, least: number): z.ZodDefault<z.ZodCoercedNumber> =>
  z.coerce.number().int().min(least).default(fallback);

/** A limit for the deltas that are taken in, which can only be lowered. */
const deltaLimit = (name: keyof DeltaLimits, least: number, what: string): z.ZodDefault<z.ZodCoercedNumber> =>
  z.coerce
    .number()
    .int()
    .min(least)
    .max(DELTA_LIMITS[name])
    .default(DELTA_LIMITS[name])
    .meta({ description: `${what} that a delta may have to be taken in (\`${name}\`). It can only be lowered.` });

/** Every setting by its environment variable. A description here is the one in docs/settings.md. */
export const settingsSchema = z
  .object({
    LEEWARD_STORAGE: text.optional().meta({
      description: 'Connection string of the storage account that holds everything; for Azurite and tests.',
      secret: true,
    }),
    LEEWARD_STORAGE__accountName: text.optional().meta({
      description: 'Name of the storage account that holds everything, reached by the identity of the function app.',
    }),
    LEEWARD_STORAGE__blobServiceUri: z.url().optional().meta({
      description: 'Blob endpoint of that account. Default: https://NAME.blob.core.windows.net.',
    }),
    LEEWARD_STORAGE__queueServiceUri: z.url().optional().meta({
      description: 'Queue endpoint of that account. Default: https://NAME.queue.core.windows.net.',
    }),
    LEEWARD_KEY_SECRET: z
      .base64()
      .refine((value) => Buffer.from(value, 'base64').length >= 32, 'must be at least 32 bytes in base64')
      .meta({
        description: "Secret that the sites' and operators' keys are derived from: 32 bytes or more in base64.",
        secret: true,
      }),
    LEEWARD_PUBLIC_URL: z.url().meta({
      description: 'Address of the function app as sites reach it, without /api. The canary takes this route.',
    }),
    LEEWARD_SUBSCRIPTION_ID: text.meta({ description: 'Subscription in which machines are recovered.' }),
    LEEWARD_STORAGE_RESOURCE_GROUP: text.meta({
      description: 'Resource group of the storage accounts; disks are imported from there.',
    }),
    LEEWARD_ARM_ENDPOINT: z.url().default('https://management.azure.com').meta({
      description: 'Azure Resource Manager. Plain HTTP, as of the local stack, is called without a credential.',
    }),
    LEEWARD_MONITOR_SCHEDULE: text.meta({
      description: 'NCRONTAB schedule of the monitor, which decides on failures of sites.',
    }),
    LEEWARD_SWEEP_SCHEDULE: text.meta({
      description: 'NCRONTAB schedule of the sweep, which resumes what no message will.',
    }),
    LEEWARD_UPKEEP_SCHEDULE: text.meta({
      description: 'NCRONTAB schedule of the upkeep, which removes what nobody needs any more.',
    }),
    LEEWARD_NOTIFY_SCHEDULE: text.meta({
      description:
        'NCRONTAB schedule of notify, which sends people what is in the outbox. Not more often than every ten seconds: a webhook may take eight.',
    }),
    LEEWARD_WEBHOOKS: text.default('{}').refine(isWebhooks, 'must be a JSON object of names and addresses').meta({
      description:
        'Webhooks by which people are told and asked, as JSON: `{"NAME": "https://…"}`. The people\'s document has the names.',
      secret: true,
    }),
    LEEWARD_NOTICES_KEPT_MS: milliseconds(30 * DAY_MS, 7 * DAY_MS).meta({
      description:
        'How long notices that were sent, or given up, are kept. The same thing is told anew only after that.',
    }),
    LEEWARD_DECISIONS_KEPT_MS: milliseconds(180 * DAY_MS, 30 * DAY_MS).meta({
      description:
        "How long the monitor's alerts and reports are kept. What a run or a question refers to, and the newest of a group, is never removed.",
    }),
    LEEWARD_MONITOR_GAP_MS: milliseconds(USUAL_GAP_MS, 1000).meta({
      description:
        "A longer gap between two ticks of the monitor starts its watch anew: three of its intervals. A plan's window is at least twice that.",
    }),
    LEEWARD_OBSERVE: text.optional().meta({
      description:
        'What an app in another region looks at: the access files that `leeward witness add` wrote, as a JSON list. The app is then that observer and nothing else.',
      secret: true,
    }),
    LEEWARD_OBSERVE_SCHEDULE: text.optional().meta({
      description: 'NCRONTAB schedule of such an observer, as often as its witnesses are to speak.',
    }),
    LEEWARD_HEARTBEAT_MS: milliseconds(USUAL_HEARTBEAT_MS, 100).meta({
      description: 'How often sites are asked to send a heartbeat.',
    }),
    LEEWARD_ACCESS_MS: milliseconds(3_600_000, 1000).meta({
      description: "Lifetime of the sites' URLs for queues and journal.",
    }),
    LEEWARD_CLAIM_MS: milliseconds(20_000, 100).meta({
      description:
        'How long a worker leaves the claim of another alone before it finishes it. Safety does not hang on it.',
    }),
    LEEWARD_VOLUMES_AT_ONCE: z.coerce.number().int().min(1).default(2).meta({
      description:
        'How many volumes one instance works on at once. Each takes some 50 MiB of memory, 92 at the worst; a page blob takes 60 MiB a second, so that two keep an instance busy.',
    }),
    LEEWARD_JOURNAL_KEPT_MS: milliseconds(USUAL_JOURNAL_KEPT_MS, 60_000).meta({
      description:
        'How long journal entries are kept from when they were put (docs/site-protocol.md, `journalKeptMs`), and generations once nobody needs them.',
    }),
    LEEWARD_ASIDE_KEPT_MS: milliseconds(30 * DAY_MS, 3_600_000).meta({
      description: 'How long what was refused is kept aside.',
    }),
    LEEWARD_SNAPSHOTS_KEPT: z.coerce
      .number()
      .int()
      .min(1)
      .max(SNAPSHOTS_KEPT_MAX)
      .default(24)
      .meta({
        description: `How many recovery points a volume keeps, at most ${SNAPSHOTS_KEPT_MAX}; older ones are removed.`,
      }),
    LEEWARD_DELTA_CONTENT_BYTES_MAX: deltaLimit('contentBytesMax', MIB, 'Literal and referenced bytes'),
    LEEWARD_DELTA_ENCODED_BYTES_MAX: deltaLimit('encodedBytesMax', MIB, 'Bytes as it travels'),
    LEEWARD_DELTA_FRAME_RAW_BYTES_MAX: deltaLimit('frameRawBytesMax', MIB, 'Decompressed bytes of one frame'),
    LEEWARD_DELTA_FRAMES_MAX: deltaLimit('framesMax', 16, 'Frames'),
    LEEWARD_DELTA_EXTENTS_MAX: deltaLimit('extentsMax', 1024, 'Extents'),
    LEEWARD_DELTA_SOURCES_MAX: deltaLimit('sourcesMax', 0, 'Journal entries it refers to'),
    LEEWARD_DELTA_PRIOR_READS_MAX: deltaLimit('priorReadsMax', 0, 'Reads of the state before it'),
    LEEWARD_DELTA_RATIO_MAX: deltaLimit('ratioMax', 1, 'Literal bytes for each of its own bytes'),
    LEEWARD_DELTA_VOLUME_BYTES_MAX: deltaLimit('volumeBytesMax', MIB, 'Bytes of the volume'),
    LEEWARD_DELTA_MARKER_NAME_BYTES_MAX: deltaLimit('markerNameBytesMax', 1, "Bytes of its marker's name"),
    LEEWARD_DELTA_PROPERTIES_BYTES_MAX: deltaLimit('propertiesBytesMax', 2, "Bytes of the volume's properties"),
  })
  .refine(
    (settings) => (settings.LEEWARD_STORAGE === undefined) !== (settings.LEEWARD_STORAGE__accountName === undefined),
    {
      message: 'set exactly one of LEEWARD_STORAGE and LEEWARD_STORAGE__accountName',
      path: ['LEEWARD_STORAGE'],
    },
  );

export type Settings = z.infer<typeof settingsSchema>;

/** The settings of this process. Throws USAGE naming the first that is wrong; never its value. */
export function readSettings(environment: Readonly<Record<string, string | undefined>> = process.env): Settings {
  const parsed = settingsSchema.safeParse(environment);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const name = issue?.path.join('.') ?? '';
  const isMissing = issue?.code === 'invalid_type' && environment[name] === undefined;
  const what = isMissing ? 'is not set' : (issue?.message ?? 'wrong');
  throw new LeewardError('USAGE', `setting ${name}: ${what}; docs/settings.md describes it`);
}

const webhooksSchema = z.record(personNameSchema, z.url({ protocol: /^https?$/ }));

function isWebhooks(value: string): boolean {
  return parsedWebhooks(value) !== undefined;
}

function parsedWebhooks(value: string): Readonly<Record<string, string>> | undefined {
  return webhooksSchema.safeParse(parseJson(value)).data;
}

/** Addresses of webhooks by their names. They are secrets. */
export function webhooksOf(settings: Settings): ReadonlyMap<string, string> {
  return new Map(Object.entries(parsedWebhooks(settings.LEEWARD_WEBHOOKS) ?? {}));
}

/** The limits for deltas that are taken in. */
export function deltaLimits(settings: Settings): DeltaLimits {
  return {
    contentBytesMax: settings.LEEWARD_DELTA_CONTENT_BYTES_MAX,
    encodedBytesMax: settings.LEEWARD_DELTA_ENCODED_BYTES_MAX,
    frameRawBytesMax: settings.LEEWARD_DELTA_FRAME_RAW_BYTES_MAX,
    framesMax: settings.LEEWARD_DELTA_FRAMES_MAX,
    extentsMax: settings.LEEWARD_DELTA_EXTENTS_MAX,
    sourcesMax: settings.LEEWARD_DELTA_SOURCES_MAX,
    priorReadsMax: settings.LEEWARD_DELTA_PRIOR_READS_MAX,
    ratioMax: settings.LEEWARD_DELTA_RATIO_MAX,
    volumeBytesMax: settings.LEEWARD_DELTA_VOLUME_BYTES_MAX,
    markerNameBytesMax: settings.LEEWARD_DELTA_MARKER_NAME_BYTES_MAX,
    propertiesBytesMax: settings.LEEWARD_DELTA_PROPERTIES_BYTES_MAX,
  };
}

/** What this process is to look at, if it is an observer and nothing else; a secret. */
export function observedText(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): string | undefined {
  return environment['LEEWARD_OBSERVE'];
}

/** Whether this process was given settings at all: the command uses the local stack where it was not. */
export function hasSettings(environment: Readonly<Record<string, string | undefined>> = process.env): boolean {
  return environment['LEEWARD_KEY_SECRET'] !== undefined;
}
