/** Looks at the replica as anybody could: its footer, every byte of it beside the volume's, what it weighs. */
import { VHD_FOOTER_BYTES, describeFooter, replicaDataBytes } from '../vhd/footer.ts';
import { LeewardError } from '../kernel/errors.ts';
import { sha256 } from '../kernel/hash.ts';
import type { BlobPlace } from '../kernel/places.ts';
import { MIB, PAGE_BYTES } from '../kernel/units.ts';
import type { ReplicaStore } from '../ports/replica-store.ts';
import type { VolumeSource } from '../ports/volume-source.ts';
import { download } from '../system/download.ts';

const PIECE_BYTES = 4 * MIB;
const LIST_MS = 60_000;

export interface ReplicaFacts {
  /** The data, without the footer. */
  readonly dataBytes: number;
  readonly sha256: string;
  /** What is wrong with the footer; none for a fixed VHD of the right size. */
  readonly problems: readonly string[];
  /** First byte that differs from the volume, padded with zeros to the replica's size; undefined where none does. */
  readonly differsAt: number | undefined;
}

/** Reads all of the replica, in pieces, beside the volume. `signal` breaks it off. */
export async function compareReplica(
  replicas: ReplicaStore,
  place: BlobPlace,
  of: { volume: VolumeSource; signal: AbortSignal },
): Promise<ReplicaFacts> {
  const blobBytes = (await replicas.properties(place))?.sizeBytes;
  if (blobBytes === undefined) throw new LeewardError('NOT_FOUND', `there is no replica "${place.blob}"`);
  const volumeBytes = await of.volume.sizeBytes();
  const dataBytes = blobBytes - VHD_FOOTER_BYTES;
  const footer = describeFooter(
    await replicas.read(place, { offset: dataBytes, lengthBytes: VHD_FOOTER_BYTES }),
    blobBytes,
  );
  const problems = [...footer.problems];
  if (dataBytes !== replicaDataBytes(volumeBytes)) {
    problems.push(`${dataBytes} bytes of data for a volume of ${volumeBytes}`);
  }
  const hash = sha256();
  let differsAt: number | undefined;
  for (let offset = 0; offset < dataBytes; offset += PIECE_BYTES) {
    of.signal.throwIfAborted();
    const lengthBytes = Math.min(PIECE_BYTES, dataBytes - offset);
    const expected = new Uint8Array(lengthBytes);
    const [found] = await Promise.all([
      replicas.read(place, { offset, lengthBytes }),
      of.volume.read(offset, expected.subarray(0, Math.max(0, Math.min(lengthBytes, volumeBytes - offset)))),
    ]);
    hash.update(found);
    if (differsAt === undefined && Buffer.compare(found, expected) !== 0) {
      differsAt = offset + expected.findIndex((byte, at) => found[at] !== byte);
    }
  }
  return { dataBytes, sha256: hash.hex(), problems, differsAt };
}

/** Bytes of the pages that a page blob really holds, by a URL that reads it. */
export async function populatedBytes(readUrl: string): Promise<number> {
  const url = new URL(readUrl);
  url.searchParams.set('comp', 'pagelist');
  const list = await download({
    url: url.href,
    timeoutMs: LIST_MS,
    bytesMax: 64 * MIB,
    what: "the replica's page ranges",
  });
  // Source: Azure Storage REST, "Get Page Ranges", response body.
  const ranges = Buffer.from(list)
    .toString('utf8')
    .matchAll(/<PageRange>\s*<Start>(\d+)<\/Start>\s*<End>(\d+)<\/End>\s*<\/PageRange>/g);
  let sum = 0;
  for (const [, start, end] of ranges) sum += Number(end) + 1 - Number(start);
  return Math.floor(sum / PAGE_BYTES) * PAGE_BYTES;
}
