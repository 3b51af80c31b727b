/** Upkeeps that ask too little before they remove something. */
import type { Documents } from '../../src/documents/store.ts';
import { volumeKind } from '../../src/documents/volume.ts';
import type { VolumeDocument } from '../../src/documents/volume.ts';
import { parseVolume } from '../../src/kernel/ids.ts';
import { documents as names, journalPrefix } from '../../src/kernel/names.ts';
import { runUpkeep } from '../../src/replica/rounds/upkeep.ts';
import type { UpkeepReport } from '../../src/replica/rounds/upkeep.ts';

type Upkeep = typeof runUpkeep;

const NOTHING: UpkeepReport = { entries: 0, snapshots: 0, generations: 0, failed: [] };

/** What is old is needed by nobody. */
export const upkeepByAge: Upkeep = async ({ documents, entries }, { keptMs }) => {
  for await (const { document, nowMs } of volumes(documents)) {
    const ref = parseVolume(document.volume);
    for (const { journal, generation } of Object.values(document.generations)) {
      for await (const { name, createdAtMs } of entries.list(journal, journalPrefix(ref, generation))) {
        if (createdAtMs + keptMs <= nowMs) await entries.remove({ ...journal, blob: name });
      }
    }
  }
  return NOTHING;
};

/** Only the present generation counts. */
export const upkeepOfPresent: Upkeep = async (ports, options) => {
  const { documents, replicas } = ports;
  for await (const { document } of volumes(documents)) {
    for (const { replica, generation } of Object.values(document.generations)) {
      if (generation !== document.current) await replicas.remove(replica);
    }
  }
  return runUpkeep(ports, options);
};

async function* volumes(documents: Documents): AsyncGenerator<{ document: VolumeDocument; nowMs: number }> {
  for await (const { name } of documents.list(names.allVolumes)) {
    const { held, serviceNowMs: nowMs } = await documents.readWithTime(volumeKind, name);
    if (held) yield { document: held.value, nowMs };
  }
}
