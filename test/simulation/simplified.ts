/**
 * Simplifications of the protocol, each between one worker of the production engine and its ports: what the engine does
 * rightly is undone on its way to storage, so that storage sees the simpler protocol. What a wrapper remembers is the
 * memory of its worker, and dies with it.
 */
import { currentGeneration, volumeKind, volumeSchema, withGeneration } from '../../src/documents/volume.ts';
import type { VolumeDocument } from '../../src/documents/volume.ts';
import { lengthOf } from '../../src/kernel/byte-parts.ts';
import { LeewardError } from '../../src/kernel/errors.ts';
import type { ReadAnswer, StateStore, WriteAnswer } from '../../src/ports/state.ts';
import type { StoragePorts } from '../support/data-path.ts';
import { override } from './override.ts';

/** No fence: nobody raises the sequence number, writes carry no condition, and everybody believes to have the blob. */
export function noFence({ replicas }: StoragePorts): Partial<StoragePorts> {
  const believed = new Map<string, number>();
  return {
    replicas: override(replicas, {
      raiseSequenceNumber: async ({ blob }, fence) => void believed.set(blob, fence),
      properties: async (place) => {
        const properties = await replicas.properties(place);
        const sequenceNumber = believed.get(place.blob);
        return properties && sequenceNumber !== undefined ? { ...properties, sequenceNumber } : properties;
      },
      writePages: async (place, at) => replicas.writePages(place, { ...at, fence: 0 }),
      clearPages: async (place, at) => replicas.clearPages(place, { ...at, fence: 0 }),
    }),
  };
}

/**
 * No claim: which delta a worker writes it keeps to itself until the delta is applied. The tip that moves in the same
 * change as the claim is kept back with it: a tip one above `applied` would be a claim by another name.
 */
export function noClaim({ state }: StoragePorts): Partial<StoragePorts> {
  const drafts = new Map<string, { readonly etag: string; readonly text: string }>();
  return {
    state: override(state, {
      read: async (name): Promise<ReadAnswer> => {
        const answer = await state.read(name);
        const draft = drafts.get(name);
        if (!draft || answer.document?.etag !== draft.etag) return answer;
        return { ...answer, document: { ...answer.document, text: draft.text } };
      },
      replace: async (name, text, etag, labels): Promise<WriteAnswer> => {
        const volume = volumeIn(name, text);
        if (!volume || !currentGeneration(volume).claim) {
          drafts.delete(name);
          return state.replace(name, text, etag, labels);
        }
        const { document } = await state.read(name);
        if (document?.etag !== etag) throw new LeewardError('CONFLICT', `"${name}" changed meanwhile`);
        drafts.set(name, { etag, text });
        return document;
      },
    }),
  };
}

/** Two requests of one delta on one page: pages are cleared first, and then written. */
export function onePageTwice({ replicas }: StoragePorts): Partial<StoragePorts> {
  return {
    replicas: override(replicas, {
      writePages: async (place, at) => {
        const { offset, bytes, fence } = at;
        await replicas.clearPages(place, { offset, lengthBytes: lengthOf(bytes), fence });
        return replicas.writePages(place, at);
      },
    }),
  };
}

/** A snapshot named only beside `applied`: first the one change, then the other. */
export function snapshotBesideApplied({ state }: StoragePorts): Partial<StoragePorts> {
  return {
    state: override(state, {
      replace: async (name, text, etag, labels) => {
        const { now, before } = await bothOf(state, { name, text, etag });
        if (!now || !before) return state.replace(name, text, etag, labels);
        const [wanted, had] = [currentGeneration(now), currentGeneration(before)];
        if (wanted.snapshots.at(-1)?.snapshot === had.snapshots.at(-1)?.snapshot) {
          return state.replace(name, text, etag, labels);
        }
        const unnamed = withGeneration(now, { ...wanted, snapshots: had.snapshots });
        const first = await write(state, { name, volume: unnamed, etag });
        return state.replace(name, text, first.etag, labels);
      },
    }),
  };
}

/** A cut that is not the tip: what is acknowledged and not applied yet is cut off, a claim with it. */
export function cutAtApplied({ state }: StoragePorts): Partial<StoragePorts> {
  return {
    state: override(state, {
      replace: async (name, text, etag, labels) => {
        const { now, before } = await bothOf(state, { name, text, etag });
        const wanted = now && currentGeneration(now);
        if (!now || !before || !wanted?.cut || currentGeneration(before).cut) {
          return state.replace(name, text, etag, labels);
        }
        const { number, digest } = wanted.applied;
        const end = { number, digest };
        const cut = { ...end, term: wanted.cut.term };
        const volume = withGeneration(now, { ...wanted, tip: end, cut, claim: null });
        return write(state, { name, volume, etag });
      },
    }),
  };
}

/** The volume's document that is to be written, and the one that it is to replace; neither for other documents. */
export async function bothOf(
  state: StateStore,
  of: { readonly name: string; readonly text: string; readonly etag: string },
): Promise<{ now?: VolumeDocument | undefined; before?: VolumeDocument | undefined; nowMs: number }> {
  const now = volumeIn(of.name, of.text);
  if (!now) return { nowMs: 0 };
  const { document, serviceNowMs: nowMs } = await state.read(of.name);
  return document?.etag === of.etag ? { now, before: volumeIn(of.name, document.text), nowMs } : { nowMs };
}

function volumeIn(name: string, text: string): VolumeDocument | undefined {
  return name.startsWith('volumes/') ? volumeSchema.parse(JSON.parse(text)) : undefined;
}

/** Writes another document than the engine meant to. */
export async function write(
  state: StateStore,
  of: { readonly name: string; readonly volume: VolumeDocument; readonly etag: string },
): Promise<WriteAnswer> {
  return state.replace(of.name, JSON.stringify(of.volume), of.etag, volumeKind.labels?.(of.volume));
}
