/**
 * Verification: a site's range list of a state, held against the named snapshot of that state.
 *
 * Invariants: a comparison goes on where the last call left it, over the very progress that was seen; only a comparison
 * of every range, without a difference, makes a point verified; what differs is asked for, so that a numbered delta
 * repairs it. A list that cannot be used ends its comparison, and goes, so that it can be sent again.
 */
import { currentGeneration, isReady, volumeKind, withGeneration } from '../../documents/volume.ts';
import type { Generation, NamedSnapshot, Verification, VolumeDocument } from '../../documents/volume.ts';
import type { Documents } from '../../documents/store.ts';
import { LeewardError, isLeewardError } from '../../kernel/errors.ts';
import type { VolumeRef } from '../../kernel/ids.ts';
import { documents as names } from '../../kernel/names.ts';
import type { EntryStore } from '../../ports/entries.ts';
import type { ReplicaStore } from '../../ports/replica-store.ts';
import { bytesOf, joinDifferences } from '../../ranges/differences.ts';
import { WINDOW_RANGES, compareWindow } from './compare.ts';
import type { Compared } from './compare.ts';
import { askForRepair } from '../chain/repair.ts';
import { RangeListReader, discardList } from './range-list-reader.ts';
import type { AnnouncedList } from './range-list-reader.ts';

export interface VerifyPorts {
  readonly documents: Documents;
  readonly replicas: ReplicaStore;
  readonly entries: EntryStore;
}

/**
 * A range list came. One of number 0 is for the base that waits for it; any other is compared as soon as its state is
 * applied. Undefined when nobody needs it: of another generation, too old, or while another is being compared.
 */
export function noteList(document: VolumeDocument, list: AnnouncedList, nowMs: number): VolumeDocument | undefined {
  const generation = currentGeneration(document);
  const { base, applied, cut } = generation;
  if (cut || list.generation !== generation.generation) return undefined;
  if (list.number === 0) {
    if (!base || base.list !== null || base.phase === 'opening' || base.phase === 'ready') return undefined;
    const phase = base.phase === 'open' ? 'copying' : base.phase;
    return withGeneration(document, { ...generation, base: { ...base, phase, list: list.entry } });
  }
  const isBusy = document.verification !== undefined && document.verification.number <= applied.number;
  const isPast = list.number <= applied.number && pointOf(generation, list) === undefined;
  if (isBusy || isPast || !isReady(generation)) return undefined;
  const verification = { ...list, sinceMs: nowMs, next: 0, differing: [] };
  return { ...document, verification, verifyAskedAtMs: undefined };
}

/** Compares one window. 'nothing' when there is none to compare now. Errors: UNAVAILABLE, VERSION_TOO_NEW. */
export async function stepVerification(
  ports: VerifyPorts,
  volume: VolumeRef,
  at: { readonly document: VolumeDocument; readonly nowMs: number; readonly windowRanges?: number },
): Promise<'more' | 'nothing'> {
  const { verification } = at.document;
  const generation = currentGeneration(at.document);
  if (!verification || verification.number > generation.applied.number || generation.cut) return 'nothing';
  const compared = await compare(ports, volume, { generation, verification, ranges: at.windowRanges ?? WINDOW_RANGES });
  await ports.documents.update(volumeKind, names.volume(volume), (document) => {
    if (!isSame(document.verification, verification)) return undefined;
    // Nothing was found out: another list is wanted.
    if (!compared) return { ...document, verification: undefined, verifyAskedAtMs: at.nowMs };
    const differing = joinDifferences(verification.differing, compared.differing);
    const now = { ...verification, differing, next: compared.next };
    return compared.isLast ? finish(document, now, at.nowMs) : { ...document, verification: now };
  });
  return 'more';
}

/** Undefined when it cannot be compared, now or ever: the point or the list is gone, or they do not fit each other. */
async function compare(
  ports: VerifyPorts,
  volume: VolumeRef,
  of: { readonly generation: Generation; readonly verification: Verification; readonly ranges: number },
): Promise<Compared | undefined> {
  const { generation, verification } = of;
  const point = pointOf(generation, verification);
  if (!point) return undefined;
  const { snapshot, volumeBytes = generation.volumeBytes } = point;
  const stored = { volume, journal: generation.journal, announced: verification };
  try {
    const list = await RangeListReader.open(ports.entries, stored);
    if (list.head.volumeBytes !== volumeBytes) {
      throw new LeewardError('MESSAGE_INVALID', `range list: the volume had ${volumeBytes} bytes then`);
    }
    const copy = { place: generation.replica, snapshot, volumeBytes };
    return await compareWindow(ports.replicas, { copy, list, first: verification.next, ranges: of.ranges });
  } catch (error) {
    if (isLeewardError(error, 'MESSAGE_INVALID')) await discardList(ports.entries, stored);
    else if (!isLeewardError(error, 'NOT_FOUND')) throw error;
    return undefined;
  }
}

function finish(document: VolumeDocument, done: Verification, nowMs: number): VolumeDocument {
  const { number, generation: of } = done;
  const differingBytes = bytesOf(done.differing);
  const generation = currentGeneration(document);
  const point = pointOf(generation, done);
  const snapshots = generation.snapshots.map((snapshot) =>
    snapshot === point && differingBytes === 0 ? { ...snapshot, verifiedAtMs: nowMs } : snapshot,
  );
  const changed = {
    ...withGeneration(document, { ...generation, snapshots }),
    verification: undefined,
    compared: { generation: of, number, atMs: nowMs, differingBytes },
  };
  return askForRepair(changed, { id: `verify-${of}-${number}-${nowMs}`, ranges: done.differing, nowMs });
}

function pointOf(generation: Generation, of: Pick<AnnouncedList, 'number' | 'digest'>): NamedSnapshot | undefined {
  return generation.snapshots.find(({ number, digest }) => number === of.number && digest === of.digest);
}

function isSame(now: Verification | undefined, seen: Verification): boolean {
  return now?.generation === seen.generation && now.entry === seen.entry && now.next === seen.next;
}
