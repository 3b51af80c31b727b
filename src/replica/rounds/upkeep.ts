/**
 * Upkeep: removes what nobody needs any more (docs/design.md, "Upkeep").
 *
 * Invariants: nothing is removed that an applied state, a claim, a base or a comparison still needs, judged by a state that
 * was read after the listing or that can only have moved on; of one number's journal entries all go or none, so that
 * what is left never makes another writer's entry look like the chain's; a generation goes only long after it was seen
 * to be needed by nobody, for a run may be copying a point of it. It can be interrupted and repeated at any time.
 */
import { isReady, uploadPlace, volumeKind } from '../../documents/volume.ts';
import type { Generation, VolumeDocument } from '../../documents/volume.ts';
import type { Documents } from '../../documents/store.ts';
import { describeError } from '../../kernel/errors.ts';
import { fewAtOnce } from '../../kernel/few-at-once.ts';
import { parseVolume } from '../../kernel/ids.ts';
import type { VolumeRef } from '../../kernel/ids.ts';
import { documents as names, journalPrefix, parseJournalEntry, parseVolumeDocument } from '../../kernel/names.ts';
import type { AccessIssuer } from '../../ports/access.ts';
import type { EntryStore } from '../../ports/entries.ts';
import type { ReplicaStore } from '../../ports/replica-store.ts';
import { removeUnnamedSnapshots } from '../apply/snapshots.ts';
import { retireIdle } from '../chain/retire.ts';

export interface UpkeepPorts {
  readonly documents: Documents;
  readonly replicas: ReplicaStore;
  readonly entries: EntryStore;
  readonly access: Pick<AccessIssuer, 'removeContainer'>;
}

export interface UpkeepOptions {
  /**
   * How long applied journal entries are kept from when they were put, and generations once nobody needs them, in milliseconds.
   */
  readonly keptMs: number;
}

export interface UpkeepReport {
  readonly entries: number;
  readonly snapshots: number;
  readonly generations: number;
  readonly failed: readonly { readonly what: string; readonly reason: string }[];
}

/** Entries of a generation that one call removes at most: a site that put a million must not use up the others' time. */
const ENTRIES_AT_ONCE_MAX = 5000;

/**
 * Generations that wait for their end at the most, whatever the retention time: each is a whole copy, and takes room in the
 * document. There is hardly one an hour, so that nobody copies a point of the oldest any more.
 */
const RETIRED_MAX = 64;

/** How late a worker's request may be at the most. Source: Azure Functions, a function's default time-out: 30 minutes. */
const LATE_MS = 30 * 60_000;

/** Volumes that are looked at side by side. */
const VOLUMES_AT_ONCE = 4;

/** Looks once at every volume. A volume that fails keeps no other from its turn. Errors: UNAVAILABLE of the listing. */
export async function runUpkeep(ports: UpkeepPorts, options: UpkeepOptions): Promise<UpkeepReport> {
  const done = { entries: 0, snapshots: 0, generations: 0 };
  const failed: { what: string; reason: string }[] = [];
  await fewAtOnce(VOLUMES_AT_ONCE, ports.documents.list(names.allVolumes), async ({ name }) => {
    const volume = parseVolumeDocument(name);
    if (volume === undefined) return;
    try {
      const of = await upkeepOf(ports, parseVolume(volume), options);
      done.entries += of.entries;
      done.snapshots += of.snapshots;
      done.generations += of.generations;
    } catch (error) {
      failed.push({ what: volume, reason: describeError(error) });
    }
  });
  return { ...done, failed };
}

/** One volume's upkeep. Errors: UNAVAILABLE, CONFLICT, VERSION_TOO_NEW, DOCUMENT_INVALID. */
async function upkeepOf(
  ports: UpkeepPorts,
  volume: VolumeRef,
  { keptMs }: UpkeepOptions,
): Promise<Omit<UpkeepReport, 'failed'>> {
  const { document, nowMs } = await retire(ports.documents, volume);
  const done = { entries: 0, snapshots: 0, generations: 0 };
  const surplus = new Set(
    Object.values(document.generations)
      .filter(({ retiredAtMs }) => retiredAtMs !== undefined)
      .map(({ generation }) => generation)
      .sort((a, b) => b - a)
      .slice(RETIRED_MAX),
  );
  for (const generation of Object.values(document.generations)) {
    if (isLeftOpen(document, generation)) await ports.access.removeContainer(uploadPlace(document.volume, generation));
    // Without a point no run can be copying any of it; but a late request would make its blob anew, and nobody would know.
    const hasPoints = (generation.retiredPoints ?? generation.snapshots.length) > 0;
    const waitMs = hasPoints && !surplus.has(generation.generation) ? keptMs : Math.min(keptMs, LATE_MS);
    if ((generation.retiredAtMs ?? Infinity) + waitMs <= nowMs) {
      const removed = await removeEntries(ports.entries, volume, { generation }, () => true);
      done.entries += removed;
      // What is left of so many is for the next time; the generation is named until then.
      if (removed >= ENTRIES_AT_ONCE_MAX) continue;
      await ports.replicas.remove(generation.replica);
      await forget(ports.documents, volume, generation);
      done.generations += 1;
      continue;
    }
    const isOld = (createdAtMs: number): boolean => createdAtMs + keptMs <= nowMs;
    const used = [document.verification?.entry, isReady(generation) ? undefined : generation.base?.list];
    done.entries += await removeEntries(
      ports.entries,
      volume,
      { generation, used },
      (number, createdAtMs) => (number ?? 0) <= generation.applied.number && createdAtMs.every(isOld),
    );
    // Those of a generation that nobody needs go with it: whoever chose one may be copying it still.
    if (generation.retiredAtMs === undefined) {
      done.snapshots += await removeUnnamedSnapshots(ports, volume, generation.generation);
    }
  }
  return done;
}

/** Marks the generations that nobody needs. */
async function retire(
  documents: Documents,
  volume: VolumeRef,
): Promise<{ readonly document: VolumeDocument; readonly nowMs: number }> {
  const name = names.volume(volume);
  const { serviceNowMs: nowMs } = await documents.readWithTime(volumeKind, name);
  const { value } = await documents.update(volumeKind, name, (document) => retireIdle(document, nowMs));
  return { document: value, nowMs };
}

/**
 * An upload that nobody will take any more: its credential must not outlive that. Of one that was taken, too: a request to
 * make its container may land after that was deleted.
 */
function isLeftOpen(document: VolumeDocument, generation: Generation): boolean {
  const isOver = generation.generation !== document.current || generation.cut !== null;
  return generation.base?.from === 'upload' && (isOver || isReady(generation));
}

/** Drops a generation from the state, after all that it named is gone. */
async function forget(documents: Documents, volume: VolumeRef, { generation }: Generation): Promise<void> {
  await documents.update(volumeKind, names.volume(volume), (document) => {
    const left = Object.entries(document.generations).filter(([key]) => key !== String(generation));
    return { ...document, generations: Object.fromEntries(left) };
  });
}

/**
 * Removes a generation's entries, one number's after the other, where `isDone` says so of the number and the times at
 * which they were created. What is no delta has no number: range lists that nobody compares, and names that a site made
 * up. Gives how many went.
 */
async function removeEntries(
  entries: EntryStore,
  volume: VolumeRef,
  of: { readonly generation: Generation; readonly used?: readonly (string | null | undefined)[] },
  isDone: (number: number | undefined, createdAtMs: readonly number[]) => boolean,
): Promise<number> {
  const { generation, used = [] } = of;
  const listed = entries.list(generation.journal, journalPrefix(volume, generation.generation));
  let removed = 0;
  let group: { readonly number: number | undefined; readonly found: { name: string; createdAtMs: number }[] } = {
    number: undefined,
    found: [],
  };
  const flush = async (): Promise<void> => {
    const createdAtMs = group.found.map((entry) => entry.createdAtMs);
    if (!isDone(group.number, createdAtMs)) return;
    for (const { name } of group.found) await entries.remove({ ...generation.journal, blob: name });
    removed += group.found.length;
  };
  for await (const { name, createdAtMs } of listed) {
    if (used.includes(name)) continue;
    const number = parseJournalEntry(name)?.number;
    // One number's entries go together or not at all, but for what no sound site puts there.
    const isSame = number !== undefined && group.number === number && group.found.length < ENTRIES_AT_ONCE_MAX;
    if (!isSame) {
      await flush();
      if (removed >= ENTRIES_AT_ONCE_MAX) return removed;
      group = { number, found: [] };
    }
    group.found.push({ name, createdAtMs });
  }
  await flush();
  return removed;
}
