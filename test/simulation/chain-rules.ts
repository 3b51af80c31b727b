/** What must hold between a volume's state and the next while its generation stays: docs/design.md, "Invariants". */
import { currentGeneration } from '../../src/documents/volume.ts';
import type { NamedSnapshot, VolumeDocument } from '../../src/documents/volume.ts';

export interface Chain {
  readonly snapshotsKept: number;
  /** Whether the delta with this digest carries a marker. */
  readonly isMarked: (digest: string) => boolean;
}

/** What does not hold, in words. */
export function* chainProblems(before: VolumeDocument, now: VolumeDocument, chain: Chain): Generator<string> {
  const { tip, applied, epoch, cut, snapshots } = currentGeneration(now);
  const was = currentGeneration(before);
  if (tip.number < was.tip.number)
    yield `the tip went back from ${was.tip.number} to ${tip.number}: what was acknowledged is lost`;
  if (applied.number < was.applied.number) yield `applied went back to ${applied.number}`;
  if (applied.number > was.applied.number + 1) yield `applied jumped to ${applied.number}`;
  if (epoch < was.epoch) yield 'the epoch went back';
  if (was.cut && cut?.number !== was.cut.number) yield 'the cut moved';
  if (before.trouble?.code === 'DELTA_FORKED' && now.trouble?.code !== 'DELTA_FORKED') yield 'a fork was forgotten';
  const moved = applied.number !== was.applied.number;
  const fresh = freshPoints(before, now);
  if (fresh.length > 1) yield 'two points at once';
  if (fresh.length > 0 && applied.number !== was.applied.number + 1) yield 'a point beside applied';
  const points = snapshots.map(({ digest }) => digest);
  if (moved && chain.isMarked(applied.digest) && !points.includes(applied.digest))
    yield `the marker of delta ${applied.number} was passed without its point`;
  if (new Set(points).size !== points.length) yield 'a point is named twice';
  const all = [...was.snapshots, ...fresh];
  // The newest, and the one that is being compared.
  const kept = all.filter(
    ({ number }, index) =>
      !moved || index >= all.length - chain.snapshotsKept || number === before.verification?.number,
  );
  if (names(kept) !== names(snapshots))
    yield `a name was removed out of turn: [${names(snapshots)}] of [${names(all)}]`;
}

/** Points of the present generation that were not named before. */
export function freshPoints(before: VolumeDocument, now: VolumeDocument): NamedSnapshot[] {
  const old = before.generations[String(now.current)]?.snapshots.map(({ snapshot }) => snapshot) ?? [];
  return currentGeneration(now).snapshots.filter(({ snapshot }) => !old.includes(snapshot));
}

function names(points: readonly NamedSnapshot[]): string {
  return points.map(({ snapshot }) => snapshot).join();
}
