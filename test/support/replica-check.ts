/**
 * What a replica must be, held against a site's model: byte for byte the volume after a delta, zeros up to the footer, a
 * footer that a stranger accepts. All checks return the first difference in words, so that the simulator can report it.
 */
import type { Documents } from '../../src/documents/store.ts';
import { currentGeneration, volumeKind } from '../../src/documents/volume.ts';
import type { ReplicaStore } from '../../src/ports/replica-store.ts';
import { MIB } from '../../src/kernel/units.ts';
import { VHD_FOOTER_BYTES, describeFooter, replicaDataBytes } from '../../src/vhd/footer.ts';
import type { SiteFixture } from './site-fixture.ts';

const ZEROS = Buffer.alloc(MIB);

/** Undefined when the blob, or one of its snapshots, is a valid fixed VHD of the volume after delta `number`. */
export async function replicaProblem(
  replicas: ReplicaStore,
  site: SiteFixture,
  at: { readonly number: number; readonly snapshot?: string },
): Promise<string | undefined> {
  const what = `${at.snapshot === undefined ? 'replica' : `snapshot ${at.snapshot}`} of ${site.id} at ${at.number}`;
  const wanted = site.bytesAt(at.number);
  const dataBytes = replicaDataBytes(wanted.length);
  const read = async (range: { offset: number; lengthBytes: number }): Promise<Uint8Array> =>
    replicas.read(site.replica, at.snapshot === undefined ? range : { ...range, snapshot: at.snapshot });
  const lengthBytes = dataBytes + VHD_FOOTER_BYTES;
  const isLonger = await read({ offset: lengthBytes, lengthBytes: VHD_FOOTER_BYTES }).then(
    () => true,
    () => false,
  );
  if (isLonger) return `${what}: longer than ${lengthBytes} bytes`;
  const problem = diskProblem(await read({ offset: 0, lengthBytes }), wanted);
  return problem === undefined ? undefined : `${what}: ${problem}`;
}

/** Undefined when `bytes`, whole, are a valid fixed VHD of a volume that is `wanted`. */
export function diskProblem(bytes: Uint8Array, wanted: Uint8Array): string | undefined {
  const dataBytes = replicaDataBytes(wanted.length);
  const difference = firstDifference(bytes.subarray(0, wanted.length), wanted);
  if (difference !== undefined) return `byte ${difference} differs from the model`;
  const behind = bytes.subarray(wanted.length, dataBytes);
  if (!ZEROS.subarray(0, behind.length).equals(behind)) return 'bytes behind the volume';
  const footer = describeFooter(bytes.subarray(dataBytes), bytes.length);
  return footer.problems.length > 0 ? `footer: ${footer.problems.join(', ')}` : undefined;
}

/**
 * Undefined when all that the state offers is right: a published generation has at least one named snapshot, and each is
 * the model at its number. What the state says beside it is held against the model's chain too. `looked` remembers
 * the snapshots that were right, for a caller that looks again and again: they never change.
 */
export async function offerProblem(
  ports: { readonly documents: Documents; readonly replicas: ReplicaStore },
  site: SiteFixture,
  looked = new Set<string>(),
): Promise<string | undefined> {
  const { value } = await ports.documents.need(volumeKind, site.documentName);
  const { snapshots, tip, applied } = currentGeneration(value);
  if (tip.number > site.last || tip.digest !== site.digestAt(tip.number))
    return `${site.id}: the tip is not the model's`;
  if (applied.digest !== site.digestAt(applied.number)) return `${site.id}: applied is not the model's`;
  if (value.published !== null && snapshots.length === 0) return `${site.id}: published, and nothing is offered`;
  if (value.published === null && snapshots.length > 0) return `${site.id}: a named snapshot, and it is not published`;
  for (const { number, digest, snapshot } of snapshots) {
    if (number > applied.number) return `${site.id}: snapshot ${snapshot} of ${number} is beyond applied`;
    if (digest !== site.digestAt(number)) return `${site.id}: snapshot ${snapshot} names another digest`;
    if (looked.has(`${number} ${snapshot}`)) continue;
    const problem = await replicaProblem(ports.replicas, site, { number, snapshot });
    if (problem !== undefined) return problem;
    looked.add(`${number} ${snapshot}`);
  }
  return undefined;
}

function firstDifference(actual: Uint8Array, wanted: Uint8Array): number | undefined {
  if (Buffer.compare(actual, wanted) === 0) return undefined;
  const at = actual.findIndex((byte, index) => byte !== wanted[index]);
  return at < 0 ? Math.min(actual.length, wanted.length) : at;
}
