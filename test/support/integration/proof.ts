/** What a volume's replica must be, seen from outside: valid fixed VHDs that hold what the site recorded. */
import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Storage } from '../../../src/app/storage.ts';
import { currentGeneration, volumeKind } from '../../../src/documents/volume.ts';
import type { Generation, VolumeDocument } from '../../../src/documents/volume.ts';
import { parseVolume } from '../../../src/kernel/ids.ts';
import { documents as names } from '../../../src/kernel/names.ts';
import type { BlobPlace } from '../../../src/kernel/places.ts';
import { VHD_FOOTER_BYTES, describeFooter, replicaDataBytes } from '../../../src/vhd/footer.ts';
import { contentAt } from './live-site.ts';
import type { Content } from './live-site.ts';
import { until } from './live-stack.ts';
import type { LiveStack } from './live-stack.ts';

/** Within this, what a killed host had asked of the storage has been done or was not heard. */
const SETTLE_MS = 200;
const CLAIM_LIMIT_MS = 60_000;
/** How long the host runs between two looks: short beside any claim. */
const SLICE_MS = 5;

/** A volume's state, and its current generation's. */
export async function stateOf(
  { documents }: Pick<Storage, 'documents'>,
  volume: string,
): Promise<{ document: VolumeDocument; generation: Generation }> {
  const { value } = await documents.need(volumeKind, names.volume(parseVolume(volume)));
  return { document: value, generation: currentGeneration(value) };
}

/** The volume's bytes in a blob or one of its snapshots, after its footer was found valid. */
export async function vhdBytes(
  { replicas }: Pick<Storage, 'replicas'>,
  place: BlobPlace,
  of: { volumeBytes: number; snapshot?: string },
): Promise<Buffer> {
  const dataBytes = replicaDataBytes(of.volumeBytes);
  const range = { offset: 0, lengthBytes: dataBytes + VHD_FOOTER_BYTES };
  const { snapshot } = of;
  const bytes = Buffer.from(await replicas.read(place, snapshot === undefined ? range : { ...range, snapshot }));
  const what = `${place.blob}${snapshot === undefined ? '' : ` at ${snapshot}`}`;
  assert.deepEqual(describeFooter(bytes.subarray(dataBytes), bytes.length).problems, [], `${what}: footer`);
  assert.ok(bytes.subarray(of.volumeBytes, dataBytes).equals(Buffer.alloc(dataBytes - of.volumeBytes)), what);
  return bytes.subarray(0, of.volumeBytes);
}

/** Fails unless each of the newest `count` recovery points that are offered holds what was recorded for its marker. */
export async function provePoints(
  storage: Storage,
  volume: string,
  of: { contents: readonly Content[]; count: number },
): Promise<number> {
  const { document, generation } = await stateOf(storage, volume);
  assert.equal(
    document.published !== null,
    generation.snapshots.length > 0,
    `${volume}: published with its first point`,
  );
  const points = generation.snapshots.slice(-of.count);
  for (const { number, snapshot } of points) {
    const { replica, volumeBytes, applied } = generation;
    assert.ok(number <= applied.number, `${volume}: point ${number} is beyond what is applied, ${applied.number}`);
    const bytes = await vhdBytes(storage, replica, { volumeBytes, snapshot });
    assert.equal(hash('sha256', bytes), contentAt(of.contents, number), `${volume}: content of point ${number}`);
  }
  return points.length;
}

/**
 * Kills the host while it has a delta of one of the volumes claimed that have a recovery point already: the claim stays
 * behind. The host is held still for each look, so that it is not past the claim before a slow machine has seen it; one
 * that was quicker all the same is started again. The volumes must go on changing, or have one delta that takes long.
 */
export async function killHostInClaim(stack: LiveStack, volumes: readonly string[]): Promise<void> {
  const isClaimed = async (): Promise<boolean> => {
    const states = await Promise.all(volumes.map((volume) => stateOf(stack.storage, volume)));
    return states.some(({ document, generation }) => document.published !== null && generation.claim !== null);
  };
  const caught = async (): Promise<true | undefined> => {
    stack.pauseHost();
    if (await isClaimed()) return true;
    stack.resumeHost();
    await sleep(SLICE_MS);
    return undefined;
  };
  for (;;) {
    await until(() => `a claim of ${volumes.join(' or ')}`, CLAIM_LIMIT_MS, caught, 0);
    await stack.killHost();
    await sleep(SETTLE_MS);
    if (await isClaimed()) return;
    await stack.startHost();
  }
}
