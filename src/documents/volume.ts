/**
 * The state of a volume: the document that the apply protocol of docs/design.md turns on.
 *
 * Invariants: changed only under its ETag. In each generation `applied.number` ≤ `tip.number`; a claim is
 * `applied.number + 1` and at most the tip; a cut, once set, is the tip of that moment and never moves; only a snapshot
 * that is named here exists. What is offered for recovery is the published generation's named snapshots.
 */
import { z } from 'zod';
import { chainPointSchema } from '../kernel/chain-point.ts';
import { parseVolume, volumeIdSchema } from '../kernel/ids.ts';
import { UPLOAD_BLOB, uploadContainer } from '../kernel/names.ts';
import { blobPlaceSchema, containerPlaceSchema } from '../kernel/places.ts';
import type { BlobPlace } from '../kernel/places.ts';
import { versionSchema } from '../kernel/versions.ts';
import { sourceSchema } from '../protocol/source.ts';
import type { DocumentKind } from './store.ts';

const { number, digest } = chainPointSchema.shape;

const claimSchema = z.looseObject({
  number,
  digest,
  /** The journal entry that is applied: whoever finishes the claim uses this very one. */
  entry: z.string(),
  /**
   * Size of the volume after this delta, where it is another than before: said before the replica is touched, since a
   * blob that grows is no valid disk for the two requests that it takes. Whoever finds that finishes it.
   */
  volumeBytes: z.int().min(0).optional(),
  /** Until when others leave the claim alone, on the service's clock. A courtesy: safety does not hang on it. */
  untilMs: z.int(),
});
export type Claim = z.infer<typeof claimSchema>;

/** What the site says of its volume besides its bytes; whatever of it is unknown is missing. */
const propertiesSchema = z.looseObject({
  /** UUID that the disk's footer carries; the replica's own where the site names none. */
  identity: z.string().optional(),
  label: z.string().optional(),
  mountPoints: z.array(z.string()).optional(),
});
export type VolumeProperties = z.infer<typeof propertiesSchema>;

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
  /** Size of the volume then. Missing in documents that were written before volumes could be resized. */
  volumeBytes: z.int().min(0).optional(),
  properties: propertiesSchema.optional(),
  /** When the site's hashes were last compared with it and every one was the same, on the service's clock. */
  verifiedAtMs: z.int().min(0).optional(),
});
export type NamedSnapshot = z.infer<typeof namedSnapshotSchema>;

/** Bytes of the volume. Ascending, without overlap, and few: src/ranges/differences.ts bounds them. */
const byteRangesSchema = z.array(z.looseObject({ offset: z.int().min(0), lengthBytes: z.int().min(1) })).max(256);

/**
 * What a generation begins from, where that is not zeros. Its phases, in order:
 *
 * - `opening`: the upload's container is being made;
 * - `open`: the site writes raw pages there;
 * - `copying`: what is to be copied stands still, and is copied into the generation's blob;
 * - `comparing`: the upload is closed for good; the copy is compared with the site's range list;
 * - `ready`: deltas are taken; `tip` and `applied` began at number 0 with the base's digest.
 */
const baseSchema = z.looseObject({
  from: z.enum(['upload', 'point']),
  phase: z.enum(['opening', 'open', 'copying', 'comparing', 'ready']),
  /** What is copied: a recovery point, or the upload as it was sealed; null before that. */
  source: blobPlaceSchema.extend({ snapshot: z.string() }).nullable(),
  /** Journal entry of the site's range list; null until it came. */
  list: z.string().nullable(),
  /** The range that is compared next. */
  next: z.int().min(0),
  /** Digest of the base up to `next` (docs/range-format.md, "Digest of a base"). */
  digest,
  /** Where the copy differs from the list so far. */
  differing: byteRangesSchema,
});
export type Base = z.infer<typeof baseSchema>;

const generationSchema = z.looseObject({
  generation: z.int().min(1).max(99_999_999),
  /** The page blob. */
  replica: blobPlaceSchema,
  /** The container that holds the generation's journal entries. */
  journal: containerPlaceSchema,
  /** Size of the volume after `applied`. */
  volumeBytes: z.int().min(0),
  /** Properties of the volume after `applied`. */
  properties: propertiesSchema.default({}),
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
  base: baseSchema.optional(),
  /** Why it began; missing for a volume's first. */
  reason: z.string().optional(),
  /** What was acknowledged and is lost, so that a next generation had to begin: deltas `from` to `to`. */
  givenUp: z.looseObject({ from: number, to: number, atMs: z.int() }).optional(),
  /** Since when nobody needs it any more; upkeep removes it later. */
  retiredAtMs: z.int().optional(),
});
export type Generation = z.infer<typeof generationSchema>;

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
    for (const [key, generation] of Object.entries(document.generations)) {
      const { applied, claim, tip, cut } = generation;
      if (key !== String(generation.generation)) refuse(`generations.${key}`, 'stands under another number');
      if (applied.number > tip.number) refuse(`generations.${key}`, 'applied is beyond the tip');
      if (claim && (claim.number !== applied.number + 1 || claim.number > tip.number)) {
        refuse(`generations.${key}`, 'the claim is not the next delta of the chain');
      }
      if (cut && cut.number !== tip.number) refuse(`generations.${key}`, 'the cut is not the tip');
      if (!isReady(generation) && (tip.number > 0 || claim)) {
        refuse(`generations.${key}`, 'a delta was taken before the base was ready');
      }
      if (generation.base?.phase === 'comparing' && generation.base.source === null) {
        refuse(`generations.${key}`, 'compared without a source');
      }
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

/** Where the raw pages are written that a generation begins from. */
export function uploadPlace(
  volume: string,
  { generation, replica }: Pick<Generation, 'generation' | 'replica'>,
): BlobPlace {
  const container = uploadContainer(parseVolume(volume), generation);
  return { account: replica.account, container, blob: UPLOAD_BLOB };
}

/** Whether deltas can be taken for the generation: what it begins from is there. */
export function isReady({ base }: Pick<Generation, 'base'>): boolean {
  return base === undefined || base.phase === 'ready';
}

/** Whether the generation has no blob yet, and its volume is zeros: nothing was ever applied, and it begins from no base. */
export function isFresh({ applied, base }: Generation): boolean {
  return applied.number === 0 && base === undefined;
}

/** Whether the journal may hold deltas that the tip has not reached yet, and still may. */
function mayExtend(generation: Generation): boolean {
  return generation.cut === null && generation.beyond > generation.tip.number;
}

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
