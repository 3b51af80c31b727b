/**
 * A site's range list in its journal, read a segment at a time.
 *
 * Invariants: what comes out was checked against its checksum and against the state that it was announced for; at most
 * one segment is held, whatever the volume's size.
 */
import { LeewardError } from '../../kernel/errors.ts';
import { volumeId } from '../../kernel/ids.ts';
import type { VolumeRef } from '../../kernel/ids.ts';
import { journalPrefix, rangesEntry } from '../../kernel/names.ts';
import type { BlobPlace, ContainerPlace } from '../../kernel/places.ts';
import type { EntryStore } from '../../ports/entries.ts';
import { RANGE_HASH_BYTES, rangeCount } from '../../ranges/blocks.ts';
import { RANGE_HEAD_BYTES, parseRangeHead, parseSegment, segmentOf } from '../../ranges/list.ts';
import type { RangeListHead } from '../../ranges/list.ts';

/** The state that a list is announced for, and where the list is. */
export interface AnnouncedList {
  readonly generation: number;
  readonly number: number;
  readonly digest: string;
  readonly entry: string;
}

export class RangeListReader {
  readonly head: RangeListHead;
  readonly #entries: EntryStore;
  readonly #place: BlobPlace;

  private constructor(entries: EntryStore, place: BlobPlace, head: RangeListHead) {
    this.#entries = entries;
    this.#place = place;
    this.head = head;
  }

  /**
   * Opens the list that was announced. Errors: NOT_FOUND; MESSAGE_INVALID when its name or head is not that of the list
   * that was announced; VERSION_TOO_NEW; UNAVAILABLE.
   */
  static async open(
    entries: EntryStore,
    of: { readonly volume: VolumeRef; readonly journal: ContainerPlace; readonly announced: AnnouncedList },
  ): Promise<RangeListReader> {
    const { volume, journal, announced } = of;
    checkName(volume, announced);
    const place = { ...journal, blob: announced.entry };
    const bytes = await entries.readPart(place, { offset: 0, lengthBytes: RANGE_HEAD_BYTES });
    if (!bytes) throw new LeewardError('NOT_FOUND', `entry: the journal has no "${announced.entry}"`);
    const head = parseRangeHead(bytes);
    const { generation, number, digest } = announced;
    const said = { volume: volumeId(volume), generation, number, digest };
    const wrong = (['volume', 'generation', 'number', 'digest'] as const).find((field) => head[field] !== said[field]);
    if (wrong) {
      throw new LeewardError('MESSAGE_INVALID', `${wrong}: the message says ${said[wrong]}, the list ${head[wrong]}`);
    }
    return new RangeListReader(entries, place, head);
  }

  /** How many ranges the list tells of. */
  get ranges(): number {
    return rangeCount(this.head.volumeBytes);
  }

  /**
   * The hashes of ranges from `first` on, at most `count` and none behind the list's end: all of one segment, so there may
   * be fewer. Errors: MESSAGE_INVALID when the segment is damaged or cut short; NOT_FOUND, UNAVAILABLE.
   */
  async hashes(first: number, count: number): Promise<Uint8Array> {
    if (first >= this.ranges) return new Uint8Array(0);
    const segment = segmentOf(this.head, first);
    const stored = await this.#entries.readPart(this.#place, segment);
    if (!stored) throw new LeewardError('NOT_FOUND', `entry: the journal has no "${this.#place.blob}" any more`);
    if (stored.length !== segment.lengthBytes) {
      throw new LeewardError('MESSAGE_INVALID', `range list: "${this.#place.blob}" is cut short`);
    }
    const from = first - segment.firstRange;
    return parseSegment(stored).subarray(from * RANGE_HASH_BYTES, (from + count) * RANGE_HASH_BYTES);
  }
}

/**
 * Removes a list that cannot be read. It is named by its own content and never overwritten, so only then the site can put
 * it again. Nothing else is ever removed: an entry that is not named as a list of this state stays. Can be repeated.
 */
export async function discardList(
  entries: EntryStore,
  of: { readonly volume: VolumeRef; readonly journal: ContainerPlace; readonly announced: AnnouncedList },
): Promise<void> {
  const { volume, journal, announced } = of;
  if (isNamed(volume, announced)) await entries.remove({ ...journal, blob: announced.entry });
}

/** The entry must be named as a list of this state is. */
function checkName(volume: VolumeRef, announced: AnnouncedList): void {
  if (isNamed(volume, announced)) return;
  const { entry, generation } = announced;
  const form = `${journalPrefix(volume, generation)}ranges/`;
  throw new LeewardError('MESSAGE_INVALID', `entry: "${entry.slice(0, 200)}" is no range list of this state (${form})`);
}

function isNamed(volume: VolumeRef, { generation, number, entry }: AnnouncedList): boolean {
  const sha256 = /([0-9a-f]{64})\.ranges$/.exec(entry)?.[1];
  return sha256 !== undefined && rangesEntry(volume, { generation, number, sha256 }) === entry;
}
