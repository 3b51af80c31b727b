/**
 * One interval of a volume: from reading it to the last delta stored.
 *
 * Invariants: every delta of it names the size that the volume had when it began, which may be another than the interval
 * before had; that size is checked before each delta is stored, and what was read under another one is dropped; deltas are
 * stored one after the other, each while the next one is made, and nothing of an interval goes on after its end; only
 * the interval's last delta carries a marker, since only then the replica stands as the volume stood; a delta ends early
 * only when a further change does not fit, so that none is without content, except where the marker itself is what is due:
 * an earlier interval was broken off, the first copy is all zeros, or nothing changed but the size or the properties.
 */
import type { DeltaMarker } from '../../delta/identity.ts';
import { DELTA_LIMITS } from '../../delta/limits.ts';
import { DeltaWriter } from '../../delta/write.ts';
import type { Clock } from '../../kernel/clock.ts';
import { LeewardError } from '../../kernel/errors.ts';
import { PAGE_BYTES } from '../../kernel/units.ts';
import type { SiteStore } from '../../ports/site-store.ts';
import type { VolumeSource } from '../../ports/volume-source.ts';
import { findChanges } from './block-index.ts';
import type { BlockChange, BlockRun } from './block-index.ts';
import { NO_PROPERTIES, propertiesText } from './properties.ts';
import type { SaidProperties } from './properties.ts';
import type { ReplicationState } from './replication-state.ts';
import type { VolumeLog } from './volume-log.ts';

/** What an interval did. */
export interface IntervalReport {
  /** Numbers of the deltas that were made, ascending; none where nothing had changed. */
  readonly numbers: readonly number[];
  readonly readBytes: number;
  /** Bytes of the volume that the deltas set. */
  readonly changedBytes: number;
  /** Bytes of the encoded deltas. */
  readonly storedBytes: number;
}

export interface IntervalOptions {
  readonly volume: string;
  readonly source: VolumeSource;
  readonly store: Pick<SiteStore, 'readIndex'>;
  readonly log: VolumeLog;
  readonly clock: Clock;
  /** What counts of the volume's properties in place of what its source says. */
  readonly said: SaidProperties;
  readonly consistency: DeltaMarker['consistency'];
  /** Literal bytes at which a delta counts as full; at most what the format allows. */
  readonly deltaLiteralBytesMax: number;
  /** How hard literal bytes are compressed: see `DeltaWriteOptions`. */
  readonly zstdLevel: number;
  /** Returns once `sizeBytes` more may be stored, or throws. */
  readonly makeRoom: (sizeBytes: number) => Promise<void>;
  /** Called after each delta that was stored. */
  readonly stored: () => void;
}

/** Runs one. Errors: SOURCE_CHANGED, CONFLICT (see {@link VolumeLog.append}), and what the options' functions throw. */
export async function runInterval(options: IntervalOptions, state: ReplicationState): Promise<IntervalReport> {
  const interval = new Interval(options, state);
  return await interval.run();
}

/** A delta that is being made. */
interface Draft {
  readonly writer: DeltaWriter;
  /** What it sets so far, as the index takes it. */
  readonly runs: BlockRun[];
}

class Interval {
  readonly #options: IntervalOptions;
  readonly #before: ReplicationState;
  #last: ReplicationState['last'];
  readonly #numbers: number[] = [];
  #changedBytes = 0;
  #storedBytes = 0;
  /** Until the delta that was made last is stored. */
  #storing: Promise<void> = Promise.resolve();

  constructor(options: IntervalOptions, state: ReplicationState) {
    this.#options = options;
    this.#before = state;
    this.#last = state.last;
  }

  async run(): Promise<IntervalReport> {
    const { source, store, clock, deltaLiteralBytesMax, consistency } = this.#options;
    const volumeBytes = await source.sizeBytes();
    if (volumeBytes % PAGE_BYTES !== 0 || volumeBytes > DELTA_LIMITS.volumeBytesMax) {
      throw new LeewardError(
        'REFUSED',
        `${this.#options.volume}: its ${volumeBytes} bytes are no multiple of ${PAGE_BYTES} up to ${DELTA_LIMITS.volumeBytesMax}`,
      );
    }
    // Before the first read: a recovery point claims no more than was surely written by then.
    const sourceTimeMs = Math.floor(clock.wallMs());
    const properties = await this.#changedProperties();
    const begin = (): Draft => {
      const { generation, term } = this.#before;
      const { number, digest: predecessor } = this.#last;
      const { volume, zstdLevel } = this.#options;
      // What holds from here on is told once, by the first delta.
      const said = this.#numbers.length === 0 ? properties : undefined;
      const writer = new DeltaWriter(
        { volume, generation, term, number: number + 1, volumeBytes, predecessor, sourceTimeMs, properties: said },
        { zstdLevel },
      );
      return { writer, runs: [] };
    };
    try {
      let draft = begin();
      const changes = findChanges(source, store, { volumeBytes, rangeBytesMax: deltaLiteralBytesMax });
      for await (const piece of changes) {
        if (!fits(draft.writer, piece, deltaLiteralBytesMax)) {
          await this.#store(draft, volumeBytes);
          draft = begin();
        }
        this.#add(draft, piece);
      }
      const { last, markedNumber } = this.#before;
      const isWhole = last.number > 0 && markedNumber === last.number;
      const markerDue = !isWhole || volumeBytes !== this.#before.volumeBytes || properties !== undefined;
      if (draft.writer.extentCount > 0 || (markerDue && this.#numbers.length === 0)) {
        const name = `p-${this.#last.number + 1}`;
        await this.#store(draft, volumeBytes, { name, consistency, timeMs: sourceTimeMs });
        await this.#storing;
      } else {
        await this.#checkSize(volumeBytes);
      }
    } finally {
      // Nothing of an interval goes on behind its back. What failed there is thrown above, or something else was before.
      await this.#storing.catch(() => undefined);
    }
    return {
      numbers: this.#numbers,
      readBytes: volumeBytes,
      changedBytes: this.#changedBytes,
      storedBytes: this.#storedBytes,
    };
  }

  /** The text of the volume's properties, where the chain does not have it yet. */
  async #changedProperties(): Promise<string | undefined> {
    const { source, said } = this.#options;
    const text = propertiesText(await source.properties(), said);
    return text === (this.#before.properties ?? NO_PROPERTIES) ? undefined : text;
  }

  #add({ writer, runs }: Draft, piece: BlockChange): void {
    const { offset, hashes } = piece;
    const lengthBytes = 'zerosBytes' in piece ? piece.zerosBytes : piece.bytes.length;
    if ('zerosBytes' in piece) writer.zeros(offset, lengthBytes);
    else writer.literal(offset, piece.bytes);
    runs.push({ offset, lengthBytes, hashes });
    this.#changedBytes += lengthBytes;
  }

  /** Begins to store the delta, after the one before is stored: what follows is read and compressed meanwhile. */
  async #store({ writer, runs }: Draft, volumeBytes: number, marker?: DeltaMarker): Promise<void> {
    const { bytes, digest } = writer.finish({ marker });
    await this.#storing;
    this.#last = { number: this.#last.number + 1, digest };
    this.#numbers.push(this.#last.number);
    this.#storedBytes += bytes.length;
    this.#storing = this.#storeNow(bytes, runs, volumeBytes);
    // Whoever waits for it hears of its failure.
    this.#storing.catch(() => undefined);
  }

  async #storeNow(bytes: Uint8Array, runs: readonly BlockRun[], volumeBytes: number): Promise<void> {
    const { makeRoom, log, stored } = this.#options;
    await makeRoom(bytes.length);
    await this.#checkSize(volumeBytes);
    await log.append(bytes, runs);
    stored();
  }

  async #checkSize(volumeBytes: number): Promise<void> {
    const nowBytes = await this.#options.source.sizeBytes();
    if (nowBytes === volumeBytes) return;
    throw new LeewardError(
      'SOURCE_CHANGED',
      `${this.#options.volume}: it had ${volumeBytes} bytes when the interval began and has ${nowBytes} now: the next interval takes the new size`,
    );
  }
}

/** Whether `piece` can be added to the delta that is being written. */
function fits(writer: DeltaWriter, piece: BlockChange, literalBytesMax: number): boolean {
  const literalBytes = 'zerosBytes' in piece ? 0 : piece.bytes.length;
  if (writer.extentCount === 0) return true;
  return writer.literalBytes + literalBytes <= literalBytesMax && writer.extentCount < DELTA_LIMITS.extentsMax;
}
