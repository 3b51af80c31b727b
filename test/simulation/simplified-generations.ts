/**
 * Simplifications of how generations begin, are compared and offered, each between one worker of the production engine and
 * its ports, as those of simplified.ts.
 */
import { currentGeneration, withGeneration } from '../../src/documents/volume.ts';
import type { VolumeDocument } from '../../src/documents/volume.ts';
import { begin } from '../../src/replica/generation/generations.ts';
import type { StoragePorts } from '../support/data-path.ts';
import { override } from './override.ts';
import { bothOf, write } from './simplified.ts';

/** What is written in the place of `now`, which replaces `before`; `now` itself where the simplification says nothing. */
type Rewrite = (now: VolumeDocument, before: VolumeDocument, nowMs: number) => VolumeDocument;

function rewriting(rewrite: Rewrite): (ports: StoragePorts) => Partial<StoragePorts> {
  return ({ state }) => ({
    state: override(state, {
      replace: async (name, text, etag, labels) => {
        const { now, before, nowMs } = await bothOf(state, { name, text, etag });
        const volume = now && before ? rewrite(now, before, nowMs) : now;
        return volume === now || !volume
          ? state.replace(name, text, etag, labels)
          : write(state, { name, volume, etag });
      },
    }),
  });
}

/** A generation begins as soon as it is decided on, whatever of the one before is not applied yet. */
export const beginAtOnce = rewriting((now, _before, nowMs) => (now.reseed ? begin(now, nowMs) : now));

/** A generation is offered as soon as it begins. */
export const offeredAtOnce = rewriting((now, before) =>
  now.current > before.current ? { ...now, published: now.current } : now,
);

/** A base is taken for what the site says that it is. */
export const baseUnrepaired = rewriting((now, before) => {
  const isReady = (document: VolumeDocument): boolean => currentGeneration(document).base?.phase === 'ready';
  return isReady(now) && !isReady(before) ? { ...now, repair: undefined } : now;
});

/** A point that was compared is verified, whatever was found. */
export const verifiedUnseen = rewriting((now, before) => {
  const { compared, verification } = { compared: now.compared, verification: before.verification };
  if (!verification || now.verification || compared?.number !== verification.number) return now;
  const generation = currentGeneration(now);
  const snapshots = generation.snapshots.map((point) =>
    point.number === compared.number ? { ...point, verifiedAtMs: compared.atMs } : point,
  );
  return { ...withGeneration(now, { ...generation, snapshots }), repair: before.repair };
});

/** A comparison reads the live blob: snapshots are for recovery. */
export function liveComparison({ replicas }: StoragePorts): Partial<StoragePorts> {
  return {
    replicas: override(replicas, {
      read: async (place, { offset, lengthBytes }) => replicas.read(place, { offset, lengthBytes }),
      dataRanges: async (place, { offset, lengthBytes }) => replicas.dataRanges(place, { offset, lengthBytes }),
    }),
  };
}
