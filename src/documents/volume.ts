/**
 * The state of a volume: the document that the apply protocol of docs/design.md turns on.
 *
 * Invariants: changed only under its ETag; each of its generations keeps those of generation.ts. What is offered for
 * recovery is the published generation's named snapshots.
 */
import { z } from 'zod';
import { chainPointSchema } from '../kernel/chain-point.ts';
import { volumeIdSchema } from '../kernel/ids.ts';
import { versionSchema } from '../kernel/versions.ts';
import { sourceSchema } from '../protocol/source.ts';
import { byteRangesSchema } from './byte-ranges.ts';
import { generationSchema, mayExtend } from './generation.ts';
import type { Generation } from './generation.ts';
import type { DocumentKind } from './store.ts';

// Whoever works on the document needs its generations with it.
export { isFresh, isReady, uploadPlace } from './generation.ts';
export type { Base, Claim, Generation, NamedSnapshot, VolumeProperties } from './generation.ts';

const { number, digest } = chainPointSchema.shape;

/** A range list of the site, being compared with the named snapshot of the same state. */
const verificationSchema = z.looseObject({
  generation: z.int().min(1),
  number,
  digest,
  /** Journal entry of the range list. */
  entry: z.string(),
  sinceMs: z.int(),
  /** The range that is compared next. */
  next: z.int().min(0),
  differing: byteRangesSchema,
});
export type Verification = z.infer<typeof verificationSchema>;

/** Ranges that the site is asked to send literally, whatever its index says. Ends with its word that it will. */
const repairSchema = z.looseObject({
  id: z.string().min(1),
  ranges: byteRangesSchema.min(1),
  sinceMs: z.int(),
});

/** A next generation was decided on. It begins as soon as all of the present one that can be applied is. */
const reseedSchema = z.looseObject({
  from: z.enum(['upload', 'point', 'zeros']),
  /** Size of the volume, where the site said it. */
  volumeBytes: z.int().min(0).optional(),
  /** The delta that cannot be had any more, and with it all behind it. */
  lost: number.optional(),
  reason: z.string(),
  sinceMs: z.int(),
});
export type Reseed = z.infer<typeof reseedSchema>;

export const volumeSchema = z
  .looseObject({
    version: versionSchema,
    volume: volumeIdSchema,
    /** The sender's own name of it, where a rule of its site admitted it by that. */
    source: sourceSchema.optional(),
    /** The term whose deltas are taken. */
    term: z.int().min(1),
    /** The generation that deltas are taken for. */
    current: z.int().min(1),
    /** The generation that is offered for recovery; null until a first copy is whole. */
    published: z.int().min(1).nullable(),
    generations: z.record(z.string(), generationSchema),
    /** Deltas that the site is asked to send again, in these forms. */
    resend: z.array(
      z.looseObject({
        generation: z.int().min(1),
        number,
        form: z.string(),
        /** Entries of it that refer to what is not there: not worth another try. */
        unresolvable: z.array(z.string()).optional(),
      }),
    ),
    /** Why the volume cannot go on, for people; null while it can. */
    trouble: z.looseObject({ code: z.string(), message: z.string(), sinceMs: z.int() }).nullable(),
    verification: verificationSchema.optional(),
    /** What the newest comparison found that came to its end. */
    compared: z
      .looseObject({ generation: z.int().min(1), number, atMs: z.int(), differingBytes: z.int().min(0) })
      .optional(),
    /** Since when a person has asked for a comparison that did not begin yet. */
    verifyAskedAtMs: z.int().optional(),
    repair: repairSchema.optional(),
    reseed: reseedSchema.optional(),
  })
  .superRefine((document, context) => {
    const refuse = (path: string, message: string): void => {
      context.addIssue({ code: 'custom', path: [path], message });
    };
    for (const [key, { generation }] of Object.entries(document.generations)) {
      if (key !== String(generation)) refuse(`generations.${key}`, 'stands under another number');
    }
    if (!document.generations[String(document.current)]) refuse('current', 'no such generation');
    if (document.published !== null && !document.generations[String(document.published)]) {
      refuse('published', 'no such generation');
    }
  });

export type VolumeDocument = z.infer<typeof volumeSchema>;

/** Label of a volume with work that a sweep must look at. */
export const WORK_LABEL = 'work';

export const volumeKind: DocumentKind<VolumeDocument> = {
  what: 'volume',
  schema: volumeSchema,
  labels: (document) => ({ [WORK_LABEL]: hasWork(document) || hasChores(document) ? 'yes' : 'no' }),
};

/** The generation that deltas are taken for. */
export function currentGeneration(document: VolumeDocument): Generation {
  const generation = document.generations[String(document.current)];
  // The schema has made sure of it.
  if (!generation) throw new Error(`volume ${document.volume} has no generation ${document.current}`);
  return generation;
}

/** The generation that is offered for recovery; undefined until a first copy is whole. */
export function offeredGeneration({ published, generations }: VolumeDocument): Generation | undefined {
  return published === null ? undefined : generations[String(published)];
}

/** The document with its current generation changed. */
export function withGeneration(document: VolumeDocument, generation: Generation): VolumeDocument {
  return {
    ...document,
    generations: { ...document.generations, [String(generation.generation)]: generation },
  };
}

/** Whether something is left to be done without any message: a claim, a tip not reached, a delta that waits. */
export function hasWork(document: VolumeDocument): boolean {
  const generation = currentGeneration(document);
  return generation.claim !== null || generation.applied.number < generation.tip.number || mayExtend(generation);
}

/**
 * Whether there is work beside the chain: a base to be made, a comparison to go on with, a next generation to begin. What
 * waits for the site, or for a delta to be applied, is none.
 */
export function hasChores(document: VolumeDocument): boolean {
  const { base, applied, cut } = currentGeneration(document);
  if (cut) return false;
  const baseWaits = base === undefined || base.phase === 'open' || base.phase === 'ready';
  if (!baseWaits && (base.phase !== 'comparing' || base.list !== null)) return true;
  const { verification, reseed } = document;
  return reseed !== undefined || (verification !== undefined && verification.number <= applied.number);
}
