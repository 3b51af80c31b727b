/**
 * The chain of deltas: the pure transitions of a volume's state document (docs/design.md, "How a delta is applied").
 *
 * Invariants: the tip advances only over a delta whose predecessor is the tip; a claim is always the delta after
 * `applied`, on the tip's chain; `applied` and the named snapshot change together; after a cut nothing of its term
 * extends the chain. None of these functions looks at a clock or a store: each is one change, for one write under ETag.
 */
import type { DeltaHead } from '../../delta/head.ts';
import { readProperties } from '../../delta/properties.ts';
import { currentGeneration, isReady, withGeneration } from '../../documents/volume.ts';
import type { ByteRange } from '../../kernel/byte-range.ts';
import type { DeltaForm } from '../../kernel/names.ts';
import { withoutRanges } from '../../ranges/differences.ts';
import { askForRepair } from './repair.ts';
import { retireIdle } from './retire.ts';
import type {
  Base,
  Claim,
  Generation,
  NamedSnapshot,
  VolumeDocument,
  VolumeProperties,
} from '../../documents/volume.ts';

/** Codes of a volume's trouble. */
const DAMAGED = 'DELTA_INVALID';
const FORKED = 'DELTA_FORKED';
const TOO_LARGE = 'LIMIT_EXCEEDED';

/** How many deltas a site is asked for at once: the lowest, since nothing goes on without them. Bounds the document. */
const ASKED_MAX = 64;

/** How many entries are remembered that a delta cannot be made of: more, and the first is tried again. Bounds the document. */
const UNRESOLVABLE_MAX = 16;

/** How many recovery points have properties, the newest. Bounds the document. */
const PROPERTIES_KEPT = 64;

/** Where a delta stands relative to what the chain has. */
export type Position =
  /** Its predecessor is the tip: it is what comes next. */
  | { readonly at: 'next' }
  /** Something before it has not come yet. */
  | { readonly at: 'early' }
  /** Its number lies on the chain already; whether it is the chain's own delta of that number is for the caller. */
  | { readonly at: 'passed' }
  /** It cannot be applied, ever; `fork` when two writers made this chain. */
  | { readonly at: 'refused'; readonly fork: boolean; readonly reason: string };

/** Decides where a delta that was checked whole stands. */
export function positionOf(document: VolumeDocument, head: DeltaHead): Position {
  const generation = currentGeneration(document);
  const refuse = (reason: string): Position => ({ at: 'refused', fork: false, reason });
  if (head.generation !== generation.generation) {
    return refuse(`generation: the volume is at ${generation.generation}, the delta names ${head.generation}`);
  }
  if (head.number <= generation.tip.number) return { at: 'passed' };
  if (head.term !== document.term) {
    return refuse(`term: the volume is at ${document.term}, the delta names ${head.term}`);
  }
  if (generation.cut) {
    return refuse(`term: ${generation.cut.term} has ended at delta ${generation.cut.number}, this is ${head.number}`);
  }
  if (!isReady(generation)) return refuse('generation: what it begins from is not ready yet');
  if (head.number > generation.tip.number + 1) return { at: 'early' };
  if (head.predecessor !== generation.tip.digest) {
    return {
      at: 'refused',
      fork: true,
      reason: `predecessor: the chain's delta ${generation.tip.number} is ${generation.tip.digest}, the delta names ${head.predecessor}`,
    };
  }
  return { at: 'next' };
}

/**
 * The tip moved on to `head`, which is durable in the journal and {@link positionOf} called 'next'. With that it is
 * acknowledged: in the same change it is not asked for any more, and nothing was too large to go on.
 */
export function advanceTip(document: VolumeDocument, head: DeltaHead): VolumeDocument {
  const { number, digest } = head;
  const changed = withGeneration(document, { ...currentGeneration(document), tip: { number, digest } });
  const trouble = document.trouble?.code === TOO_LARGE ? null : document.trouble;
  return withoutAsks({ ...changed, trouble }, (asked) => asked === number);
}

/**
 * A delta that the chain needs is larger than the limits here allow. Nothing is asked for: it would come as it is. It is
 * sent again as long as it is not acknowledged, so that raising the limit is enough. Undefined where that is said already.
 */
export function noteTooLarge(
  document: VolumeDocument,
  { number, why, sinceMs }: { readonly number: number; readonly why: string; readonly sinceMs: number },
): VolumeDocument | undefined {
  const message = `delta ${number} cannot be taken: ${why}; raise that limit, or reseed the volume`;
  const { trouble } = document;
  if (trouble?.code === FORKED || trouble?.message === message) return undefined;
  return { ...document, trouble: { code: TOO_LARGE, message, sinceMs } };
}

/** A delta that a site announced. */
export type Announced = Pick<DeltaHead, 'generation' | 'term' | 'number'>;

/**
 * Whether a delta that a site announced and that cannot be read is worth asking for: only what the chain does not have
 * yet and may still take. The site deletes what was acknowledged; asking for that would stop it for good.
 */
export function isWanted(document: VolumeDocument, announced: Announced): boolean {
  const { generation, tip, cut } = currentGeneration(document);
  return (
    announced.generation === generation &&
    announced.term === document.term &&
    cut === null &&
    announced.number > tip.number
  );
}

/** A delta to be asked for. `unresolvable` is an entry of it that refers to what is not there. */
export interface Ask {
  readonly number: number;
  readonly form: DeltaForm;
  /** What is wrong with what there is of it, in words. */
  readonly why: string;
  readonly unresolvable?: string | undefined;
}

/**
 * The site is asked to send `number` again in `form`, and the volume says why it cannot go on. Undefined where it is asked
 * for just so already.
 */
export function askFor(document: VolumeDocument, ask: Ask & { readonly sinceMs: number }): VolumeDocument | undefined {
  const { number, form, why, unresolvable, sinceMs } = ask;
  const before = document.resend.find((other) => other.generation === document.current && other.number === number);
  const known = before?.unresolvable ?? [];
  const isNews = unresolvable !== undefined && !known.includes(unresolvable);
  if (before?.form === form && !isNews) return undefined;
  const tried = isNews ? [...known, unresolvable].slice(-UNRESOLVABLE_MAX) : known;
  const wanted = { generation: document.current, number, form };
  const what = unresolvable === undefined ? 'is damaged or missing' : 'refers to what cannot be had';
  const message = `delta ${number} ${what} (${why}); the site is asked for it as ${form}`;
  const resend = [
    ...document.resend.filter((other) => other.number !== number),
    tried.length > 0 ? { ...wanted, unresolvable: tried } : wanted,
  ];
  return {
    ...document,
    resend: resend.sort((a, b) => a.number - b.number).slice(0, ASKED_MAX),
    trouble: document.trouble?.code === FORKED ? document.trouble : { code: DAMAGED, message, sinceMs },
  };
}

/** Whether the site is asked for `number`. */
export function isAskedFor(document: VolumeDocument, number: number): boolean {
  return document.resend.some((ask) => ask.generation === document.current && ask.number === number);
}

/** Whether this entry was found to refer to what is not there. */
export function isUnresolvable(document: VolumeDocument, entry: string): boolean {
  return document.resend.some((ask) => ask.generation === document.current && ask.unresolvable?.includes(entry));
}

/** The document without the asks that were met; the last of them ends the trouble. */
function withoutAsks(document: VolumeDocument, isMet: (number: number) => boolean): VolumeDocument {
  const resend = document.resend.filter((ask) => ask.generation === document.current && !isMet(ask.number));
  const healed = document.trouble?.code === DAMAGED && resend.length === 0;
  return { ...document, resend, trouble: healed ? null : document.trouble };
}

/**
 * Two writers made this chain. That stays written until a person has looked, so a generation that was decided on without
 * knowing it is not begun: it would end the trouble. One that waits while the fork is known is a person's order.
 */
export function noteFork(
  document: VolumeDocument,
  fork: { readonly message: string; readonly sinceMs: number },
): VolumeDocument {
  const reseed = document.trouble?.code === FORKED ? document.reseed : undefined;
  return { ...document, reseed, trouble: { code: FORKED, ...fork } };
}

/**
 * The journal holds `number`, which is early: remembered, so that a sweep looks for it. Undefined when the state says
 * so already, or has come that far: a burst of early deltas must not fight over the document for nothing.
 */
export function noteEarly(
  document: VolumeDocument,
  { generation: of, number }: { readonly generation: number; readonly number: number },
): VolumeDocument | undefined {
  const generation = currentGeneration(document);
  // Another generation may have begun meanwhile, whose numbers are others.
  if (of !== generation.generation || number <= Math.max(generation.beyond, generation.tip.number)) return undefined;
  return withGeneration(document, { ...generation, beyond: number });
}

/** The document with its next delta claimed. `claim.number` is `applied.number + 1`, and at most the tip. */
export function withClaim(document: VolumeDocument, claim: Claim): VolumeDocument {
  return withGeneration(document, { ...currentGeneration(document), claim });
}

/** Whether `document` still has the very claim of a worker: one that somebody adopted or renewed has another end time. */
export function stillClaims(document: VolumeDocument, before: Generation, claim: Claim): boolean {
  const now = currentGeneration(document);
  return (
    now.generation === before.generation &&
    now.epoch === before.epoch &&
    now.claim?.number === claim.number &&
    now.claim.digest === claim.digest &&
    now.claim.untilMs === claim.untilMs
  );
}

/** The newest points, and the one that is being compared: a comparison may take longer than they come. */
function retained(
  { verification }: VolumeDocument,
  snapshots: readonly NamedSnapshot[],
  snapshotsKept: number,
): NamedSnapshot[] {
  return snapshots
    .map((point, index) => (index < snapshots.length - PROPERTIES_KEPT ? { ...point, properties: undefined } : point))
    .filter(({ number }, index) => index >= snapshots.length - snapshotsKept || number === verification?.number);
}

/** The volume's properties after the delta that follows `applied`. */
export function propertiesAfter({ properties }: Generation, head: DeltaHead): VolumeProperties {
  return head.properties === undefined ? properties : readProperties(head.properties);
}

/** A claimed delta as it was applied. */
export interface Done {
  readonly head: DeltaHead;
  /** What it set, in ascending order. */
  readonly extents: readonly ByteRange[];
  readonly snapshot: NamedSnapshot | undefined;
  readonly snapshotsKept: number;
  /** When, on the service's clock. */
  readonly nowMs: number;
}

/**
 * The claimed delta applied: `applied`, the end of the claim and the named snapshot in one change. The first marker of
 * a generation publishes it, once deltas have set all that is known to differ of its base: before that no state is the
 * site's own, so that no snapshot is named, and what is left is asked for again should the site believe that it sent it.
 * Retention keeps the newest `snapshotsKept` names, and that of a comparison. What was asked for up to here is there. The
 * generation that was offered before is needed no more.
 */
export function finishClaim(document: VolumeDocument, done: Done): VolumeDocument {
  const generation = currentGeneration(document);
  const { number, digest, sourceTimeMs, volumeBytes } = done.head;
  const base = baseAfter(generation, done);
  const differing = base?.differing ?? [];
  const point = differing.length === 0 ? done.snapshot : undefined;
  const snapshots = point ? [...generation.snapshots, point] : generation.snapshots;
  const changed = withGeneration(document, {
    ...generation,
    ...(base && { base }),
    applied: { number, digest, sourceTimeMs },
    volumeBytes,
    properties: propertiesAfter(generation, done.head),
    claim: null,
    snapshots: retained(document, snapshots, done.snapshotsKept),
  });
  const published = point ? generation.generation : document.published;
  const offered = { ...changed, published };
  const left = published === document.published ? offered : (retireIdle(offered, done.nowMs) ?? offered);
  const met = withoutAsks(left, (asked) => asked <= number);
  if (done.snapshot === point || document.repair !== undefined) return met;
  return askForRepair(met, { id: `base-${generation.generation}-${number}`, ranges: differing, nowMs: done.nowMs });
}

/** What the generation began from, after a delta: whatever that set, or cut off, does not differ any more. */
function baseAfter({ base }: Generation, { head, extents }: Done): Base | undefined {
  if (!base || base.differing.length === 0) return base;
  const behind = { offset: head.volumeBytes, lengthBytes: Number.MAX_SAFE_INTEGER - head.volumeBytes };
  return { ...base, differing: withoutRanges(base.differing, [...extents, behind]) };
}

/**
 * The end of the term: a new epoch, and the cut at the tip, for every generation that anybody needs. A claim stays and is
 * finished in the new epoch; nobody's courtesy keeps others from it any more. Undefined if the term has ended already.
 */
export function endTerm(document: VolumeDocument, term: number): VolumeDocument | undefined {
  if (currentGeneration(document).cut) return undefined;
  return Object.values(document.generations).reduce(
    (now, generation) =>
      generation.cut || generation.retiredAtMs !== undefined
        ? now
        : withGeneration(now, {
            ...generation,
            epoch: generation.epoch + 1,
            cut: { ...generation.tip, term },
            claim: generation.claim && { ...generation.claim, untilMs: 0 },
          }),
    document,
  );
}
