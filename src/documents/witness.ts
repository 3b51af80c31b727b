/**
 * The witnesses of a site, and what they last said.
 *
 * Invariants: what is kept of a witness is one run of one verdict and three times, so that a year's history costs what a
 * day's does; all times are the service's own, never a witness's; a site has exactly one heartbeat witness, for its own word
 * is always one.
 */
import { z } from 'zod';
import { WALL_MS_MAX } from '../kernel/clock.ts';
import { siteIdSchema } from '../kernel/ids.ts';
import { versionSchema } from '../kernel/versions.ts';
import type { DocumentKind } from './store.ts';

/** Witnesses of one site. */
export const WITNESSES_MAX = 16;
/** Groups of one site: as many as a heartbeat names. */
export const GROUPS_MAX = 500;

/** The service's times have whole seconds: more often than that says nothing more. */
export const WITNESS_EVERY_MS_MIN = 1000;

/** A time on the service's clock, in milliseconds since 1970. */
export const timeMsSchema = z.int().min(0).max(WALL_MS_MAX);

/** A witness's name: its key is `witness-` and that. */
export const witnessNameSchema = z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,22}[a-z0-9])?$/);

export const witnessSchema = z
  .looseObject({
    /** Names its record: one that is to look at something else is given another name. */
    name: witnessNameSchema,
    /**
     * `heartbeat`: the site's own word, with the canary over the same route; `probe`: asks a public endpoint of the site from
     * the monitor's cloud; `observer`: posts what it sees; `region`: the same, asked by another region's function.
     */
    kind: z.enum(['heartbeat', 'probe', 'observer', 'region']),
    /** What fails together with it: a region, a provider, a line. Witnesses with the same text count once. */
    domain: z.string().regex(/^[\w.:/-](?:[\w.:/ -]{0,38}[\w.:/-])?$/),
    /** How often it speaks. Three times that without a word is no vote, and ends what it said before. */
    everyMs: z.int().min(WITNESS_EVERY_MS_MIN).max(3_600_000),
    /** What a probe or another region asks. */
    url: z.url({ protocol: /^https?$/ }).optional(),
  })
  .refine(({ kind, url }) => (kind === 'probe' || kind === 'region') === (url !== undefined), {
    message: 'a probe and a region have a URL to ask, and no other witness has',
    path: ['url'],
  });
export type Witness = z.infer<typeof witnessSchema>;

/** Whether it says by itself what it sees: it has a key of its own, and a record of its words. */
export function isPosting({ kind }: Pick<Witness, 'kind'>): boolean {
  return kind === 'observer' || kind === 'region';
}

export const witnessesSchema = z
  .array(witnessSchema)
  .max(WITNESSES_MAX)
  .refine((witnesses) => new Set(witnesses.map(({ name }) => name)).size === witnesses.length, {
    message: 'two witnesses have one name',
  })
  .refine((witnesses) => witnesses.filter(({ kind }) => kind === 'heartbeat').length === 1, {
    message: 'exactly one witness is the heartbeat',
  });

/** What is kept of a witness's words: the run of its present verdict. */
export const spokenSchema = z.looseObject({
  /** `none`: it spoke, and could not tell. */
  verdict: z.enum(['up', 'down', 'none']),
  /** Since when it has said so at every one of its intervals. */
  sinceMs: timeMsSchema,
  /** Its last word. */
  lastSeenMs: timeMsSchema,
  /** The last time that it said `up`; null for never. */
  lastUpMs: timeMsSchema.nullable(),
});
export type Spoken = z.infer<typeof spokenSchema>;

/**
 * What is kept of a witness that posts its words. Each word is folded in when it comes, so that none is lost between two
 * ticks of the monitor.
 */
export const witnessRecordSchema = z.looseObject({
  version: versionSchema,
  site: siteIdSchema,
  witness: z.string(),
  /** Of its newest word: one that was recorded elsewhere and is sent again says nothing. */
  counter: z.int().min(1),
  spoken: spokenSchema,
});
export type WitnessRecord = z.infer<typeof witnessRecordSchema>;
export const witnessRecordKind: DocumentKind<WitnessRecord> = { what: "witness's record", schema: witnessRecordSchema };
