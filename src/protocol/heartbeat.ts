/**
 * The heartbeat and its answer (docs/site-protocol.md, "Heartbeat").
 *
 * Invariants: a heartbeat carries the site's own word, and changes nothing but the record of it and what it asks for; its
 * counter only grows, so that a recorded one cannot keep a dead site alive; the answer holds everything that a sender must be
 * told: what was acknowledged, what to send again, where to send, and with which credentials until when.
 */
import { z } from 'zod';
import { chainPointSchema } from '../kernel/chain-point.ts';
import { WALL_MS_MAX } from '../kernel/clock.ts';
import { groupIdSchema, nameSchema, nodeSchema, siteIdSchema, volumeIdSchema } from '../kernel/ids.ts';
import { cut } from '../kernel/in-words.ts';
import { DAY_MS, PAGE_BYTES } from '../kernel/units.ts';
import { versionSchema } from '../kernel/versions.ts';
import { sourceSchema } from './source.ts';
import { STOP_MS_MAX } from './stop-times.ts';

const { number, digest } = chainPointSchema.shape;

/** Applications of one site, over all of its groups: a heartbeat has to stay below the size that is read. */
export const HEARTBEAT_APPLICATIONS_MAX = 1000;
export const HEARTBEAT_GROUPS_MAX = 500;
export const HEARTBEAT_MACHINES_MAX = 500;
/** Nodes of one group. */
export const HEARTBEAT_NODES_MAX = 16;

/** How long a word that something is offline on purpose counts after the heartbeat that said so: 30 days. */
export const OFFLINE_MS_MAX = 30 * DAY_MS;

/** How often a site is asked for heartbeats where nothing else is said. */
export const USUAL_HEARTBEAT_MS = 15_000;
/** How long a journal entry is kept where nothing else is said. */
export const USUAL_JOURNAL_KEPT_MS = 7 * DAY_MS;

/** A time that people or the site's own clock set, in milliseconds since 1970. */
const wallMs = z.int().min(0).max(WALL_MS_MAX);
const ms = z.number().min(0).max(WALL_MS_MAX);
/** Characters of what a heartbeat says in words. */
export const HEARTBEAT_WORDS_MAX = 200;
/** One line. */
const words = z
  .string()
  .max(HEARTBEAT_WORDS_MAX)
  .regex(/^\P{Cc}*$/u);

const applicationWordSchema = z.looseObject({
  name: nameSchema,
  node: nodeSchema.meta({ description: 'Where it runs, or would.' }),
  priority: z.number().positive(),
  state: z.enum(['running', 'failing', 'failed', 'offline', 'stopped']).meta({
    description:
      '`failing`: restarts are still tried; `failed`: they are used up; `offline`: on purpose; `stopped`: no lease.',
  }),
  attemptsMade: z.int().min(0).optional().meta({ description: 'Restarts that were made and are not forgotten.' }),
  responseMs: ms.optional().meta({ description: 'How long its slowest monitor took last.' }),
  reason: words.optional().meta({ description: 'What its monitors found, in words.' }),
  poor: words.optional().meta({
    description: 'It runs, and performs poorly where it does, for long enough to count: why, in words.',
  }),
  offlineUntilMs: wallMs.optional(),
});

const machineWordSchema = z.looseObject({
  name: nameSchema,
  node: nodeSchema,
  offlineUntilMs: wallMs.optional(),
  trouble: words.optional().meta({
    description: 'Something is to be done about it and nothing is left that the site can try: a person is needed.',
  }),
  loadPerCore: ms.optional(),
  memoryPressure: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .meta({ description: 'Share of time that work waited for memory.' }),
  ioPressure: z.number().min(0).max(1).optional().meta({ description: 'Share of time that work waited for disks.' }),
});

export const offlineWordSchema = z.looseObject({
  what: z.enum(['site', 'group', 'machine']),
  name: nameSchema.optional().meta({ description: 'Of the group or the machine.' }),
  untilMs: wallMs,
});

/** One thing above the single application that is offline on purpose. */
export type OfflineWord = z.infer<typeof offlineWordSchema>;

export const heartbeatSchema = z
  .looseObject({
    counter: z
      .int()
      .min(1)
      .meta({ description: 'Grows with every heartbeat of the site; milliseconds since 1970 serve.' }),
    volumes: z
      .array(
        z.looseObject({
          volume: volumeIdSchema,
          generation: z.int().min(1),
          stored: number.meta({ description: 'Newest delta that the site has stored; 0 for none.' }),
          waitingBytes: z.int().min(0).meta({ description: 'Bytes stored and not acknowledged.' }),
          lagMs: ms.optional().meta({ description: 'Age of the newest state that the cloud has acknowledged.' }),
          direct: z.boolean().optional().meta({
            description: 'The site can write raw pages into an upload of its own, and wants to make the first copy so.',
          }),
          volumeBytes: z
            .int()
            .min(0)
            .multipleOf(PAGE_BYTES)
            .optional()
            .meta({ description: 'Size of the volume now. Needed beside `direct` and `wants`.' }),
          repaired: z
            .string()
            .regex(/^[\w.:/-]{1,200}$/)
            .optional()
            .meta({
              description: 'The `id` of a repair whose ranges the site will send, whatever happens from now on.',
            }),
          lost: number.optional().meta({
            description: 'A delta that `resend` asks for and that the site cannot give.',
          }),
          wants: z.enum(['generation']).optional().meta({
            description: 'The site has lost what it needs to go on in this generation, and asks for another.',
          }),
        }),
      )
      .max(5000)
      .default([]),
    groups: z
      .array(
        z.looseObject({
          group: groupIdSchema,
          term: z.int().min(0).meta({ description: 'Newest term that the site has seen.' }),
          lease: z.enum(['held', 'none', 'unknown']).meta({
            description: "The site's own view of its lease; `unknown` where no guard of the group could be asked.",
          }),
          nodes: z.array(nodeSchema).max(HEARTBEAT_NODES_MAX).optional().meta({
            description: 'Nodes that its applications can run on: automatic failover needs a guard on each.',
          }),
          stopMs: z.int().min(0).max(STOP_MS_MAX).optional().meta({
            description: 'How long its guards let the applications take to stop in order.',
          }),
          killMs: z.int().min(0).max(STOP_MS_MAX).optional().meta({
            description: 'How long killing what is left may take after that.',
          }),
          applications: z.array(applicationWordSchema).max(HEARTBEAT_APPLICATIONS_MAX).optional(),
          offlineUntilMs: wallMs.optional().meta({ description: 'The group was taken offline on purpose until then.' }),
          wants: z
            .looseObject({
              decision: z.string().regex(/^[\w.:-]{1,100}$/),
              reason: words,
            })
            .optional()
            .meta({ description: 'The site wants the group failed over, by a decision of its own about a machine.' }),
        }),
      )
      .max(HEARTBEAT_GROUPS_MAX)
      .optional()
      .meta({
        description:
          'Left out where whoever sends it has not looked at what runs there: what the one before said of that still stands.',
      }),
    machines: z.array(machineWordSchema).max(HEARTBEAT_MACHINES_MAX).optional(),
    offlineUntilMs: wallMs.optional().meta({ description: 'The whole site was taken offline on purpose until then.' }),
    offline: z
      .array(offlineWordSchema)
      .max(1 + HEARTBEAT_GROUPS_MAX + HEARTBEAT_MACHINES_MAX)
      .optional()
      .meta({
        description:
          'Every site, group and machine that is offline on purpose: it takes the place of whatever else was said of that, in this heartbeat or before.',
      }),
    sources: z.array(sourceSchema).max(500).optional().meta({
      description: 'Disks by their own names, to be told which volumes they are by the rules of the site.',
    }),
  })
  .refine(
    ({ groups = [] }) =>
      groups.reduce((sum, { applications = [] }) => sum + applications.length, 0) <= HEARTBEAT_APPLICATIONS_MAX,
    {
      message: `more than ${HEARTBEAT_APPLICATIONS_MAX} applications in all`,
      path: ['groups'],
    },
  )
  .meta({ id: 'Heartbeat', description: "Payload of a heartbeat: the site's own word." });

export type Heartbeat = z.infer<typeof heartbeatSchema>;

/** What a heartbeat says of what runs at the site. */
export type SiteWord = Pick<Heartbeat, 'groups' | 'machines' | 'offlineUntilMs' | 'offline'>;

/** What it says of one group. */
export type GroupWord = NonNullable<Heartbeat['groups']>[number];

/** `text` as a heartbeat takes words: one line, and no longer than that. */
export function heartbeatWords(text: string): string {
  return cut(text.replaceAll(/[\s\p{Cc}]+/gu, ' '), HEARTBEAT_WORDS_MAX);
}

export const volumeAnswerSchema = z
  .looseObject({
    volume: volumeIdSchema,
    generation: z.int().min(1),
    term: z.int().min(1).meta({ description: 'Term that deltas must name now.' }),
    writable: z
      .boolean()
      .meta({ description: 'False once the term has ended: keep everything, and send only what `resend` asks for.' }),
    acknowledged: z.looseObject({ number, digest }).meta({
      description: 'The tip: durable in the cloud up to here. The sender keeps its copies until they are applied.',
    }),
    appliedNumber: number,
    queue: z.enum(['deltas', 'bulk']).meta({ description: 'Which of the queues to use for this volume now.' }),
    entryPrefix: z.string().meta({ description: 'Names of journal entries of this generation begin with this.' }),
    resend: z
      .array(z.looseObject({ number, form: z.string() }))
      .meta({ description: 'Deltas to send again, in a journal entry of this form.' }),
    trouble: z.string().optional().meta({ description: 'Why the volume cannot go on, in words.' }),
    base: z
      .looseObject({
        from: z.enum(['upload', 'point']).meta({ description: 'Raw pages of the site, or an earlier recovery point.' }),
        phase: z.enum(['open', 'copying', 'comparing', 'ready']),
        listed: z.boolean().meta({ description: 'Whether the range list of number 0 has come.' }),
        uploadUrl: z.url().optional().meta({
          description: 'While it is open: the page blob that raw pages are written to. Missing until there is one.',
        }),
        volumeBytes: z.int().min(0).optional().meta({
          description:
            'Beside `uploadUrl`: how much of the volume is to be written there. What is behind goes with delta 1.',
        }),
        expiresAtMs: z.int().optional().meta({ description: 'When that URL ends; any later answer brings a new one.' }),
        digest: digest.optional().meta({ description: 'Once it is ready: what delta 1 names as its predecessor.' }),
      })
      .optional()
      .meta({ description: 'What the generation begins from, where that is not zeros.' }),
    repair: z
      .looseObject({
        id: z.string(),
        ranges: z.array(z.looseObject({ offset: z.int().min(0), lengthBytes: z.int().min(1) })),
      })
      .optional()
      .meta({ description: 'Ranges to send literally with the next delta, whatever the sender believes of them.' }),
    verify: z.boolean().optional().meta({ description: 'A range list of a state with a marker is wanted soon.' }),
  })
  .meta({ id: 'VolumeAnswer' });

export type VolumeAnswer = z.infer<typeof volumeAnswerSchema>;

const limit = z.int().min(0).optional();

/** Named as in docs/delta-format.md, "Limits". */
const limitsSchema = z.looseObject({
  contentBytesMax: limit,
  encodedBytesMax: limit,
  frameRawBytesMax: limit,
  framesMax: limit,
  extentsMax: limit,
  sourcesMax: limit,
  priorReadsMax: limit,
  ratioMax: limit,
  volumeBytesMax: limit,
  markerNameBytesMax: limit,
  propertiesBytesMax: limit,
});

export const heartbeatAnswerSchema = z
  .looseObject({
    version: versionSchema,
    site: siteIdSchema,
    volumes: z.array(volumeAnswerSchema),
    groups: z.array(
      z.looseObject({
        group: groupIdSchema,
        term: z.int().min(1),
        phase: z.enum(['open', 'closing', 'ended']),
        holder: z.enum(['site', 'cloud']).meta({ description: 'Who has the term.' }),
      }),
    ),
    sources: z
      .array(z.looseObject({ source: sourceSchema, volume: volumeIdSchema.optional(), reason: z.string().optional() }))
      .optional()
      .meta({ description: 'Which volume each source is, with what is wrong if anything; or why it is none.' }),
    access: z
      .looseObject({
        queues: z.looseObject({ deltas: z.url(), bulk: z.url() }).meta({ description: 'Messages are added here.' }),
        journal: z.url().meta({ description: 'Journal entries are created in this container.' }),
        expiresAtMs: z.int().meta({ description: 'When the URLs end; any later heartbeat brings new ones.' }),
      })
      .meta({ description: 'URLs with short-lived credentials. Never log them.' }),
    everyMs: z.int().min(1).meta({ description: 'How often the cloud wants to hear from the site.' }),
    journalKeptMs: z.int().min(1).optional().meta({
      description:
        'How long a journal entry is kept from when it was put, so that deltas may refer to it: docs/site-protocol.md.',
    }),
    limits: limitsSchema.optional().meta({
      description: "How large a delta may be that the cloud takes, never more than the format's own limits.",
    }),
  })
  .meta({ id: 'HeartbeatAnswer' });

export type HeartbeatAnswer = z.infer<typeof heartbeatAnswerSchema>;
