/**
 * A volume's chain of deltas at the site: state, outbox and index as one thing.
 *
 * Invariants, at a crash between any two durable operations: a delta is durable in the outbox before the index or the
 * state knows it; what the outbox holds beyond the state is adopted at the next start, by replaying it into the index;
 * a delta leaves the outbox only after the state says that it was acknowledged, with its own digest, and is in the
 * replica: until then the cloud may find its entry damaged and ask for it again. A change that failed, by whatever fault,
 * is followed by the same recovery before the next one.
 */
import { openDelta } from '../../delta/delta.ts';
import { parseHead } from '../../delta/head.ts';
import type { DeltaHead } from '../../delta/head.ts';
import type { ByteRange } from '../../kernel/byte-range.ts';
import type { ChainPoint } from '../../kernel/chain-point.ts';
import { LeewardError } from '../../kernel/errors.ts';
import type { SiteStore } from '../../ports/site-store.ts';
import type { RangeList } from '../../ranges/list.ts';
import { bringInStep, cutBehind, forgetBlocks, noteHashes, rangeHashesOf, runsOf } from './block-index.ts';
import type { BlockRun } from './block-index.ts';
import { freshState, parseState, serializeState } from './replication-state.ts';
import type { BaseOrigin, ReplicationState } from './replication-state.ts';

/** Deltas whose hashes are remembered till they are sent: what 1 GiB of literal bytes makes, in 4 MiB of memory. */
const REMEMBERED_MAX = 64;

/** A delta in the outbox. */
export interface StoredDelta {
  readonly number: number;
  readonly sizeBytes: number;
}

export class VolumeLog {
  readonly #volume: string;
  readonly #store: SiteStore;
  #state: ReplicationState | undefined;
  #stored: readonly StoredDelta[] = [];
  /** False before the first recovery, while a change is under way, and after one that failed. */
  #sound = false;
  #turn: Promise<unknown> = Promise.resolve();
  /** How often something began to change the index. */
  #indexChanges = 0;
  /** By digest; the oldest first. */
  readonly #literalHashes = new Map<string, Uint8Array>();

  constructor(volume: string, store: SiteStore) {
    this.#volume = volume;
    this.#store = store;
  }

  /** Makes the store whole, if it is not yet. Errors: DOCUMENT_INVALID, VERSION_TOO_NEW. */
  async recover(): Promise<void> {
    await this.#exclusive(async () => undefined);
  }

  /** Undefined before the first generation was begun. */
  get state(): ReplicationState | undefined {
    return this.#state;
  }

  /** What was stored and not acknowledged, ascending. */
  get waiting(): readonly StoredDelta[] {
    const acknowledged = this.#state?.acknowledged.number ?? 0;
    return this.#stored.filter((delta) => delta.number > acknowledged);
  }

  /** Bytes of all that is {@link waiting}. */
  get waitingBytes(): number {
    return this.waiting.reduce((sum, delta) => sum + delta.sizeBytes, 0);
  }

  /** Bytes of all that the outbox holds: what waits, and what is acknowledged and not applied yet. */
  get storedBytes(): number {
    return this.#stored.reduce((sum, delta) => sum + delta.sizeBytes, 0);
  }

  /**
   * Begins a generation: numbers from 1, and nothing left of an earlier one in the outbox. The index is emptied, but where
   * the generation begins from a recovery point of the one before: there it still says most of what the replica holds.
   */
  async begin(of: { generation: number; term: number; from?: BaseOrigin | undefined }): Promise<void> {
    const { from, ...head } = of;
    await this.#exclusive(async () => {
      const fresh = freshState({ volume: this.#volume, ...head });
      const { volumeBytes = null, directBytes = null } = this.#state ?? {};
      if (from === undefined) await this.#write(fresh);
      else if (from === 'upload') await this.#write({ ...fresh, directBytes, base: { from, phase: 'filling' } });
      else {
        const phase = volumeBytes === null ? 'filling' : 'listed';
        await this.#write({ ...fresh, index: 'to-keep', volumeBytes, base: { from, phase } });
      }
      await this.#clear();
    });
  }

  /** The generation, of which nothing was made yet, begins from a base after all. Nothing if that is known. */
  async takeBase(from: BaseOrigin): Promise<void> {
    await this.#exclusive(async () => {
      const state = this.#need();
      if (state.base !== null || state.last.number > 0) return;
      await this.#write({ ...state, base: { from, phase: 'filling' } });
    });
  }

  /** From now on the site asks to write a first copy of this size as raw pages. */
  async askDirect(directBytes: number): Promise<void> {
    await this.#exclusive(async () => {
      await this.#write({ ...this.#need(), directBytes });
    });
  }

  /**
   * Takes into the index what the base of this generation holds by now: hashes of blocks from `offset` on. With `durable`
   * everything that was taken so far survives. Errors: CONFLICT once the base is filled, or another generation began.
   */
  async fill(
    generation: number,
    part: { readonly offset: number; readonly hashes: Uint8Array; readonly durable: boolean },
  ): Promise<void> {
    await this.#changeIndex(async () => {
      this.#needFilling(generation);
      await noteHashes(this.#store, part);
      if (part.durable) await this.#store.syncIndex();
    });
  }

  /**
   * The base is filled, of a volume of this size: the index stays as it is until the cloud has compared it. With
   * `unknown` it was filled by an earlier life of this site, of which nothing is left: nothing is believed of it.
   */
  async closeBase(
    generation: number,
    { volumeBytes, unknown }: { readonly volumeBytes: number; readonly unknown: boolean },
  ): Promise<void> {
    await this.#changeIndex(async () => {
      const { state, base } = this.#needFilling(generation);
      await cutBehind(this.#store, volumeBytes);
      const all = { offset: 0, lengthBytes: volumeBytes };
      await forgetBlocks(this.#store, unknown ? [all] : [], volumeBytes);
      await this.#write({ ...state, volumeBytes, base: { ...base, phase: 'listed' } });
    });
  }

  /** The cloud has the base, whose digest is what delta 1 follows. Nothing if that is known. */
  async openBase(digest: string): Promise<void> {
    await this.#exclusive(async () => {
      const state = this.#need();
      if (state.base?.phase !== 'listed') return;
      const start = { number: 0, digest };
      await this.#write({ ...state, last: start, acknowledged: start, base: { ...state.base, phase: 'ready' } });
    });
  }

  /**
   * The volume has this size before delta 1. What is behind the end that was compared is unknown then: the recovery point
   * that the base was copied from may have been longer.
   */
  async growBase(volumeBytes: number): Promise<void> {
    const { last, volumeBytes: comparedBytes } = this.#need();
    if (last.number > 0 || comparedBytes === null || volumeBytes <= comparedBytes) return;
    await this.#changeIndex(async () => {
      const added = { offset: comparedBytes, lengthBytes: volumeBytes - comparedBytes };
      await forgetBlocks(this.#store, [added], volumeBytes);
      await this.#write({ ...this.#need(), volumeBytes });
    });
  }

  /** Makes the ranges of a repair unknown, so that the next interval sends them. Nothing if that was done. */
  async repair({ id, ranges }: { readonly id: string; readonly ranges: readonly ByteRange[] }): Promise<void> {
    if (this.#state?.repaired === id) return;
    await this.#changeIndex(async () => {
      const state = this.#need();
      // Of a volume of which nothing was sent, nothing is believed.
      if (state.volumeBytes === null) return;
      await forgetBlocks(this.#store, ranges, state.volumeBytes);
      await this.#write({ ...state, repaired: id });
    });
  }

  /**
   * The range list of the base while the cloud compares it, afterwards that of the newest delta's state. Undefined where
   * that delta carries no marker, some block is unknown, or the index was changed meanwhile: nothing waits for this.
   */
  async rangeList(): Promise<RangeList | undefined> {
    const [state, changes] = await this.#exclusive(async () => [this.#need(), this.#indexChanges] as const);
    const { volume, generation, last, markedNumber, volumeBytes, base } = state;
    const isBase = base?.phase === 'listed';
    if (volumeBytes === null || (!isBase && (last.number === 0 || markedNumber !== last.number))) return undefined;
    const { hashes, allKnown } = await rangeHashesOf(this.#store, volumeBytes);
    // What is unknown of a base comes out as different, and is sent.
    if (this.#indexChanges !== changes || (!allKnown && !isBase)) return undefined;
    return { volume, generation, number: last.number, digest: last.digest, volumeBytes, hashes };
  }

  /** A range list was handed over. */
  async noteListed(atMs: number): Promise<void> {
    await this.#exclusive(async () => {
      await this.#write({ ...this.#need(), listedAtMs: atMs });
    });
  }

  /** Goes on in a later term. Errors: REFUSED while something of the old one is not acknowledged. */
  async continueIn(term: number): Promise<void> {
    await this.#exclusive(async () => {
      const state = this.#need();
      if (term < state.term || state.acknowledged.number !== state.last.number) {
        throw new LeewardError(
          'REFUSED',
          `${this.#volume}: term ${state.term} holds deltas that were not acknowledged`,
        );
      }
      await this.#write({ ...state, term });
    });
  }

  /**
   * Stores the chain's next delta. `runs` is what it sets, where that is known: it is computed otherwise. Errors: CONFLICT
   * when it is not the next any more: its generation or term is over.
   */
  async append(encoded: Uint8Array, runs?: readonly BlockRun[]): Promise<void> {
    await this.#exclusive(async () => {
      const { head } = openDelta(encoded);
      const state = this.#need();
      if (!follows(head, state)) {
        throw new LeewardError(
          'CONFLICT',
          `${this.#volume}: delta ${head.number} does not continue the chain any more`,
        );
      }
      await this.#store.putDelta(head.number, encoded);
      await this.#adopt(head, encoded, runs);
      this.#remember(head.digest, runs);
    });
  }

  /**
   * The cloud's word that everything up to `point` is durable there, and in the replica up to `appliedNumber`; what is both
   * the outbox forgets. Errors: DELTA_FORKED when
   * another delta of that number was acknowledged than the one made here; REFUSED when less than before is acknowledged.
   */
  async acknowledge(point: ChainPoint, appliedNumber: number): Promise<void> {
    await this.#exclusive(async () => {
      const state = this.#need();
      if (point.number < state.acknowledged.number) {
        throw new LeewardError(
          'REFUSED',
          `${this.#volume}: the cloud acknowledges ${point.number} and had acknowledged ${state.acknowledged.number}: its store was set back`,
        );
      }
      const own = await this.#digestOf(point.number, state);
      if (own !== point.digest) {
        throw new LeewardError(
          'DELTA_FORKED',
          own === undefined
            ? `${this.#volume}: the cloud acknowledges delta ${point.number}, which was never made here: another writer, or this folder was set back`
            : `${this.#volume}: the cloud acknowledges another delta ${point.number} than the one made here: another writer`,
        );
      }
      const releasedNumber = Math.max(state.releasedNumber, Math.min(point.number, appliedNumber));
      if (point.number === state.acknowledged.number && releasedNumber === state.releasedNumber) return;
      await this.#write({ ...state, acknowledged: point, releasedNumber });
      await this.#forgetReleased();
    });
  }

  /** The encoded delta; undefined if it is not in the outbox (any more). */
  async read(number: number): Promise<Uint8Array | undefined> {
    return await this.#store.readDelta(number);
  }

  /**
   * The hashes of the blocks that the delta with this digest sets to literal bytes, in their order, where they are
   * remembered: of the last deltas that this process stored.
   */
  literalHashes(digest: string): Uint8Array | undefined {
    return this.#literalHashes.get(digest);
  }

  /**
   * What `use` makes of the block index as it is right after the delta with this digest, while nothing changes it; undefined,
   * and `use` not called, where another delta is the newest.
   */
  async atNewest<T>(digest: string, use: (index: Pick<SiteStore, 'readIndex'>) => Promise<T>): Promise<T | undefined> {
    return await this.#exclusive(async () =>
      this.#state?.last.digest === digest ? await use(this.#store) : undefined,
    );
  }

  async #digestOf(number: number, state: ReplicationState): Promise<string | undefined> {
    for (const point of [state.acknowledged, state.last]) if (point.number === number) return point.digest;
    const encoded = number < state.last.number ? await this.#store.readDelta(number) : undefined;
    return encoded === undefined ? undefined : parseHead(encoded).digest;
  }

  /** As {@link #exclusive}, for what changes the index. */
  async #changeIndex<T>(change: () => Promise<T>): Promise<T> {
    return await this.#exclusive(async () => {
      this.#indexChanges += 1;
      return await change();
    });
  }

  #needFilling(generation: number): { state: ReplicationState; base: NonNullable<ReplicationState['base']> } {
    const state = this.#need();
    const { base } = state;
    if (state.generation === generation && base?.phase === 'filling') return { state, base };
    throw new LeewardError('CONFLICT', `${this.#volume}: generation ${generation} takes no raw pages any more`);
  }

  /** One change at a time, each on a store that is whole. */
  async #exclusive<T>(change: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(async () => {
      if (!this.#sound) await this.#recoverNow();
      this.#sound = false;
      const result = await change();
      this.#sound = true;
      return result;
    });
    this.#turn = turn.catch(() => undefined);
    return await turn;
  }

  async #recoverNow(): Promise<void> {
    const text = await this.#store.readState();
    this.#state = text === undefined ? undefined : parseState(text, this.#volume);
    this.#stored = [];
    if (this.#state === undefined) return;
    if (this.#state.index !== 'in-step') await this.#clear();
    this.#stored = await this.#store.listDeltas();
    await this.#forgetReleased();
    for (const { number } of this.#stored) {
      if (number <= this.#state.last.number) continue;
      const encoded = await this.#store.readDelta(number);
      const head = encoded === undefined ? undefined : parseHead(encoded);
      if (encoded === undefined || head === undefined || !follows(head, this.#state)) {
        throw new LeewardError(
          'DOCUMENT_INVALID',
          `${this.#volume}: delta ${number} in the outbox does not follow the last`,
        );
      }
      await this.#adopt(head, encoded);
    }
  }

  /** Takes a delta that is durable in the outbox into index and state. */
  async #adopt(head: DeltaHead, encoded: Uint8Array, runs: Iterable<BlockRun> = runsOf(encoded)): Promise<void> {
    this.#indexChanges += 1;
    const state = this.#need();
    const { volumeBytes } = head;
    await bringInStep(this.#store, runs, { beforeBytes: state.volumeBytes ?? 0, volumeBytes });
    await this.#write({
      ...state,
      last: { number: head.number, digest: head.digest },
      volumeBytes,
      ...(head.properties === undefined ? {} : { properties: head.properties }),
      ...(head.marker && { markedNumber: head.number, listedAtMs: state.listedAtMs ?? head.marker.timeMs }),
    });
    this.#stored = [
      ...this.#stored.filter((delta) => delta.number < head.number),
      { number: head.number, sizeBytes: encoded.length },
      ...this.#stored.filter((delta) => delta.number > head.number),
    ];
  }

  #remember(digest: string, runs: readonly BlockRun[] | undefined): void {
    if (!runs) return;
    this.#literalHashes.set(digest, Buffer.concat(runs.flatMap(({ hashes }) => hashes ?? [])));
    const [oldest] = this.#literalHashes.keys();
    if (oldest !== undefined && this.#literalHashes.size > REMEMBERED_MAX) this.#literalHashes.delete(oldest);
  }

  async #clear(): Promise<void> {
    for (const { number } of await this.#store.listDeltas()) await this.#store.removeDelta(number);
    if (this.#need().index === 'to-clear') {
      this.#indexChanges += 1;
      await this.#store.cutIndex(0);
      await this.#store.syncIndex();
    }
    await this.#write({ ...this.#need(), index: 'in-step' });
    this.#stored = [];
  }

  async #forgetReleased(): Promise<void> {
    const upTo = this.#need().releasedNumber;
    const gone = this.#stored.filter((delta) => delta.number <= upTo);
    for (const { number } of gone) await this.#store.removeDelta(number);
    this.#stored = this.#stored.filter((delta) => delta.number > upTo);
  }

  async #write(state: ReplicationState): Promise<void> {
    await this.#store.writeState(serializeState(state));
    this.#state = state;
  }

  #need(): ReplicationState {
    if (this.#state) return this.#state;
    throw new LeewardError(
      'REFUSED',
      `${this.#volume}: no generation was begun yet: the cloud has not answered so far`,
    );
  }
}

function follows(head: DeltaHead, state: ReplicationState): boolean {
  return (
    head.volume === state.volume &&
    head.generation === state.generation &&
    head.term === state.term &&
    (state.base === null || state.base.phase === 'ready') &&
    head.number === state.last.number + 1 &&
    head.predecessor === state.last.digest
  );
}
