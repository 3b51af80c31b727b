/**
 * Making the base of a generation: an upload of raw pages, or a recovery point of an earlier generation, becomes the
 * generation's own blob (docs/design.md, "Bases").
 *
 * Invariants: whoever has the upload's credential reaches the upload alone: what is published is a copy of it as it stood
 * when it was sealed, made by the cloud, measured and hashed after the copy, in a container that no credential opens;
 * the copy begins with a sequence number of ours, whatever the upload had, and everything behind the volume's end is
 * ours; every step can be repeated by anybody, and each change of the state is made over the very phase that was seen.
 */
import { currentGeneration, uploadPlace, volumeKind } from '../../documents/volume.ts';
import type { Base, Generation, VolumeDocument } from '../../documents/volume.ts';
import type { Documents } from '../../documents/store.ts';
import { LeewardError, describeError, isLeewardError } from '../../kernel/errors.ts';
import type { VolumeRef } from '../../kernel/ids.ts';
import { documents as names, fenceOf } from '../../kernel/names.ts';
import { NO_DIGEST } from '../../kernel/hash.ts';
import type { AccessIssuer } from '../../ports/access.ts';
import type { EntryStore } from '../../ports/entries.ts';
import type { ReplicaStore } from '../../ports/replica-store.ts';
import { baseDigestNext, baseDigestStart } from '../../ranges/base-digest.ts';
import { RANGE_HASH_BYTES } from '../../ranges/blocks.ts';
import { joinDifferences } from '../../ranges/differences.ts';
import { replicaBlobBytes, replicaDataBytes } from '../../vhd/footer.ts';
import { WINDOW_RANGES, compareWindow } from '../compare/compare.ts';
import { changeBase, finishBase, orderReseed } from './generations.ts';
import { footerOf } from '../apply/replica-footer.ts';
import { RangeListReader, discardList } from '../compare/range-list-reader.ts';

export interface BasePorts {
  readonly documents: Documents;
  readonly replicas: ReplicaStore;
  readonly entries: EntryStore;
  readonly access: Pick<AccessIssuer, 'ensureContainer' | 'removeContainer'>;
}

/** What was seen of the volume before a step. */
interface SeenBase {
  readonly volume: VolumeRef;
  readonly document: VolumeDocument;
  readonly generation: Generation;
  readonly base: Base;
  readonly nowMs: number;
  readonly windowRanges: number;
}

/**
 * One step of making the present generation's base. 'more' when another step can follow at once, 'copying' when the
 * copy is still being made, 'nothing' when the site is waited for or there is no base to be made. Repeatable. Errors:
 * UNAVAILABLE, VERSION_TOO_NEW; what was done stands.
 */
export async function stepBase(
  ports: BasePorts,
  volume: VolumeRef,
  at: { readonly document: VolumeDocument; readonly nowMs: number; readonly windowRanges?: number },
): Promise<'more' | 'copying' | 'nothing'> {
  const generation = currentGeneration(at.document);
  const { base } = generation;
  if (!base || generation.cut) return 'nothing';
  const { document, nowMs, windowRanges = WINDOW_RANGES } = at;
  const seen = { volume, document, generation, base, nowMs, windowRanges };
  try {
    switch (base.phase) {
      case 'opening':
        return await open(ports, seen);
      case 'copying':
        return await copy(ports, seen);
      case 'comparing':
        return await compare(ports, seen);
      case 'open':
      case 'ready':
        return 'nothing';
    }
  } catch (error) {
    // Another worker has gone on, or a blob changed under this one: what stands now decides.
    if (isLeewardError(error, 'CONFLICT', 'FENCED')) return 'more';
    throw error;
  }
}

/** The upload's own container, with a blob of the replica's size in it. */
async function open(ports: BasePorts, seen: SeenBase): Promise<'more'> {
  const place = uploadPlace(seen.document.volume, seen.generation);
  await ports.access.ensureContainer(place);
  await ports.replicas.create(place, replicaBlobBytes(seen.generation.volumeBytes));
  await change(ports, seen, { phase: 'open' });
  return 'more';
}

/** Seals what is to be copied, copies it, closes the upload. */
async function copy(ports: BasePorts, seen: SeenBase): Promise<'more' | 'copying'> {
  const { document, generation, base } = seen;
  try {
    if (base.source === null) {
      const place = uploadPlace(document.volume, generation);
      const snapshot = await ports.replicas.snapshot(place, { number: 0 });
      await change(ports, seen, { source: { ...place, snapshot } });
      return 'more';
    }
    if ((await ports.replicas.copySnapshot(base.source, generation.replica)) === 'copying') return 'copying';
    await settle(ports, seen);
  } catch (error) {
    if (!isLeewardError(error, 'NOT_FOUND', 'PLATFORM_FAILED')) throw error;
    await giveUp(
      ports,
      seen,
      `generation ${generation.generation} cannot begin from its base: ${describeError(error)}`,
    );
    return 'more';
  }
  if (base.from === 'upload') await ports.access.removeContainer(uploadPlace(document.volume, generation));
  await change(ports, seen, { phase: 'comparing' });
  return 'more';
}

/**
 * Makes the copy ours: its sequence number, what is behind the volume's end, its footer. The number is reset only while
 * the state, read after the ETag, still has the copy unpublished: from then on any raise changes the ETag. Errors:
 * PLATFORM_FAILED when it is no page blob of the right size; CONFLICT, FENCED when another worker has gone on.
 */
async function settle(ports: BasePorts, seen: SeenBase): Promise<void> {
  const { generation } = seen;
  const { replica, volumeBytes } = generation;
  const fence = fenceOf({ epoch: generation.epoch, number: 0 });
  const found = await ports.replicas.properties(replica);
  if (found?.sizeBytes !== replicaBlobBytes(volumeBytes)) {
    const size = `${found?.sizeBytes ?? 'no'} bytes instead of ${replicaBlobBytes(volumeBytes)}`;
    throw new LeewardError('PLATFORM_FAILED', `the copy "${replica.blob}" has ${size}`);
  }
  await confirm(ports, seen);
  if (found.sequenceNumber !== fence) await ports.replicas.resetSequenceNumber(replica, { etag: found.etag });
  await ports.replicas.raiseSequenceNumber(replica, fence);
  const dataBytes = replicaDataBytes(volumeBytes);
  if (dataBytes > volumeBytes) {
    await ports.replicas.clearPages(replica, { offset: volumeBytes, lengthBytes: dataBytes - volumeBytes, fence });
  }
  const footer = footerOf(seen.document.volume, generation, { volumeBytes, identity: generation.properties.identity });
  await ports.replicas.writePages(replica, { offset: dataBytes, bytes: footer, fence });
}

/** Compares one window of the copy with the site's list; the last one makes the base ready. */
async function compare(ports: BasePorts, seen: SeenBase): Promise<'more' | 'nothing'> {
  const { volume, generation, base } = seen;
  if (base.list === null) return 'nothing';
  const { replica: place, journal, volumeBytes } = generation;
  const announced = { generation: generation.generation, number: 0, digest: NO_DIGEST, entry: base.list };
  const stored = { volume, journal, announced };
  let compared: Awaited<ReturnType<typeof compareWindow>>;
  try {
    const list = await RangeListReader.open(ports.entries, stored);
    compared = await compareWindow(ports.replicas, {
      copy: { place, volumeBytes },
      list,
      first: base.next,
      ranges: seen.windowRanges,
    });
  } catch (error) {
    if (!isLeewardError(error, 'MESSAGE_INVALID', 'NOT_FOUND')) throw error;
    // No list that can be read is none: the site, which is told so, sends it again.
    if (isLeewardError(error, 'MESSAGE_INVALID')) await discardList(ports.entries, stored);
    await change(ports, seen, { list: null, next: 0, differing: [], digest: startOf(seen) });
    return 'more';
  }
  let { digest } = base;
  for (let at = 0; at < compared.hashes.length; at += RANGE_HASH_BYTES) {
    digest = baseDigestNext(digest, compared.hashes.subarray(at, at + RANGE_HASH_BYTES));
  }
  const differing = joinDifferences(base.differing, compared.differing);
  const done = { ...base, digest, differing, next: compared.next };
  if (!compared.isLast) await change(ports, seen, done);
  else {
    await ports.documents.update(volumeKind, names.volume(volume), (document) =>
      finishBase(document, generation, done, seen.nowMs),
    );
  }
  return 'more';
}

/** What was to be copied cannot be: the next generation begins from zeros, and the site sends all of it. */
async function giveUp(ports: BasePorts, seen: SeenBase, reason: string): Promise<void> {
  await ports.documents.update(volumeKind, names.volume(seen.volume), (document) =>
    changeBase(document, seen.generation, {})
      ? orderReseed(document, { from: 'zeros', reason, sinceMs: seen.nowMs })
      : undefined,
  );
}

/** The base changed by `what`, over the very phase that was seen; nothing where somebody else has gone on. */
async function change(ports: BasePorts, seen: SeenBase, what: Partial<Base>): Promise<void> {
  await ports.documents.update(volumeKind, names.volume(seen.volume), (document) =>
    changeBase(document, seen.generation, what),
  );
}

/** The state, read now, still has the phase that was seen. Errors: CONFLICT. */
async function confirm(ports: BasePorts, seen: SeenBase): Promise<void> {
  const { value } = await ports.documents.need(volumeKind, names.volume(seen.volume));
  if (changeBase(value, seen.generation, {})) return;
  throw new LeewardError('CONFLICT', `${value.volume}: another worker went on with the base`);
}

function startOf({ document, generation }: SeenBase): string {
  return baseDigestStart({ volume: document.volume, ...generation });
}
