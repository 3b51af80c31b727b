/**
 * A generation of a volume, as the volume's document holds it: one copy in the cloud, and the chain of deltas that follows.
 *
 * Invariants: `applied.number` ≤ `tip.number`; a claim is `applied.number + 1` and at most the tip; a cut, once set, is
 * the tip of that moment and never moves; no delta is taken before what the generation begins from is there; only a
 * snapshot that is named here exists.
 */
import { z } from 'zod';
import { chainPointSchema } from '../kernel/chain-point.ts';
import { parseVolume } from '../kernel/ids.ts';
import { GENERATION_MAX, UPLOAD_BLOB, uploadContainer } from '../kernel/names.ts';
import { blobPlaceSchema, containerPlaceSchema } from '../kernel/places.ts';
import type { BlobPlace } from '../kernel/places.ts';
import { byteRangesSchema } from './byte-ranges.ts';

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

/** How many recovery points a volume can be set to keep. Bounds the document. */
export const SNAPSHOTS_KEPT_MAX = 500;

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
  /** Of the newest points only: what is older has room for no more than the point itself. */
  properties: propertiesSchema.optional(),
  /** When the site's hashes were last compared with it and every one was the same, on the service's clock. */
  verifiedAtMs: z.int().min(0).optional(),
});
export type NamedSnapshot = z.infer<typeof namedSnapshotSchema>;

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
  /** Where the copy differs from the list so far; once it is ready, what of that no delta has set yet. */
  differing: byteRangesSchema,
});
export type Base = z.infer<typeof baseSchema>;

export const generationSchema = z
  .looseObject({
    generation: z.int().min(1).max(GENERATION_MAX),
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
    /** Since when nobody needs it any more; upkeep removes it later, with all its snapshots: none is named any more. */
    retiredAtMs: z.int().optional(),
    /** How many points it had then: whoever chose one may be copying it still. */
    retiredPoints: z.int().min(0).optional(),
  })
  .superRefine((generation, context) => {
    const refuse = (message: string): void => {
      context.addIssue({ code: 'custom', message });
    };
    const { applied, claim, tip, cut, base } = generation;
    if (applied.number > tip.number) refuse('applied is beyond the tip');
    if (claim && (claim.number !== applied.number + 1 || claim.number > tip.number)) {
      refuse('the claim is not the next delta of the chain');
    }
    if (cut && cut.number !== tip.number) refuse('the cut is not the tip');
    if (!isReady(generation) && (tip.number > 0 || claim)) refuse('a delta was taken before the base was ready');
    if (base?.phase === 'comparing' && base.source === null) refuse('compared without a source');
  });
export type Generation = z.infer<typeof generationSchema>;

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
export function mayExtend(generation: Generation): boolean {
  return generation.cut === null && generation.beyond > generation.tip.number;
}
