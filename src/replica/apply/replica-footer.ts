/**
 * The footer of a replica.
 *
 * Invariant: it follows from the volume, the generation, the size and the identity alone, so that every worker that writes
 * it writes the same bytes.
 */
import type { Generation } from '../../documents/volume.ts';
import { makeFooter, replicaDataBytes, replicaUniqueId } from '../../vhd/footer.ts';

/** The footer that is due with this size and, where the site names one, this identity (a UUID). */
export function footerOf(
  volume: string,
  { generation, createdAtMs }: Pick<Generation, 'generation' | 'createdAtMs'>,
  of: { readonly volumeBytes: number; readonly identity: string | undefined },
): Uint8Array {
  const uniqueId = of.identity === undefined ? replicaUniqueId(volume, generation) : uuidBytes(of.identity);
  return makeFooter({ dataBytes: replicaDataBytes(of.volumeBytes), uniqueId, createdAtMs });
}

function uuidBytes(uuid: string): Uint8Array {
  return new Uint8Array(Buffer.from(uuid.replaceAll('-', ''), 'hex'));
}
