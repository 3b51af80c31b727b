/**
 * Writing one claimed delta into its page blob (docs/design.md, "How a delta is applied", steps 4 to 6).
 *
 * Invariants: nothing is written before the sequence number stands at the delta's fence and the state, read again after
 * that, still has the claim; every write carries the fence; the first delta of a generation brings the footer with it,
 * so that the blob is a valid fixed VHD before any point of it is offered; a blob that grows is no disk only between its
 * resize and its new footer, one that shrinks has its new footer first; the snapshot is taken after the last write
 * was acknowledged, under the ETag seen while the fence was still the blob's number. All of it can be repeated by
 * anybody at any time with the same end.
 */
import type { DeltaHead } from '../../delta/head.ts';
import type { Delta } from '../../delta/delta.ts';
import { isFresh } from '../../documents/volume.ts';
import type { Generation, NamedSnapshot } from '../../documents/volume.ts';
import { LeewardError, isLeewardError } from '../../kernel/errors.ts';
import { fewAtOnce } from '../../kernel/few-at-once.ts';
import { fenceOf } from '../../kernel/names.ts';
import type { ReplicaProperties, ReplicaStore } from '../../ports/replica-store.ts';
import { replicaBlobBytes, replicaDataBytes } from '../../vhd/footer.ts';
import { propertiesAfter } from '../chain/chain.ts';
import { executePlan } from '../plan/execute.ts';
import type { PageRequest, ReadRange } from '../plan/execute.ts';
import { planApply } from '../plan/plan.ts';
import type { PlanOptions } from '../plan/plan.ts';
import type { PageRun } from '../plan/segments.ts';
import { footerOf } from './replica-footer.ts';
import { withZeros, zerosOfResize } from './reshape.ts';

/**
 * Writes of one delta under way at once. Enough to hide a request's latency; each may hold 4 MiB, so this bounds the
 * memory of an apply too, together with one more that is being filled and the planner's two reads.
 */
const WRITES_AT_ONCE = 4;

/**
 * How often a snapshot or a resize is tried again when the blob changed under it, as it does when another adopter repeats
 * a write.
 */
const CONDITION_TRIES = 5;

/** What requests cost and how long they may be; the page blob's own figures where nothing is said. */
export type Figures = Pick<PlanOptions, 'costs' | 'limits'>;

export class Applier {
  readonly #replicas: ReplicaStore;
  readonly #figures: Figures;

  constructor(replicas: ReplicaStore, figures: Figures = {}) {
    this.#replicas = replicas;
    this.#figures = figures;
  }

  /** Step 4, first half: makes the blob if this is the generation's first delta, and raises the fence. Idempotent. */
  async raiseFence(generation: Generation, { number, volumeBytes }: DeltaHead): Promise<number> {
    const fence = fenceOf({ epoch: generation.epoch, number });
    if (isFresh(generation)) await this.#replicas.create(generation.replica, replicaBlobBytes(volumeBytes));
    await this.#replicas.raiseSequenceNumber(generation.replica, fence);
    return fence;
  }

  /**
   * Step 5. `before` is called before each request, and stops the work by throwing. Gives the blob's ETag after the last
   * write where there was only one; several land in any order, and only a look tells what they left. Errors: FENCED when
   * this worker lost its turn; CONFLICT when the blob would not stand still for its resize; UNAVAILABLE.
   */
  async write(delta: Delta, at: WriteTarget, before: () => Promise<void>): Promise<string | undefined> {
    const { replica, volumeBytes } = at.generation;
    const etags: string[] = [];
    const send = async (request: PageRequest): Promise<void> => {
      await before();
      const { etag } = await (request.kind === 'write'
        ? this.#replicas.writePages(replica, { ...request, fence: at.fence })
        : this.#replicas.clearPages(replica, { ...request, fence: at.fence }));
      etags.push(etag);
    };
    const afterBytes = delta.head.volumeBytes;
    const growth = isFresh(at.generation) ? 0 : replicaBlobBytes(afterBytes) - replicaBlobBytes(volumeBytes);
    if (growth > 0) await this.#resize(at, afterBytes);
    const footer = footerRequest(delta.head, at);
    if (footer) await send(footer);
    if (growth < 0) await this.#resize(at, afterBytes);
    const read: ReadRange = async (range) => {
      await before();
      return this.#replicas.read(replica, range);
    };
    const plan = planApply(runsOf(delta, at.generation), {
      ...this.#figures,
      zerosFrom: isFresh(at.generation) ? 0 : growth > 0 ? replicaBlobBytes(volumeBytes) : Infinity,
    });
    await fewAtOnce(WRITES_AT_ONCE, executePlan(plan, delta.pieces(), read), send);
    return etags.length === 1 ? etags[0] : undefined;
  }

  /**
   * Step 6, first half: the marker's snapshot. `etag` is the blob's after the last write, where it is known: it was written
   * under the fence, so that nothing has to be looked at. Errors: FENCED, CONFLICT when the blob would not stand still.
   */
  async snapshot(
    head: DeltaHead,
    at: { generation: Generation; fence: number; etag: string | undefined },
  ): Promise<NamedSnapshot | undefined> {
    const { marker, number, digest, volumeBytes } = head;
    if (!marker) return undefined;
    const properties = propertiesAfter(at.generation, head);
    const { replica } = at.generation;
    let { etag } = at;
    for (let tries = 1; ; tries += 1) {
      etag ??= (await this.#look(at)).etag;
      try {
        const snapshot = await this.#replicas.snapshot(replica, { etag, number });
        const { name, consistency, timeMs } = marker;
        const point = { number, digest, snapshot, marker: name, consistency, takenAtMs: timeMs, volumeBytes };
        return Object.keys(properties).length > 0 ? { ...point, properties } : point;
      } catch (error) {
        if (tries >= CONDITION_TRIES || !isLeewardError(error, 'CONFLICT')) throw error;
        etag = undefined;
      }
    }
  }

  /**
   * Gives the blob the size that the delta names. A resize knows no fence, so it names the ETag of a look that saw the
   * fence: any write, resize or raise since then, by whomever, makes it miss, however late it lands.
   */
  async #resize(at: WriteTarget, volumeBytes: number): Promise<void> {
    const sizeBytes = replicaBlobBytes(volumeBytes);
    for (let tries = 1; ; tries += 1) {
      const now = await this.#look(at);
      if (now.sizeBytes === sizeBytes) return;
      try {
        await this.#replicas.resize(at.generation.replica, { sizeBytes, etag: now.etag });
        return;
      } catch (error) {
        if (tries >= CONDITION_TRIES || !isLeewardError(error, 'CONFLICT')) throw error;
      }
    }
  }

  /** The blob while the fence is its number. Errors: FENCED. */
  async #look({ generation, fence }: Pick<WriteTarget, 'generation' | 'fence'>): Promise<ReplicaProperties> {
    const properties = await this.#replicas.properties(generation.replica);
    if (properties?.sequenceNumber === fence) return properties;
    throw new LeewardError('FENCED', `"${generation.replica.blob}": a worker lost its turn at fence ${fence}`);
  }
}

/** What is written to: the generation as it stood when the delta was claimed, and the delta's fence. */
interface WriteTarget {
  readonly volume: string;
  readonly generation: Generation;
  readonly fence: number;
}

/** The footer, where the delta makes another one due: it is the first, or changes the size or the identity. */
function footerRequest(head: DeltaHead, { volume, generation }: WriteTarget): PageRequest | undefined {
  const dataBytes = replicaDataBytes(head.volumeBytes);
  const { identity } = propertiesAfter(generation, head);
  const stays =
    !isFresh(generation) &&
    dataBytes === replicaDataBytes(generation.volumeBytes) &&
    identity === generation.properties.identity;
  if (stays) return undefined;
  const bytes = footerOf(volume, generation, { volumeBytes: head.volumeBytes, identity });
  return { kind: 'write', offset: dataBytes, bytes };
}

/** All that the delta sets: its extents, and what a change of size makes zeros. */
function runsOf({ head, extents }: Delta, generation: Generation): Iterable<PageRun> {
  const runs = runsOfExtents(extents);
  return isFresh(generation) ? runs : withZeros(runs, zerosOfResize(generation.volumeBytes, head.volumeBytes));
}

function* runsOfExtents(extents: Delta['extents']): Generator<PageRun> {
  for (const { kind, offset, lengthBytes } of extents) {
    yield { kind: kind === 'zeros' ? 'zeros' : 'literal', offset, lengthBytes };
  }
}
