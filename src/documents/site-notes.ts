/**
 * What the monitor remembers of a site between two ticks.
 *
 * Invariant: its size follows the witnesses and groups that are configured, never the time that has passed; it holds nothing
 * that a tick needs in order to be right, only what it cannot see for itself: what its own probes found before, how long
 * nobody has watched, and what was carried out already.
 */
import { z } from 'zod';
import { groupIdSchema, siteIdSchema } from '../kernel/ids.ts';
import { versionSchema } from '../kernel/versions.ts';
import { HEARTBEAT_APPLICATIONS_MAX, HEARTBEAT_MACHINES_MAX } from '../protocol/heartbeat.ts';
import type { DocumentKind } from './store.ts';
import { GROUPS_MAX, WITNESSES_MAX, spokenSchema, timeMsSchema } from './witness.ts';

export const siteNotesSchema = z.looseObject({
  version: versionSchema,
  site: siteIdSchema,
  /** Of the probes: what they found. */
  probes: z.array(z.looseObject({ name: z.string(), spoken: spokenSchema })).max(WITNESSES_MAX),
  groups: z
    .array(
      z.looseObject({
        group: groupIdSchema,
        /**
         * Not after the last tick at which the monitor had been awake for this group's whole window; at first, the first tick.
         */
        watchedMs: timeMsSchema,
        /** The newest decision of which everything that follows from it was done; null before the first. */
        done: z.string().nullable(),
      }),
    )
    .max(GROUPS_MAX),
  /** What the site says of itself that people are told once, as long as it goes on (src/health/monitor/site-words.ts). */
  words: z
    .array(z.looseObject({ about: z.string(), sinceMs: timeMsSchema, isTold: z.boolean() }))
    .max(HEARTBEAT_APPLICATIONS_MAX + HEARTBEAT_MACHINES_MAX)
    .default([]),
});
export type SiteNotes = z.infer<typeof siteNotesSchema>;
export const siteNotesKind: DocumentKind<SiteNotes> = { what: 'notes of a site', schema: siteNotesSchema };
