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
import type { ChainPoint } from '../../kernel/chain-point.ts';
import { LeewardError } from '../../kernel/errors.ts';
import type { SiteStore } from '../../ports/site-store.ts';
import { BaseLog } from './base-log.ts';
import { bringInStep, runsOf } from './block-index.ts';
import type { BlockRun } from './block-index.ts';
import { ComparisonLog } from './comparison-log.ts';
import { KeptVolume } from './kept-volume.ts';
import { LiteralHashes } from './literal-hashes.ts';
import { Outbox } from './outbox.ts';
import type { StoredDelta } from './outbox.ts';
import { freshState } from './replication-state.ts';
import type { BaseOrigin, ReplicationState } from './replication-state.ts';

export class VolumeLog {
  /** What the generation begins from. */
  readonly base: BaseLog;
  /** Range lists, and the repairs that follow from them. */
  readonly comparison: ComparisonLog;
  readonly #kept: KeptVolume;
  readonly #outbox: Outbox;
  readonly #literalHashes = new LiteralHashes();
  /** The first delta of the generation that this process stored, or began to. */
  #firstOwnNumber = Infinity;

  constructor(volume: string, store: SiteStore) {
    this.#kept = new KeptVolume(volume, store, async () => this.#makeWhole());
    this.#outbox = new Outbox(store);
    this.base = new BaseLog(this.#kept);
    this.comparison = new ComparisonLog(this.#kept);
  }

  /** Makes the store whole, if it is not yet. Errors: DOCUMENT_INVALID, VERSION_TOO_NEW. */
  async recover(): Promise<void> {
    await this.#kept.change(async () => undefined);
  }

  /** Undefined before the first generation was begun. */
  get state(): ReplicationState | undefined {
    return this.#kept.state;
  }

  /** What was stored and not acknowledged, ascending. */
  get waiting(): readonly StoredDelta[] {
    const { state } = this;
    if (!state) return [];
    const { acknowledged, last } = state;
    return this.#outbox.deltas.filter(({ number }) => acknowledged.number < number && number <= last.number);
  }

  /** Bytes of all that is {@link waiting}. */
  get waitingBytes(): number {
    return bytesOf(this.waiting);
  }

  /** Bytes of all that the outbox holds: what waits, and what is acknowledged and not applied yet. */
  get storedBytes(): number {
    return bytesOf(this.#outbox.deltas);
  }

  /**
   * Begins a generation: numbers from 1, and nothing left of an earlier one in the outbox. The index is emptied, but where
   * the generation begins from a recovery point of the one before: there it still says most of what the replica holds.
   */
  async begin(of: { generation: number; term: number; from?: BaseOrigin | undefined }): Promise<void> {
    const { from, ...head } = of;
    const kept = this.#kept;
    await kept.changeIndex(async () => {
      this.#firstOwnNumber = Infinity;
      const fresh = freshState({ volume: kept.volume, ...head });
      const { volumeBytes = null, directBytes = null } = kept.state ?? {};
      if (from === undefined) await kept.writeState(fresh);
      else if (from === 'upload') await kept.writeState({ ...fresh, directBytes, base: { from, phase: 'filling' } });
      else {
        const phase = volumeBytes === null ? 'filling' : 'listed';
        await kept.writeState({ ...fresh, index: 'to-keep', volumeBytes, base: { from, phase } });
      }
      await this.#clear();
    });
  }

  /** Goes on in a later term. Errors: REFUSED while something of the old one is not acknowledged. */
  async continueIn(term: number): Promise<void> {
    await this.#kept.change(async () => {
      const state = this.#kept.needState();
      if (term < state.term || state.acknowledged.number !== state.last.number) {
        throw new LeewardError(
          'REFUSED',
          `${state.volume}: term ${state.term} holds deltas that were not acknowledged`,
        );
      }
      await this.#kept.writeState({ ...state, term });
    });
  }

  /**
   * Stores the chain's next delta. `runs` is what it sets, where that is known: it is computed otherwise. Errors: CONFLICT
   * when it is not the next any more: its generation or term is over.
   */
  async append(encoded: Uint8Array, runs?: readonly BlockRun[]): Promise<void> {
    await this.#kept.changeIndex(async () => {
      const { head } = openDelta(encoded);
      const state = this.#kept.needState();
      if (!follows(head, state)) {
        throw new LeewardError(
          'CONFLICT',
          `${state.volume}: delta ${head.number} does not continue the chain any more`,
        );
      }
      this.#firstOwnNumber = Math.min(this.#firstOwnNumber, head.number);
      await this.#outbox.put(head.number, encoded);
      await this.#adopt(head, runs ?? runsOf(encoded));
      if (runs) this.#literalHashes.remember(head.digest, runs);
    });
  }

  /**
   * The cloud's word that everything up to `point` is durable there, and in the replica up to `appliedNumber`; what is both
   * the outbox forgets. Errors: DELTA_FORKED when another delta of that number was acknowledged than the one made here;
   * REFUSED when less than before is acknowledged.
   */
  async acknowledge(point: ChainPoint, appliedNumber: number): Promise<void> {
    await this.#kept.change(async () => {
      const state = this.#kept.needState();
      if (point.number < state.acknowledged.number) {
        throw new LeewardError(
          'REFUSED',
          `${state.volume}: the cloud acknowledges ${point.number} and had acknowledged ${state.acknowledged.number}: its store was set back`,
        );
      }
      const own = await this.#digestOf(point.number, state);
      if (own !== point.digest) {
        throw new LeewardError(
          'DELTA_FORKED',
          own === undefined
            ? `${state.volume}: the cloud acknowledges delta ${point.number}, which was never made here: another writer, or this folder was set back`
            : `${state.volume}: the cloud acknowledges another delta ${point.number} than the one made here: another writer`,
        );
      }
      const releasedNumber = Math.max(state.releasedNumber, Math.min(point.number, appliedNumber));
      if (point.number === state.acknowledged.number && releasedNumber === state.releasedNumber) return;
      await this.#kept.writeState({ ...state, acknowledged: point, releasedNumber });
      await this.#outbox.forget(releasedNumber);
    });
  }

  /** The encoded delta; undefined if it is not in the outbox (any more). */
  async read(number: number): Promise<Uint8Array | undefined> {
    return await this.#outbox.read(number);
  }

  /** Whether this process has stored the generation's delta of that number, and not one before it. */
  isOwn(number: number): boolean {
    return number >= this.#firstOwnNumber;
  }

  /**
   * The hashes of the blocks that the delta with this digest sets to literal bytes, in their order, where they are
   * remembered: of the last deltas that this process stored.
   */
  literalHashes(digest: string): Uint8Array | undefined {
    return this.#literalHashes.of(digest);
  }

  /**
   * What `use` makes of the block index as it is right after the delta with this digest, while nothing changes it;
   * undefined, and `use` not called, where another delta is the newest.
   */
  async atNewest<T>(digest: string, use: (index: Pick<SiteStore, 'readIndex'>) => Promise<T>): Promise<T | undefined> {
    return await this.#kept.change(async () =>
      this.state?.last.digest === digest ? await use(this.#kept.store) : undefined,
    );
  }

  async #digestOf(number: number, state: ReplicationState): Promise<string | undefined> {
    for (const point of [state.acknowledged, state.last]) if (point.number === number) return point.digest;
    const encoded = number < state.last.number ? await this.#outbox.read(number) : undefined;
    return encoded === undefined ? undefined : parseHead(encoded).digest;
  }

  /** The recovery: ends what was broken off, whatever it was, from what is on stable storage. */
  async #makeWhole(): Promise<void> {
    const state = await this.#kept.readState();
    if (state === undefined) return;
    if (state.index !== 'in-step') await this.#clear();
    await this.#outbox.load();
    await this.#outbox.forget(state.releasedNumber);
    for (const { number } of this.#outbox.deltas) {
      const { last, volume } = this.#kept.needState();
      if (number <= last.number) continue;
      const encoded = await this.#outbox.read(number);
      const head = encoded && parseHead(encoded);
      if (!encoded || !head || !follows(head, this.#kept.needState())) {
        throw new LeewardError('DOCUMENT_INVALID', `${volume}: delta ${number} in the outbox does not follow the last`);
      }
      await this.#adopt(head, runsOf(encoded));
    }
  }

  /** Takes a delta that is durable in the outbox into index and state. */
  async #adopt(head: DeltaHead, runs: Iterable<BlockRun>): Promise<void> {
    const state = this.#kept.needState();
    const { volumeBytes } = head;
    await bringInStep(this.#kept.store, runs, { beforeBytes: state.volumeBytes ?? 0, volumeBytes });
    await this.#kept.writeState({
      ...state,
      last: { number: head.number, digest: head.digest },
      volumeBytes,
      ...(head.properties === undefined ? {} : { properties: head.properties }),
      ...(head.marker && { markedNumber: head.number, listedAtMs: state.listedAtMs ?? head.marker.timeMs }),
    });
  }

  /** Removes what an earlier generation left. */
  async #clear(): Promise<void> {
    await this.#outbox.clear();
    const state = this.#kept.needState();
    if (state.index === 'to-clear') {
      await this.#kept.store.cutIndex(0);
      await this.#kept.store.syncIndex();
    }
    await this.#kept.writeState({ ...state, index: 'in-step' });
  }
}

function bytesOf(deltas: readonly StoredDelta[]): number {
  return deltas.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

/** Whether the delta is the chain's next. */
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
