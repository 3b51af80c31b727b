/**
 * Taking in a range list that a site announced (docs/site-protocol.md, "Range lists and repairs").
 *
 * Invariants: only a site's own volumes, and only entries of its own journal, are ever looked at for it; of the list only
 * the head is read before the state has taken it; a list that nobody needs is passed by.
 */
import { currentGeneration, volumeKind } from '../../documents/volume.ts';
import type { Documents } from '../../documents/store.ts';
import { LeewardError, isLeewardError } from '../../kernel/errors.ts';
import { parseVolume, siteId } from '../../kernel/ids.ts';
import { documents as names } from '../../kernel/names.ts';
import type { EntryStore } from '../../ports/entries.ts';
import type { RangesMessage } from '../../protocol/ranges.ts';
import type { Chores } from '../generation/chores.ts';
import { RangeListReader, discardList } from '../compare/range-list-reader.ts';
import { noteList } from '../compare/verify.ts';

export interface RangeListIntakePorts {
  readonly documents: Documents;
  readonly entries: EntryStore;
  readonly chores: Chores;
}

/** What became of a list: taken, for now or for when its state is applied; or nobody needs it. */
export type RangesOutcome = {
  readonly outcome: 'listed' | 'passed-by';
  readonly volume: string;
  readonly number: number;
};

/**
 * Takes in one list that `signer` announced, and compares what can be compared now. Repeatable. Errors: SIGNATURE_INVALID
 * for another site's volume; MESSAGE_INVALID, NOT_FOUND when the list is not what was announced; UNAVAILABLE,
 * VERSION_TOO_NEW.
 */
export async function receiveRanges(
  ports: RangeListIntakePorts,
  message: RangesMessage,
  signer: string,
): Promise<RangesOutcome> {
  const volume = parseVolume(message.volume);
  if (siteId(volume) !== signer) {
    throw new LeewardError('SIGNATURE_INVALID', `volume: ${message.volume} is not a volume of ${signer}, which signed`);
  }
  const { generation, number, digest, entry } = message;
  const announced = { generation, number, digest, entry };
  const name = names.volume(volume);
  const { held, serviceNowMs } = await ports.documents.readWithTime(volumeKind, name);
  if (!held) throw new LeewardError('NOT_FOUND', `volume ${message.volume} is not registered`);
  const outcome = { volume: message.volume, number };
  if (!noteList(held.value, announced, serviceNowMs)) return { outcome: 'passed-by', ...outcome };
  const stored = { volume, journal: currentGeneration(held.value).journal, announced };
  try {
    await RangeListReader.open(ports.entries, stored);
  } catch (error) {
    if (isLeewardError(error, 'MESSAGE_INVALID')) await discardList(ports.entries, stored);
    throw error;
  }
  await ports.documents.update(volumeKind, name, (document) => noteList(document, announced, serviceNowMs));
  await ports.chores.run(volume);
  return { outcome: 'listed', ...outcome };
}
