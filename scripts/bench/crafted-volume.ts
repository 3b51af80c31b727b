/**
 * A volume of the real stack whose deltas are made by the bench itself: where the measured part begins at the envelope, no
 * replicator has to read a volume of 256 GiB.
 */
import { BlobServiceClient } from '@azure/storage-blob';
import type { DeltaPiece } from '../../src/delta/delta.ts';
import { parseVolume } from '../../src/kernel/ids.ts';
import { QUEUES, journalContainer } from '../../src/kernel/names.ts';
import { readStorageConnection } from '../../src/local/stack/stack.ts';
import { signingKey } from '../../src/site/send/access.ts';
import { register } from '../../test/support/integration/live-site.ts';
import type { LiveStack } from '../../test/support/integration/live-stack.ts';
import { DeltaChain } from './delta-chain.ts';

/** A delta that waits to be sent; what is too large for a message is in the journal already. */
export interface PreparedDelta {
  readonly number: number;
  readonly sizeBytes: number;
  readonly send: () => Promise<void>;
}

export class CraftedVolume {
  readonly id: string;
  readonly #stack: LiveStack;
  readonly #chain: DeltaChain;

  private constructor(of: { id: string; stack: LiveStack; chain: DeltaChain }) {
    this.id = of.id;
    this.#stack = of.stack;
    this.#chain = of.chain;
  }

  /** Registers the volume; its site's journal is there once this resolves. */
  static async register(stack: LiveStack, id: string, volumeBytes: number): Promise<CraftedVolume> {
    const key = signingKey(await register(stack, id, { volumeBytes }));
    const blobs = BlobServiceClient.fromConnectionString(await readStorageConnection(stack.facts));
    await blobs.getContainerClient(journalContainer(parseVolume(id))).createIfNotExists();
    return new CraftedVolume({ id, stack, chain: new DeltaChain({ volume: id, volumeBytes, key }) });
  }

  /** Makes the next delta of `extents`, to be sent through `queue`, the running replication's by default. */
  async prepare(
    extents: Iterable<DeltaPiece>,
    options: { readonly queue?: keyof typeof QUEUES; readonly zstdLevel?: number } = {},
  ): Promise<PreparedDelta> {
    const { queue = 'deltas', ...write } = options;
    const { bytes, entry, message, number } = this.#chain.next(extents, write);
    const { account, entries, queues } = this.#stack.storage;
    const container = journalContainer(parseVolume(this.id));
    if (entry !== undefined) await entries.create({ account, container, blob: entry }, bytes);
    const send = async (): Promise<void> => queues.send(QUEUES[queue], JSON.stringify(message));
    return { number, sizeBytes: bytes.length, send };
  }
}
