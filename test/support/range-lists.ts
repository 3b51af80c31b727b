/** Range lists as a site makes them, for tests: encoded, named, in the journal, announced. */
import { LeewardError } from '../../src/kernel/errors.ts';
import { NO_DIGEST, sha256Hex } from '../../src/kernel/hash.ts';
import { rangesEntry } from '../../src/kernel/names.ts';
import type { BlobPlace } from '../../src/kernel/places.ts';
import type { EntryStore } from '../../src/ports/entries.ts';
import { sign } from '../../src/protocol/signed.ts';
import type { SignedMessage } from '../../src/protocol/signed.ts';
import { baseDigestNext, baseDigestStart } from '../../src/ranges/base-digest.ts';
import { RANGE_BYTES, RANGE_HASH_BYTES, blockHashes, rangeCount, rangeHash } from '../../src/ranges/blocks.ts';
import {
  SEGMENT_RANGES,
  encodeRangeList,
  parseRangeHead,
  parseSegment,
  rangeListBytes,
  segmentOf,
} from '../../src/ranges/list.ts';
import type { RangeList } from '../../src/ranges/list.ts';
import type { SiteFixture } from './site-fixture.ts';

/** The state that a list is made of. */
export interface ListWish {
  readonly number: number;
  readonly generation?: number;
  readonly digest?: string;
  /** What the site believes that the volume held. Left out: what it did hold. */
  readonly bytes?: Uint8Array;
}

export interface MadeList {
  readonly place: BlobPlace;
  readonly bytes: Uint8Array;
  readonly message: SignedMessage;
}

/** A whole list, as the cloud reads it: the head, then one segment after the other. */
export function parseRangeList(bytes: Uint8Array): RangeList {
  const head = parseRangeHead(bytes);
  const ranges = rangeCount(head.volumeBytes);
  const hashes = new Uint8Array(ranges * RANGE_HASH_BYTES);
  for (let range = 0; range < ranges; range += SEGMENT_RANGES) {
    const segment = segmentOf(head, range);
    const stored = bytes.subarray(segment.offset, segment.offset + segment.lengthBytes);
    hashes.set(parseSegment(stored), segment.firstRange * RANGE_HASH_BYTES);
  }
  if (bytes.length !== rangeListBytes(head.volumeBytes)) {
    throw new LeewardError(
      'MESSAGE_INVALID',
      `range list: ${bytes.length} bytes, not ${rangeListBytes(head.volumeBytes)}`,
    );
  }
  return { ...head, hashes };
}

/** The hashes of all ranges of `volume`. */
export function hashesOf(volume: Uint8Array): Uint8Array {
  const hashes = new Uint8Array(rangeCount(volume.length) * RANGE_HASH_BYTES);
  for (let range = 0; range < rangeCount(volume.length); range += 1) {
    const bytes = volume.subarray(range * RANGE_BYTES, (range + 1) * RANGE_BYTES);
    hashes.set(rangeHash(blockHashes(bytes)), range * RANGE_HASH_BYTES);
  }
  return hashes;
}

/** The digest of a base that holds `volume`. */
export function baseDigestOf(volume: string, generation: number, bytes: Uint8Array): string {
  const hashes = hashesOf(bytes);
  let digest = baseDigestStart({ volume, generation, volumeBytes: bytes.length });
  for (let at = 0; at < hashes.length; at += RANGE_HASH_BYTES) {
    digest = baseDigestNext(digest, hashes.subarray(at, at + RANGE_HASH_BYTES));
  }
  return digest;
}

/** Makes a list without putting it anywhere. `changed` overrides fields of its message. */
export function makeList(site: SiteFixture, wish: ListWish, changed: Record<string, unknown> = {}): MadeList {
  const { number, generation = site.generation } = wish;
  const digest = wish.digest ?? (number === 0 ? NO_DIGEST : site.digestAt(number));
  const volume = wish.bytes ?? site.bytesAt(number);
  const head = { volume: site.id, generation, number, digest, volumeBytes: volume.length };
  const bytes = encodeRangeList({ ...head, hashes: hashesOf(volume) });
  const entry = rangesEntry(site.ref, { generation, number, sha256: sha256Hex(bytes) });
  const payload = { volume: site.id, generation, number, digest, entry, ...changed };
  return { place: { ...site.journal, blob: entry }, bytes, message: sign(site.key, 'ranges', payload) };
}

/** Puts a list into the journal and returns the message that announces it. */
export async function putList(entries: EntryStore, site: SiteFixture, wish: ListWish): Promise<SignedMessage> {
  const { place, bytes, message } = makeList(site, wish);
  await entries.create(place, bytes);
  return message;
}
