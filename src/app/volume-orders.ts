/**
 * What a person may order for a volume: a comparison with its site, or a next generation.
 *
 * Invariant: an order is one change of the volume's state; it is carried out by the site and the sweep, and refused where
 * the state does not allow it.
 */
import { currentGeneration, volumeKind } from '../documents/volume.ts';
import type { Reseed, VolumeDocument } from '../documents/volume.ts';
import type { Documents } from '../documents/store.ts';
import { LeewardError } from '../kernel/errors.ts';
import type { VolumeRef } from '../kernel/ids.ts';
import { documents as names } from '../kernel/names.ts';
import { GENERATIONS_MAX, newestPoint, orderReseed } from '../replica/generation/generations.ts';

/** Asks the site for a range list, to be compared with the point of the same state. Errors: NOT_FOUND, REFUSED. */
export async function orderVerification(documents: Documents, volume: VolumeRef): Promise<VolumeDocument> {
  const name = names.volume(volume);
  const { serviceNowMs } = await documents.readWithTime(volumeKind, name);
  const { value } = await documents.update(volumeKind, name, (document) => {
    refuseAfterTerm(document);
    return { ...document, verifyAskedAtMs: serviceNowMs };
  });
  return value;
}

/**
 * Orders a next generation. It begins as soon as all that can be applied of the present one is; what cannot be is given
 * up. Errors: NOT_FOUND; REFUSED when the term has ended, one is ordered already, there is no point to begin from, or the
 * volume has more generations than upkeep should leave.
 */
export async function orderGeneration(
  documents: Documents,
  volume: VolumeRef,
  order: Pick<Reseed, 'from' | 'reason'>,
): Promise<VolumeDocument> {
  const name = names.volume(volume);
  const { serviceNowMs } = await documents.readWithTime(volumeKind, name);
  const { value } = await documents.update(volumeKind, name, (document) => {
    refuseAfterTerm(document);
    if (order.from === 'point' && !newestPoint(document)) {
      throw new LeewardError('REFUSED', `volume ${document.volume} has no recovery point to begin from`);
    }
    const ordered = orderReseed(document, { ...order, sinceMs: serviceNowMs });
    if (ordered) return ordered;
    const why = document.reseed
      ? `a next generation is decided on already: ${document.reseed.reason}`
      : `it has ${GENERATIONS_MAX} generations; upkeep, which removes those that nobody needs, has to run first`;
    throw new LeewardError('REFUSED', `volume ${document.volume}: ${why}`);
  });
  return value;
}

function refuseAfterTerm(document: VolumeDocument): void {
  const { cut } = currentGeneration(document);
  if (!cut) return;
  throw new LeewardError('REFUSED', `volume ${document.volume}: term ${cut.term} has ended, the site sends nothing`);
}
