/** Looks at what is deleted, at the moment it takes effect: nothing that is still needed may go. */
import { currentGeneration } from '../../src/documents/volume.ts';
import type { VolumeDocument } from '../../src/documents/volume.ts';
import { blobPlaceSchema } from '../../src/kernel/places.ts';
import type { BlobPlace } from '../../src/kernel/places.ts';
import { journalContainer, parseJournalEntry } from '../../src/kernel/names.ts';
import { parseVolume } from '../../src/kernel/ids.ts';
import { intercept } from '../support/memory/intercept.ts';
import type { SimulatedStorage } from './storage.ts';

/** What the guard asks of a volume's watch. */
export interface Guarded {
  readonly last: VolumeDocument;
  /** Something was deleted. */
  removed?(): Promise<void>;
}

/** `storage`, of which `watches` are told what was deleted, and `report` what should not have been. */
export function guarded(
  storage: SimulatedStorage,
  watches: () => Iterable<Guarded>,
  report: (problem: string) => void,
): SimulatedStorage {
  const replicas = intercept(storage.replicas, async ({ method, proceed }) => {
    const answer = await proceed();
    if (method === 'remove' || method === 'deleteSnapshot') for (const watch of watches()) await watch.removed?.();
    return answer;
  });
  const entries = intercept(storage.entries, async ({ method, args: [place], proceed }) => {
    if (method === 'remove') {
      for (const { last } of watches())
        if (isNeeded(blobPlaceSchema.parse(place), last)) report(`${last.volume}: an entry was removed that is needed`);
    }
    return proceed();
  });
  return { ...storage, replicas, entries };
}

/** Whether the entry is one of the present generation's deltas that was not applied yet. */
function isNeeded({ container, blob }: BlobPlace, document: VolumeDocument): boolean {
  const ref = parseVolume(document.volume);
  const entry = parseJournalEntry(blob);
  if (!entry || container !== journalContainer(ref)) return false;
  if (entry.group !== ref.group || entry.volume !== ref.volume || entry.generation !== document.current) return false;
  return entry.number > currentGeneration(document).applied.number;
}
