/**
 * The heartbeat and its answer (docs/site-protocol.md, "Heartbeat").
 *
 * Invariants: a heartbeat carries the site's own word and changes nothing but that record; its counter only grows, so
 * that a recorded one cannot keep a dead site alive; the answer holds everything that a sender must be told: what was
 * acknowledged, what to send again, where to send, and with which credentials until when.
 */
import { z } from 'zod';
import { DIGEST_FORM } from '../kernel/hash.ts';
import { groupIdSchema, siteIdSchema, volumeIdSchema } from '../kernel/ids.ts';
import { versionSchema } from '../kernel/versions.ts';

const digest = z.string().regex(DIGEST_FORM);
const number = z.int().min(0).max(0xffff_ffff);

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
        }),
      )
      .max(5000)
      .default([]),
    groups: z
      .array(
        z.looseObject({
          group: groupIdSchema,
          term: z.int().min(0).meta({ description: 'Newest term that the site has seen.' }),
          lease: z.enum(['held', 'none']).meta({ description: "The site's own view of its lease." }),
        }),
      )
      .max(500)
      .default([]),
  })
  .meta({ id: 'Heartbeat', description: "Payload of a heartbeat: the site's own word." });

export type Heartbeat = z.infer<typeof heartbeatSchema>;

export const volumeAnswerSchema = z
  .looseObject({
    volume: volumeIdSchema,
    generation: z.int().min(1),
    term: z.int().min(1).meta({ description: 'Term that deltas must name now.' }),
    writable: z.boolean().meta({ description: 'False once the term has ended: keep, do not send.' }),
    acknowledged: z
      .looseObject({ number, digest })
      .meta({ description: "The tip: durable in the cloud up to here; the sender's copies up to it may go." }),
    appliedNumber: number,
    queue: z.enum(['deltas', 'bulk']).meta({ description: 'Which of the queues to use for this volume now.' }),
    entryPrefix: z.string().meta({ description: 'Names of journal entries of this generation begin with this.' }),
    resend: z
      .array(z.looseObject({ number, form: z.string() }))
      .meta({ description: 'Deltas to send again, in a journal entry of this form.' }),
    trouble: z.string().optional().meta({ description: 'Why the volume cannot go on, in words.' }),
  })
  .meta({ id: 'VolumeAnswer' });

export type VolumeAnswer = z.infer<typeof volumeAnswerSchema>;

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
    access: z
      .looseObject({
        queues: z.looseObject({ deltas: z.url(), bulk: z.url() }).meta({ description: 'Messages are added here.' }),
        journal: z.url().meta({ description: 'Journal entries are created in this container.' }),
        expiresAtMs: z.int().meta({ description: 'When the URLs end; any later heartbeat brings new ones.' }),
      })
      .meta({ description: 'URLs with short-lived credentials. Never log them.' }),
    everyMs: z.int().min(1).meta({ description: 'How often the cloud wants to hear from the site.' }),
  })
  .meta({ id: 'HeartbeatAnswer' });

export type HeartbeatAnswer = z.infer<typeof heartbeatAnswerSchema>;
