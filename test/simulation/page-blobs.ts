/**
 * Page blobs as a simulated world has them: in memory, but a server-side copy takes its time and may fail, containers of
 * uploads come and go, and a page may rot in silence.
 *
 * What is as the platform documents it: the target of a copy is there from the beginning, and takes no writes until the
 * copy has ended; one that failed stays, and says so; what is in a container that is gone is gone, and nothing is created
 * in it (Azure Storage REST, "Copy Blob", "Delete Container").
 */
import { LeewardError } from '../../src/kernel/errors.ts';
import { CONTAINERS } from '../../src/kernel/names.ts';
import type { BlobPlace, ContainerPlace } from '../../src/kernel/places.ts';
import type { ByteParts } from '../../src/kernel/byte-parts.ts';
import type { Containers } from '../support/data-path.ts';
import { MemoryReplicaStore } from '../support/memory/replica-store.ts';
import type { SeededRandom } from './random.ts';
import type { Scheduler } from './scheduler.ts';

/** How likely a copy is to fail. */
const FAILS = 0.06;

interface Copy {
  readonly endsMs: number;
  readonly fails: boolean;
  state: 'copying' | 'done' | 'failed';
}

export class SimulatedPageBlobs extends MemoryReplicaStore {
  readonly #scheduler: Scheduler;
  readonly #random: SeededRandom;
  readonly #copyMsMax: () => number;
  readonly #copies = new Map<string, Copy>();
  readonly #containers = new Set<string>([CONTAINERS.replicas]);

  /** `copyMsMax` is how long a copy takes at most; where it is 0, none fails either. */
  constructor(scheduler: Scheduler, random: SeededRandom, copyMsMax: () => number) {
    super();
    this.#scheduler = scheduler;
    this.#random = random;
    this.#copyMsMax = copyMsMax;
  }

  /** Containers, as the access port makes and removes them. */
  readonly containers: Containers = {
    ensureContainer: async ({ container }) => void this.#containers.add(container),
    removeContainer: async (place) => {
      this.#containers.delete(place.container);
      this.removeContainer(place);
    },
  };

  override async create(place: BlobPlace, sizeBytes: number): Promise<void> {
    if (!this.#containers.has(place.container)) {
      throw new LeewardError('NOT_FOUND', `there is no container "${place.container}"`);
    }
    await super.create(place, sizeBytes);
  }

  override async copySnapshot(from: BlobPlace & { snapshot: string }, to: BlobPlace): Promise<'copying' | 'done'> {
    const key = to.blob;
    if (!this.#copies.has(key)) {
      if (await this.properties(to)) return 'done';
      await super.copySnapshot(from, hidden(to));
      const msMax = this.#copyMsMax();
      const endsMs = this.#scheduler.bootMs() + this.#random.between(0, msMax);
      this.#copies.set(key, { endsMs, fails: msMax > 0 && this.#random.chance(FAILS), state: 'copying' });
      await super.create(to, (await super.properties(hidden(to)))?.sizeBytes ?? 0);
    }
    const state = this.#stateOf(to);
    if (state === 'failed') throw new LeewardError('PLATFORM_FAILED', `the copy "${to.blob}" ended as "failed"`);
    return state;
  }

  override async remove(place: BlobPlace): Promise<void> {
    this.#copies.delete(place.blob);
    await super.remove(hidden(place));
    await super.remove(place);
  }

  override async writePages(
    place: BlobPlace,
    at: { offset: number; bytes: Uint8Array | ByteParts; fence: number },
  ): Promise<{ etag: string }> {
    this.#needSettled(place);
    return super.writePages(place, at);
  }

  override async clearPages(
    place: BlobPlace,
    at: { offset: number; lengthBytes: number; fence: number },
  ): Promise<{ etag: string }> {
    this.#needSettled(place);
    return super.clearPages(place, at);
  }

  override async raiseSequenceNumber(place: BlobPlace, fence: number): Promise<void> {
    this.#needSettled(place);
    return super.raiseSequenceNumber(place, fence);
  }

  override async resetSequenceNumber(place: BlobPlace, at: { etag: string }): Promise<void> {
    this.#needSettled(place);
    return super.resetSequenceNumber(place, at);
  }

  /** Names of all page blobs, that of their container before them. */
  names(): string[] {
    return this.places()
      .map((name) => name.split('/').slice(1).join('/'))
      .filter((name) => !name.endsWith(HIDDEN));
  }

  /** How the copy into this blob stands; one that is over is put where it belongs. */
  #stateOf(to: BlobPlace): 'copying' | 'done' | 'failed' {
    const copy = this.#copies.get(to.blob);
    if (!copy) return 'done';
    if (copy.state === 'copying' && copy.endsMs <= this.#scheduler.bootMs()) {
      copy.state = copy.fails ? 'failed' : 'done';
      if (copy.fails) this.drop(hidden(to));
      else this.move(hidden(to), to);
    }
    return copy.state;
  }

  #needSettled(place: BlobPlace): void {
    if (this.#stateOf(place) !== 'copying') return;
    throw new LeewardError('CONFLICT', `"${place.blob}" is being copied into`);
  }
}

/** Ends the name of what a copy will have become. */
const HIDDEN = '#copying';

function hidden(place: BlobPlace): BlobPlace {
  return { ...place, blob: `${place.blob}${HIDDEN}` };
}

/** Whether a place is one of an upload. */
export function isUpload({ container }: ContainerPlace): boolean {
  return container !== CONTAINERS.replicas;
}
