/**
 * Generations that begin, and what they begin from: pure transitions of a volume's state document.
 *
 * Invariants: a next generation begins only when all of the present one is applied that can be, and nothing of it is
 * claimed but what is lost; what is given up stands in the document; the published generation stays what it is until a
 * marker of the next was applied; no delta is taken before the base is ready; a fork begins nothing by itself, and ends only
 * with a generation that a person ordered while it was known.
 */
import { newGeneration } from '../../documents/new-volume.ts';
import { currentGeneration, offeredGeneration, withGeneration } from '../../documents/volume.ts';
import type { Base, Generation, NamedSnapshot, Reseed, VolumeDocument } from '../../documents/volume.ts';
import { parseVolume } from '../../kernel/ids.ts';
import { baseDigestStart } from '../../ranges/base-digest.ts';
import { askForRepair } from '../chain/repair.ts';
import { retireIdle } from '../chain/retire.ts';

/** The newest state that a next generation can begin from: of the present one where it has any, else of the offered. */
export function newestPoint(
  document: VolumeDocument,
): { readonly generation: Generation; readonly snapshot: NamedSnapshot } | undefined {
  for (const generation of [currentGeneration(document), offeredGeneration(document)]) {
    const snapshot = generation?.snapshots.at(-1);
    if (generation && snapshot) return { generation, snapshot };
  }
  return undefined;
}

/**
 * Generations that a volume's document names at the most: those that nobody needs wait in it for upkeep. Bounds the
 * document.
 */
export const GENERATIONS_MAX = 256;

/**
 * A next generation is decided on. Undefined where one is already, the site has no say any more, or upkeep has to remove some
 * first.
 */
export function orderReseed(document: VolumeDocument, reseed: Reseed): VolumeDocument | undefined {
  const isFull = Object.keys(document.generations).length >= GENERATIONS_MAX;
  return isFull || document.reseed || currentGeneration(document).cut ? undefined : { ...document, reseed };
}

/** Whether the generation that was decided on can begin: all that can be applied is. */
export function mayBegin(document: VolumeDocument): boolean {
  const { reseed } = document;
  const { claim, applied, tip, cut } = currentGeneration(document);
  if (!reseed || cut) return false;
  const end = Math.min(tip.number, lostFrom(document, reseed) - 1);
  return applied.number >= end && (claim === null || claim.number > end);
}

/** The first delta that cannot be had: the site's word, or what it is asked for and does not give. */
function lostFrom(document: VolumeDocument, { lost }: Reseed): number {
  const { applied } = currentGeneration(document);
  const asked = document.resend
    .filter(({ generation, number }) => generation === document.current && number > applied.number)
    .map(({ number }) => number);
  return Math.min(lost ?? Infinity, ...asked);
}

/** Begins the generation that was decided on; {@link mayBegin} says that it can. */
export function begin(document: VolumeDocument, nowMs: number): VolumeDocument {
  const { reseed } = document;
  if (!reseed) return document;
  const before = currentGeneration(document);
  const number = Math.max(...Object.values(document.generations).map(({ generation }) => generation)) + 1;
  const point = reseed.from === 'point' ? newestPoint(document) : undefined;
  const volumeBytes = point
    ? (point.snapshot.volumeBytes ?? point.generation.volumeBytes)
    : (reseed.volumeBytes ?? before.volumeBytes);
  const from = reseed.from === 'upload' ? 'upload' : point && 'point';
  const source = point ? { ...point.generation.replica, snapshot: point.snapshot.snapshot } : null;
  const next: Generation = {
    ...newGeneration(parseVolume(document.volume), {
      generation: number,
      account: before.replica.account,
      volumeBytes,
      createdAtMs: nowMs,
      epoch: before.epoch + 1,
    }),
    properties: before.properties,
    reason: reseed.reason,
    base: from && newBase(from, source, { volume: document.volume, generation: number, volumeBytes }),
  };
  const ended = withGeneration(document, leave(before, nowMs));
  const begun = {
    ...withGeneration(ended, next),
    current: number,
    resend: [],
    trouble: null,
    verification: undefined,
    repair: undefined,
    reseed: undefined,
  };
  return retireIdle(begun, nowMs) ?? begun;
}

/** The generation that is left: its chain ends where it was applied, and what that gives up is written down. */
function leave(generation: Generation, nowMs: number): Generation {
  const { applied, tip } = generation;
  const left = { ...generation, claim: null, tip: { number: applied.number, digest: applied.digest }, beyond: 0 };
  if (tip.number === applied.number) return left;
  return { ...left, givenUp: { from: applied.number + 1, to: tip.number, atMs: nowMs } };
}

/** The present generation, of which nothing was sent yet, will begin from an upload. */
export function startUpload(document: VolumeDocument, volumeBytes: number): VolumeDocument {
  const { volume, current } = document;
  const base = newBase('upload', null, { volume, generation: current, volumeBytes });
  return withGeneration(document, { ...currentGeneration(document), volumeBytes, base });
}

/** Whether nothing was ever sent for the generation. */
export function isUntouched({ tip, claim, beyond, base }: Generation): boolean {
  return tip.number === 0 && claim === null && beyond === 0 && base === undefined;
}

function newBase(
  from: Base['from'],
  source: Base['source'],
  of: { readonly volume: string; readonly generation: number; readonly volumeBytes: number },
): Base {
  const phase = from === 'upload' ? 'opening' : 'copying';
  return { from, phase, source, list: null, next: 0, digest: baseDigestStart(of), differing: [] };
}

/**
 * The present generation's base changed, if it is still the very one that was `seen`; else undefined: somebody else has
 * gone on with it.
 */
export function changeBase(
  document: VolumeDocument,
  seen: Generation,
  change: Partial<Base>,
): VolumeDocument | undefined {
  const generation = currentGeneration(document);
  const { base } = generation;
  const isSame =
    base &&
    generation.generation === seen.generation &&
    generation.cut === null &&
    base.phase === seen.base?.phase &&
    base.next === seen.base.next &&
    base.list === seen.base.list &&
    base.source?.snapshot === seen.base.source?.snapshot;
  return isSame ? withGeneration(document, { ...generation, base: { ...base, ...change } }) : undefined;
}

/**
 * The base is ready: deltas follow it, and what differs from the site's list is asked for. It stays written there, until
 * deltas have set it.
 */
export function finishBase(
  document: VolumeDocument,
  seen: Generation,
  done: Base,
  nowMs: number,
): VolumeDocument | undefined {
  const ready = changeBase(document, seen, { ...done, phase: 'ready' });
  if (!ready) return undefined;
  const generation = currentGeneration(ready);
  const start = { number: 0, digest: done.digest };
  const changed = withGeneration(ready, { ...generation, tip: start, applied: { ...start, sourceTimeMs: 0 } });
  return askForRepair(changed, { id: `base-${generation.generation}`, ranges: done.differing, nowMs });
}
