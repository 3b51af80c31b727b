/**
 * Access in memory: URLs that say what they open and until when, and containers that can be gone.
 */
import type { BlobPlace, ContainerPlace } from '../../../src/kernel/places.ts';
import type { AccessIssuer } from '../../../src/ports/access.ts';
import type { MemoryReplicaStore } from './replica-store.ts';

export class MemoryAccess implements AccessIssuer {
  readonly #replicas: MemoryReplicaStore;

  constructor(replicas: MemoryReplicaStore) {
    this.#replicas = replicas;
  }

  async queueUrl(queue: string, expiresAtMs: number): Promise<string> {
    return url(queue, expiresAtMs);
  }

  async journalUrl({ container }: ContainerPlace, expiresAtMs: number): Promise<string> {
    return url(container, expiresAtMs);
  }

  async uploadUrl({ container, blob }: BlobPlace, expiresAtMs: number): Promise<string> {
    return url(`${container}/${blob}`, expiresAtMs);
  }

  async ensureContainer(): Promise<void> {
    // A container in memory is there as soon as something is in it.
  }

  async removeContainer(place: ContainerPlace): Promise<void> {
    this.#replicas.removeContainer(place);
  }
}

function url(path: string, expiresAtMs: number): string {
  return `https://memory.test/${path}?ends=${expiresAtMs}&sig=secret`;
}
