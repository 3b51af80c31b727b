/**
 * What must hold for a volume's generations, from a state to the next: docs/design.md, "Bases" and "Upkeep", and what is
 * offered meanwhile.
 */
import { currentGeneration, isReady } from '../../src/documents/volume.ts';
import type { Generation, VolumeDocument } from '../../src/documents/volume.ts';

/** How long a generation waits that has no points. */
const LATE_MS = 30 * 60_000;

const PHASES = ['opening', 'open', 'copying', 'comparing', 'ready'];

/** What does not hold, in words. `nowMs` is the service's time; `keptMs` how long upkeep keeps what nobody needs. */
export function* generationProblems(
  before: VolumeDocument,
  now: VolumeDocument,
  at: {
    readonly nowMs: number;
    readonly keptMs: number | undefined;
    /** Whether some of these deltas cannot be had any more. */
    readonly isLost: (generation: number, range: { readonly from: number; readonly to: number }) => boolean;
  },
): Generator<string> {
  if (now.current < before.current) yield `generation ${now.current} after ${before.current}`;
  if (now.current !== before.current) yield* beginProblems(before, now, at.isLost);
  else yield* baseProblems(currentGeneration(before), currentGeneration(now));
  yield* offerProblems(before, now);
  yield* leftProblems(before, now, at);
}

/** A generation begins when the one before has come to its end, and nobody hears of it by what is offered. */
function* beginProblems(
  before: VolumeDocument,
  now: VolumeDocument,
  isLost: (generation: number, range: { readonly from: number; readonly to: number }) => boolean,
): Generator<string> {
  const was = currentGeneration(before);
  const left = { from: was.applied.number + 1, to: was.tip.number };
  const lost = isLost(was.generation, left);
  const { tip, applied, claim, snapshots, base, epoch } = currentGeneration(now);
  if (was.cut) yield `generation ${now.current} began after the term had ended`;
  const { givenUp } = now.generations[String(was.generation)] ?? {};
  if (lost && (givenUp?.from !== left.from || givenUp.to !== left.to)) yield `what is lost is not told`;
  if (was.applied.number < was.tip.number && !lost)
    yield `generation ${now.current} began, and ${was.applied.number + 1} to ${was.tip.number} of ${before.current}, which was acknowledged, is lost`;
  if (was.claim && !lost)
    yield `generation ${now.current} began while delta ${was.claim.number} of ${before.current} was claimed`;
  if (epoch !== was.epoch + 1) yield `generation ${now.current} began in epoch ${epoch} after ${was.epoch}`;
  if (tip.number + applied.number + snapshots.length > 0 || claim)
    yield `generation ${now.current} did not begin empty`;
  if (base && base.phase !== 'opening' && base.phase !== 'copying')
    yield `the base of generation ${now.current} began as ${base.phase}`;
  if (now.published !== before.published) yield `generation ${now.current} was offered when it began`;
}

function* baseProblems(was: Generation, is: Generation): Generator<string> {
  const [from, to] = [was.base, is.base];
  if (from && !to) yield 'a base was forgotten';
  if (from && to && PHASES.indexOf(to.phase) < PHASES.indexOf(from.phase))
    yield `the base went back from ${from.phase} to ${to.phase}`;
  if (from?.phase === 'copying' && to?.phase === 'ready') yield 'a base was not compared';
  if (!isReady(is) && is.tip.number > 0) yield 'a delta was taken before the base was ready';
}

/** Another generation is offered only with its own first point; what is offered is what was named. */
function* offerProblems(before: VolumeDocument, now: VolumeDocument): Generator<string> {
  if (before.published !== null && now.published === null) yield 'nothing is offered any more';
  if (now.published === null) return;
  const offered = now.generations[String(now.published)];
  if (!offered || offered.snapshots.length === 0) yield `generation ${now.published} is offered without a point`;
  if (offered && !isReady(offered)) yield `generation ${now.published} is offered before it was compared`;
  if (now.published !== before.published && now.published !== now.current)
    yield `generation ${now.published} is offered, and ${now.current} is the present one`;
}

/** Generations that are not the present one stay as they are, until nobody has needed them for long enough. */
function* leftProblems(
  before: VolumeDocument,
  now: VolumeDocument,
  { nowMs, keptMs }: { readonly nowMs: number; readonly keptMs: number | undefined },
): Generator<string> {
  const source = currentGeneration(now).base?.source?.blob;
  for (const was of Object.values(before.generations)) {
    const is = now.generations[String(was.generation)];
    if (is) {
      // Of one that nobody needs any more no point is named; how many there were is told instead.
      const isRetired = is.retiredAtMs !== undefined;
      const points = isRetired ? '' : was.snapshots.map(({ snapshot }) => snapshot).join();
      if (isRetired && is.retiredPoints !== pointsOf(was))
        yield `generation ${was.generation} had ${pointsOf(was)} points, and tells ${is.retiredPoints ?? 'none'}`;
      const isLeft = was.generation !== now.current;
      if (isLeft && is.snapshots.map(({ snapshot }) => snapshot).join() !== points)
        yield `the points of generation ${was.generation}, which was left, changed`;
      continue;
    }
    const isSource = !isReady(currentGeneration(now)) && source === was.replica.blob;
    if (was.generation === before.published || was.generation === now.current || isSource)
      yield `generation ${was.generation} was removed, and is needed`;
    const waitMs = pointsOf(was) > 0 ? (keptMs ?? Infinity) : Math.min(keptMs ?? Infinity, LATE_MS);
    if (was.retiredAtMs === undefined || nowMs < was.retiredAtMs + waitMs)
      yield `generation ${was.generation} was removed too soon`;
  }
}

function pointsOf({ snapshots, retiredPoints }: Generation): number {
  return retiredPoints ?? snapshots.length;
}
