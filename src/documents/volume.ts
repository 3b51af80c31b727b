/**
 * The state of a volume: the document that the apply protocol of docs/design.md turns on.
 *
 * Invariants: changed only under its ETag. In each generation `applied.number` ≤ `tip.number`; a claim is
 * `applied.number + 1` and at most the tip; a cut, once set, is the tip of that moment and never moves; only a snapshot
 * that is named here exists. What is offered for recovery is the published generation's named snapshots.
 */
import { z } from 'zod';
import { DIGEST_FORM, NO_DIGEST } from '../kernel/hash.ts';
import { volumeIdSchema } from '../kernel/ids.ts';
import { blobPlaceSchema, containerPlaceSchema } from '../kernel/places.ts';
import { versionSchema } from '../kernel/versions.ts';
import type { DocumentKind } from './store.ts';

const number = z.int().min(0).max(0xffff_ffff);
const digest = z.string().regex(DIGEST_FORM);

/** A place in the chain of deltas. */
const chainPointSchema = z.looseObject({ number, digest });
export type ChainPoint = z.infer<typeof chainPointSchema>;

/** Before the first delta. */
export const CHAIN_START: ChainPoint = { number: 0, digest: NO_DIGEST };

const claimSchema = z.looseObject({
  number,
  digest,
  /** The journal entry that is applied: whoever finishes the claim uses this very one. */
  entry: z.string(),
  /** Until when others leave the claim alone, on the service's clock. A courtesy: safety does not hang on it. */
  untilMs: z.int(),
});
export type Claim = z.infer<typeof claimSchema>;

const namedSnapshotSchema = z.looseObject({
  /** The delta after which it was taken. */
  number,
  digest,
  /** Azure's own name of the snapshot. */
  snapshot: z.string(),
  /** Name of the marker. */
  marker: z.string(),
  consistency: z.enum(['crash', 'application']),
  /** When the source stood like this, on the site's clock. */
  takenAtMs: z.int().min(0),
});
export type NamedSnapshot = z.infer<typeof namedSnapshotSchema>;

const generationSchema = z.looseObject({
  generation: z.int().min(1).max(99_999_999),
  /** The page blob. */
  replica: blobPlaceSchema,
  /** The container that holds the generation's journal entries. */
  journal: containerPlaceSchema,
  volumeBytes: z.int().min(0),
  createdAtMs: z.int().min(0),
  epoch: z.int().min(1),
  applied: chainPointSchema.extend({ sourceTimeMs: z.int().min(0) }),
  claim: claimSchema.nullable(),
  tip: chainPointSchema,
  snapshots: z.array(namedSnapshotSchema),
  /** Set when the term ended: nothing of that term beyond it will ever be applied. */
  cut: chainPointSchema.extend({ term: z.int().min(1) }).nullable(),
  /** Highest number that came early and waits in the journal; 0 for none. Above the tip, a sweep looks for more. */
  beyond: number,
});
export type Generation = z.infer<typeof generationSchema>;

export const volumeSchema = z
  .looseObject({
    version: versionSchema,
    volume: volumeIdSchema,
    /** The term whose deltas are taken. */
    term: z.int().min(1),
    /** The generation that deltas are taken for. */
    current: z.int().min(1),
    /** The generation that is offered for recovery; null until a first copy is whole. */
    published: z.int().min(1).nullable(),
    generations: z.record(z.string(), generationSchema),
    /** Deltas that the site is asked to send again, in these forms. */
    resend: z.array(z.looseObject({ generation: z.int().min(1), number, form: z.string() })),
    /** Why the volume cannot go on, for people; null while it can. */
    trouble: z.looseObject({ code: z.string(), message: z.string(), sinceMs: z.int() }).nullable(),
  })
  .superRefine((document, context) => {
    const refuse = (path: string, message: string): void => {
      context.addIssue({ code: 'custom', path: [path], message });
    };
    for (const [key, generation] of Object.entries(document.generations)) {
      const { applied, claim, tip, cut } = generation;
      if (key !== String(generation.generation)) refuse(`generations.${key}`, 'stands under another number');
      if (applied.number > tip.number) refuse(`generations.${key}`, 'applied is beyond the tip');
      if (claim && (claim.number !== applied.number + 1 || claim.number > tip.number)) {
        refuse(`generations.${key}`, 'the claim is not the next delta of the chain');
      }
      if (cut && cut.number !== tip.number) refuse(`generations.${key}`, 'the cut is not the tip');
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
  labels: (document) => ({ [WORK_LABEL]: hasWork(document) ? 'yes' : 'no' }),
};

/** Whether something is left to be done without any message: a claim, a tip not reached, a delta that waits. */
export function hasWork(document: VolumeDocument): boolean {
  const generation = currentGeneration(document);
  return generation.claim !== null || generation.applied.number < generation.tip.number || mayExtend(generation);
}

/** Whether the journal may hold deltas that the tip has not reached yet, and still may. */
export function mayExtend(generation: Generation): boolean {
  return generation.cut === null && generation.beyond > generation.tip.number;
}

/** The generation that deltas are taken for. */
export function currentGeneration(document: VolumeDocument): Generation {
  const generation = document.generations[String(document.current)];
  // The schema has made sure of it.
  if (!generation) throw new Error(`volume ${document.volume} has no generation ${document.current}`);
  return generation;
}

/** The document with its current generation changed. */
export function withGeneration(document: VolumeDocument, generation: Generation): VolumeDocument {
  return {
    ...document,
    generations: { ...document.generations, [String(generation.generation)]: generation },
  };
}
