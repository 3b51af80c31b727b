/**
 * One interval of a volume: from reading it to the last delta stored.
 *
 * Invariants: every delta of it names the size that the volume had when it began, which may be another than the interval
 * before had; that size is checked before each delta is stored, and what was read under another one is dropped; deltas are
 * stored one after the other, each while the next one is made, and nothing of an interval goes on after its end; each is
 * in memory only in a turn of those that the site's volumes share, from its first byte until it is stored, and no turn is
 * held while the outbox is full; only the interval's last delta carries a marker, since only then the replica stands as the
 * volume stood; a delta ends early only when a further change does not fit, or another volume has waited for its turn,
 * so that none is without content, except where the marker itself is what is due: an earlier interval was broken off, this
 * one's last change is stored already, the first copy is all zeros, or nothing changed but the size or the properties.
 */
import type { DeltaMarker } from '../../delta/identity.ts';
import type { DeltaLimits } from '../../delta/limits.ts';
import { DeltaWriter } from '../../delta/write.ts';
import type { Clock } from '../../kernel/clock.ts';
import { LeewardError, isLeewardError } from '../../kernel/errors.ts';
import type { Semaphore } from '../../kernel/semaphore.ts';
import { PAGE_BYTES } from '../../kernel/units.ts';
import type { HeldStill, Quiesce } from '../../ports/quiesce.ts';
import type { SiteStore } from '../../ports/site-store.ts';
import type { VolumeSource } from '../../ports/volume-source.ts';
import { MAKING_MS_MAX } from '../work/shared-work.ts';
import { findChanges } from './block-index.ts';
import type { BlockChange, BlockRun } from './block-index.ts';
import { cutToFit, encodedBytesAtMost } from './delta-room.ts';
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
  /** Why the volume did not stand still while it was read, though it should have; undefined where all is well. */
  readonly restless: LeewardError | undefined;
}

export interface IntervalOptions {
  readonly volume: string;
  readonly source: VolumeSource;
  readonly store: Pick<SiteStore, 'readIndex'>;
  readonly log: VolumeLog;
  readonly clock: Clock;
  /** What counts of the volume's properties in place of what its source says. */
  readonly said: SaidProperties;
  /** Makes the volume stand still while it is read, so that its points are application-consistent. */
  readonly quiesce?: Quiesce | undefined;
  /** Literal bytes at which a delta counts as full, where `limits` allow so many. */
  readonly deltaLiteralBytesMax: number;
  /** How large a delta may be that is begun now. */
  readonly limits: () => DeltaLimits;
  /** How hard literal bytes are compressed: see `DeltaWriteOptions`. */
  readonly zstdLevel: number;
  /** Turns at having a delta in memory. */
  readonly turns: Semaphore;
  /** Throws where nothing may be stored any more. */
  readonly mayStore: () => void;
  /** Whether `sizeBytes` more may be stored, once `storingBytes` are. */
  readonly hasRoom: (of: { readonly sizeBytes: number; readonly storingBytes: number }) => boolean;
  /** Returns once there is room, or throws why nothing may be stored. */
  readonly makeRoom: (isThere: () => boolean) => Promise<void>;
  /** Called after each delta that was stored. */
  readonly stored: () => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs one. Errors: SOURCE_CHANGED, CONFLICT (see {@link VolumeLog.append}), LIMIT_EXCEEDED where name or properties alone
 * are above the cloud's limits, what the options' functions throw, and the signal's reason.
 */
export async function runInterval(options: IntervalOptions, state: ReplicationState): Promise<IntervalReport> {
  const interval = new Interval(options, state);
  return await interval.run();
}

/** A delta that is being made, in a turn. */
interface Draft {
  readonly writer: DeltaWriter;
  /** What it sets so far, as the index takes it. */
  readonly runs: BlockRun[];
  readonly limits: DeltaLimits;
  readonly begunBootMs: number;
}

/** What holds for all deltas of an interval. */
interface Same {
  readonly volumeBytes: number;
  readonly properties: string | undefined;
}

class Interval {
  readonly #options: IntervalOptions;
  readonly #before: ReplicationState;
  #last: ReplicationState['last'];
  readonly #numbers: number[] = [];
  #sourceTimeMs: number | undefined;
  #changedBytes = 0;
  #storedBytes = 0;
  /** Undefined exactly while no turn is held for one. */
  #draft: Draft | undefined;
  /** Until the delta that was made last is stored, and its bytes. */
  #storing: Promise<void> = Promise.resolve();
  #storingBytes = 0;
  #held: HeldStill | undefined;
  #restless: LeewardError | undefined;

  constructor(options: IntervalOptions, state: ReplicationState) {
    this.#options = options;
    this.#before = state;
    this.#last = state.last;
  }

  async run(): Promise<IntervalReport> {
    const { source, store, deltaLiteralBytesMax, limits, quiesce, turns } = this.#options;
    const volumeBytes = await source.sizeBytes();
    const { volumeBytesMax } = limits();
    if (volumeBytes % PAGE_BYTES !== 0 || volumeBytes > volumeBytesMax) {
      throw new LeewardError(
        'REFUSED',
        `${this.#options.volume}: its ${volumeBytes} bytes are no multiple of ${PAGE_BYTES} up to ${volumeBytesMax}`,
      );
    }
    try {
      const same = { volumeBytes, properties: await this.#changedProperties() };
      let draft = await this.#begin(same);
      // With the turn in hand, so that nothing is held still for somebody else's work.
      if (quiesce) await this.#holdStill(quiesce);
      const changes = findChanges(source, store, {
        volumeBytes,
        rangeBytesMax: deltaLiteralBytesMax,
        rest: async () => {
          draft = await this.#rest(draft, same);
        },
      });
      for await (const piece of changes) draft = await this.#addChange(draft, piece, same);
      const consistency = this.#held ? await this.#letGo(this.#held) : 'crash';
      const { last, markedNumber } = this.#before;
      const isWhole = last.number > 0 && markedNumber === last.number;
      const isNew = !isWhole || volumeBytes !== this.#before.volumeBytes || same.properties !== undefined;
      if (draft.writer.extentCount > 0 || isNew || this.#numbers.length > 0) {
        draft = await this.#withRoom(draft, same);
        const name = `p-${this.#last.number + 1}`;
        await this.#store(draft, volumeBytes, { name, consistency, timeMs: this.#timeOfSource() });
        await this.#storing;
      } else {
        await this.#checkSize(volumeBytes);
      }
    } finally {
      if (this.#held) await this.#held.release();
      if (this.#draft) turns.end();
      // Nothing of an interval goes on behind its back. What failed there is thrown above, or something else was before.
      await this.#storing.catch(() => undefined);
    }
    return {
      numbers: this.#numbers,
      readBytes: volumeBytes,
      changedBytes: this.#changedBytes,
      storedBytes: this.#storedBytes,
      restless: this.#restless,
    };
  }

  /** What cannot be made to stand still is read all the same, as it would be after a power cut. */
  async #holdStill(quiesce: Quiesce): Promise<void> {
    const { signal, volume } = this.#options;
    try {
      this.#held = await quiesce.hold(signal);
    } catch (error) {
      if (signal?.aborted || !isLeewardError(error)) throw error;
      this.#restless = new LeewardError(error.code, `${volume}: ${error.message}`);
    }
  }

  /** How consistent what was read is. */
  async #letGo(held: HeldStill): Promise<DeltaMarker['consistency']> {
    this.#held = undefined;
    if (await held.release()) return 'application';
    this.#restless = new LeewardError(
      'UNAVAILABLE',
      `${this.#options.volume}: it did not stand still while it was read`,
    );
    return 'crash';
  }

  /** The next delta, once there is a turn for it. */
  async #begin({ volumeBytes, properties }: Same): Promise<Draft> {
    const { turns, signal, volume, zstdLevel, clock } = this.#options;
    await turns.take({ signal });
    try {
      const { generation, term } = this.#before;
      const { number, digest: predecessor } = this.#last;
      const limits = this.#options.limits();
      const sourceTimeMs = this.#timeOfSource();
      // What holds from here on is told once, by the first delta.
      const said = this.#numbers.length === 0 ? properties : undefined;
      const writer = new DeltaWriter(
        { volume, generation, term, number: number + 1, volumeBytes, predecessor, sourceTimeMs, properties: said },
        { zstdLevel, limits },
      );
      return (this.#draft = { writer, runs: [], limits, begunBootMs: clock.bootMs() });
    } catch (error) {
      turns.end();
      throw error;
    }
  }

  /** Lets others have their turn, where this one has lasted long enough. The delta to go on with. */
  async #rest(draft: Draft, same: Same): Promise<Draft> {
    const { turns, clock, signal } = this.#options;
    signal?.throwIfAborted();
    if (!turns.isWanted() || clock.bootMs() - draft.begunBootMs < MAKING_MS_MAX) return draft;
    if (draft.writer.extentCount > 0) await this.#store(draft, same.volumeBytes);
    else this.#drop();
    return await this.#begin(same);
  }

  /** The delta to go on with, for which there is room in the outbox; `draft` where nothing had to be waited for. */
  async #withRoom(draft: Draft, same: Same): Promise<Draft> {
    const { hasRoom, makeRoom, deltaLiteralBytesMax } = this.#options;
    const sizeBytes = encodedBytesAtMost(deltaLiteralBytesMax);
    const isThere = (): boolean => hasRoom({ sizeBytes, storingBytes: this.#storingBytes });
    // What has content has its room.
    if (draft.writer.extentCount > 0 || isThere()) return draft;
    this.#drop();
    await this.#storing;
    await makeRoom(isThere);
    return await this.#begin(same);
  }

  /** Gives up a delta without content, and its turn. */
  #drop(): void {
    this.#draft = undefined;
    this.#options.turns.end();
  }

  /** Takes a change into the delta that is being made, and into as many as it takes. The one to go on with. */
  async #addChange(draft: Draft, piece: BlockChange, same: Same): Promise<Draft> {
    const { deltaLiteralBytesMax: literalBytesMax } = this.#options;
    let [into, rest] = [draft, piece];
    for (;;) {
      into = await this.#withRoom(into, same);
      const { now, later } = cutToFit(rest, into.writer, { limits: into.limits, literalBytesMax });
      if (now) this.#add(into, now);
      if (!later) return into;
      await this.#store(into, same.volumeBytes);
      [into, rest] = [await this.#begin(same), later];
    }
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
    this.#storingBytes = bytes.length;
    this.#draft = undefined;
    this.#storing = this.#storeNow(bytes, runs, volumeBytes).finally(() => {
      this.#storingBytes = 0;
      this.#options.turns.end();
    });
    // Whoever waits for it hears of its failure.
    this.#storing.catch(() => undefined);
  }

  async #storeNow(bytes: Uint8Array, runs: readonly BlockRun[], volumeBytes: number): Promise<void> {
    const { mayStore, log, stored } = this.#options;
    mayStore();
    await this.#checkSize(volumeBytes);
    await log.append(bytes, runs);
    stored();
  }

  /** Before the first read: a recovery point claims no more than was surely written by then. */
  #timeOfSource(): number {
    return (this.#sourceTimeMs ??= Math.floor(this.#options.clock.wallMs()));
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
