/**
 * The apply engine: brings a volume's replica to its tip, whoever began the work (docs/design.md, "How a delta is
 * applied").
 *
 * Invariants: every step is one write under ETag or one request that can be repeated; what it meets half done it
 * finishes, in the same way as the one who began; it holds nothing in memory that the state document and the journal
 * do not say; nobody waits in one of the places that bound the memory for what another worker does. The lock within the
 * process and the courtesy towards a claim's holder only save work: without either the protocol is as safe.
 */
import type { DeltaLimits } from '../../delta/limits.ts';
import { currentGeneration, hasWork, volumeKind } from '../../documents/volume.ts';
import type { Claim, Generation, VolumeDocument } from '../../documents/volume.ts';
import type { Documents, Held } from '../../documents/store.ts';
import type { ChainPoint } from '../../kernel/chain-point.ts';
import type { Clock } from '../../kernel/clock.ts';
import { LeewardError, isLeewardError } from '../../kernel/errors.ts';
import { volumeId } from '../../kernel/ids.ts';
import type { VolumeRef } from '../../kernel/ids.ts';
import { documents as names } from '../../kernel/names.ts';
import type { EntryStore } from '../../ports/entries.ts';
import type { ReplicaStore } from '../../ports/replica-store.ts';
import { Applier } from './apply.ts';
import type { Figures } from './apply.ts';
import { ClaimTurn } from './claim-turn.ts';
import { advanceTip, endTerm, finishClaim, noteFork, withClaim } from '../chain/chain.ts';
import type { KeptDelta } from '../chain/journal.ts';
import { isClaimAlive, isLeft } from './left.ts';
import { RecalledStates } from './recalled.ts';
import type { Seen } from './recalled.ts';
import { removeUnnamedSnapshots } from './snapshots.ts';
import { DeltaSupply, isNext } from './supply.ts';
import { Workplaces } from './workplaces.ts';
import type { Line } from './workplaces.ts';

export interface EnginePorts {
  readonly documents: Documents;
  readonly replicas: ReplicaStore;
  readonly entries: EntryStore;
  readonly clock: Clock;
}

export interface EngineOptions {
  /** How long others leave a claim alone, in milliseconds. */
  readonly claimMs: number;
  /** How many recovery points a volume keeps. */
  readonly snapshotsKept: number;
  /** How long one call goes on with a volume before it leaves the rest to the next, in milliseconds. */
  readonly budgetMs: number;
  /** How many volumes are worked on at once in this process. */
  readonly volumesAtOnce: number;
  /** What the planner takes requests to cost; a standard page blob's figures by default. */
  readonly figures?: Figures;
  /** How large a delta may be that is taken in; the format's own limits by default. */
  readonly limits?: DeltaLimits;
}

/** How far somebody came; 'not-taken' when what was offered did not come next any more. */
export type Progress = 'caught-up' | 'more' | 'not-taken';

/** How somebody's turn on a volume ended: where another worker's living claim ended it, with the state that has it. */
interface End {
  readonly progress: Progress;
  readonly met?: Seen;
}

/** For how long, on this machine's clock, and in which line. */
interface Bounds {
  readonly untilBootMs: number;
  readonly line: Line;
}

/** How long to wait before a state that somebody else changed is looked at again. */
const COURTESY_MS = 250;

/** Does what the state and the journal of one volume allow: {@link ReplicaEngine.advance}. */
export type Advance = (offered?: { seen: Seen; kept: KeptDelta }) => Promise<Progress>;

export class ReplicaEngine {
  readonly #ports: EnginePorts;
  readonly #options: EngineOptions;
  readonly #applier: Applier;
  readonly #workplaces: Workplaces;
  readonly #recalled: RecalledStates;
  readonly supply: DeltaSupply;

  constructor(ports: EnginePorts, options: EngineOptions) {
    this.#ports = ports;
    this.#options = options;
    this.#applier = new Applier(ports.replicas, options.figures);
    this.#workplaces = new Workplaces(options.volumesAtOnce, ports.clock);
    this.#recalled = new RecalledStates(ports.clock);
    this.supply = new DeltaSupply(ports, options.limits);
  }

  /**
   * Does all that the state and the journal allow: finishes a claim, applies up to the tip, extends the tip by what
   * waits. Idempotent; any number of workers may call it at once. 'more' when the budget ran out first, or another worker is
   * at it. Errors: UNAVAILABLE, VERSION_TOO_NEW, NOT_FOUND for an unknown volume; DELTA_INVALID when the volume waits for a
   * delta to be sent again, which its state says. What was done stands.
   */
  async advance(volume: VolumeRef): Promise<Progress> {
    const bounds = this.#bounds('deltas');
    return this.#goOn(volume, await this.#turn(volume, bounds), bounds);
  }

  /**
   * {@link advance}, for the sweep: not where anybody is at work on the volume, which is 'passed-by', and until
   * `untilBootMs` at the latest, but for the delta that is under way. Where nothing is to be done no place is waited for.
   */
  async pickUp(volume: VolumeRef, untilBootMs: number): Promise<Progress | 'passed-by'> {
    const { clock } = this.#ports;
    if (this.#workplaces.isHeld(volumeId(volume))) return 'passed-by';
    const seen = await this.look(volume);
    if (!hasWork(seen.held.value)) return 'caught-up';
    if (isClaimAlive(seen)) return 'passed-by';
    return this.#workplaces.run(volumeId(volume), 'sweep', async () => {
      if (clock.bootMs() >= untilBootMs) return 'more';
      const bounds = this.#bounds('sweep');
      const end = await this.#advance(volume, { ...bounds, untilBootMs: Math.min(bounds.untilBootMs, untilBootMs) });
      return end.met ? 'passed-by' : end.progress;
    });
  }

  /**
   * Runs `work` while nobody else in this process works on the volume, and in one of the few places that bound how much
   * memory all of them hold: whatever it reads, it reads in there. It is given {@link Advance}; `offered` is a delta that
   * is durable in the journal and came next in the state that was seen: it is taken first, in one change with its claim
   * where nothing is before it. Where others are at work on the volume first, `work` is given what `readAhead` brought
   * meanwhile, if there was room for that. `line` is what it waits in for a place.
   *
   * What `work` left undone since others waited for the place, or since another worker has a claim, is gone on with after
   * it, without what it held: `work` has its result by then. Errors: those of `work`; UNAVAILABLE.
   */
  async withVolume<T, A>(
    volume: VolumeRef,
    work: (advance: Advance, ahead: A | undefined) => Promise<T>,
    readAhead: () => Promise<A | undefined> = async () => undefined,
    line: Line = 'deltas',
  ): Promise<T> {
    const { result, end, bounds } = await this.#workplaces.run(
      volumeId(volume),
      line,
      async (ahead: A | undefined) => {
        const bounds = this.#bounds(line);
        const ends: End[] = [];
        const result = await work(async (offered) => {
          const end = await this.#advance(volume, bounds, offered);
          ends.push(end);
          return end.progress;
        }, ahead);
        return { result, end: ends.at(-1), bounds };
      },
      readAhead,
    );
    try {
      if (end) await this.#goOn(volume, end, bounds);
    } catch (error) {
      // What keeps the volume from going on is no fault of what was taken; a delta that is waited for its state tells.
      if (isLeewardError(error, 'DELTA_INVALID')) return result;
      if (error instanceof LeewardError && error.retryHelps) throw error;
      throw new LeewardError('UNAVAILABLE', `volume ${volumeId(volume)} cannot go on`, { cause: error });
    }
    return result;
  }

  /** Ends the volume's term, in one change: a new epoch, the cut at the tip. Idempotent. Errors: REFUSED, another term. */
  async endTerm(volume: VolumeRef, term: number): Promise<ChainPoint> {
    const held = await this.#ports.documents.update(volumeKind, names.volume(volume), (document) => {
      if (document.term !== term) {
        throw new LeewardError('REFUSED', `volume ${document.volume} is at term ${document.term}, not at ${term}`);
      }
      return endTerm(document, term);
    });
    const { cut, tip } = currentGeneration(held.value);
    return cut ?? tip;
  }

  /**
   * Applies what the chain holds up to the cut. 'drained' when the replica stands at the cut. A generation that is not
   * offered yet is applied as far as it can be, for a point of it may be the newest, but holds nobody up where its chain
   * cannot go on: the offered one was applied to its end before it began. Errors: REFUSED, no cut.
   */
  async drain(volume: VolumeRef): Promise<'drained' | 'more'> {
    let lost: LeewardError | undefined;
    try {
      await this.advance(volume);
    } catch (error) {
      if (!isLeewardError(error, 'DELTA_INVALID')) throw error;
      lost = error;
    }
    const { value } = await this.#ports.documents.need(volumeKind, names.volume(volume));
    const { cut, applied } = currentGeneration(value);
    if (!cut) throw new LeewardError('REFUSED', `volume ${value.volume} has no cut: its term has not ended`);
    if (applied.number === cut.number) return 'drained';
    if (lost === undefined) return 'more';
    if (value.published !== null && value.published !== value.current) return 'drained';
    throw lost;
  }

  /** The state now. Errors: NOT_FOUND for an unknown volume. */
  async look(volume: VolumeRef): Promise<Seen> {
    const { held, serviceNowMs } = await this.#ports.documents.readWithTime(volumeKind, names.volume(volume));
    if (!held) throw new LeewardError('NOT_FOUND', `volume ${volumeId(volume)} is not registered`);
    return { held, nowMs: serviceNowMs };
  }

  /** The state as this process left it at rest, if it is remembered: see {@link RecalledStates}. */
  recall(volume: VolumeRef): Seen | undefined {
    return this.#recalled.recall(volumeId(volume));
  }

  #bounds(line: Line): Bounds {
    return { untilBootMs: this.#ports.clock.bootMs() + this.#options.budgetMs, line };
  }

  /**
   * Goes on where a turn ended, in turns of its own, each of which waits for a place anew. A claim of another worker is
   * waited for outside of all places, and only while nothing tells that its worker lives: that one applies whatever the tip
   * has come to cover meanwhile, and others waiting for it would keep messages from being taken. Were it not waited for at
   * all, a worker's passing fault would leave what is acknowledged to the next sweep: its own message comes again sooner
   * than its claim ends.
   */
  async #goOn(volume: VolumeRef, { progress, met }: End, bounds: Bounds): Promise<Progress> {
    const { clock } = this.#ports;
    const look = async (): Promise<Seen> => this.look(volume);
    while (progress === 'more' && clock.bootMs() < bounds.untilBootMs) {
      if (met && !(await isLeft(met, { look, clock, untilBootMs: bounds.untilBootMs }))) break;
      ({ progress, met } = await this.#turn(volume, bounds));
    }
    return progress;
  }

  async #turn(volume: VolumeRef, bounds: Bounds): Promise<End> {
    return this.#workplaces.run(volumeId(volume), bounds.line, async () => this.#advance(volume, bounds));
  }

  /** One turn: until there is nothing to do, time is over, others are to have the place, or another worker has a claim. */
  async #advance(
    volume: VolumeRef,
    { untilBootMs, line }: Bounds,
    offered?: { seen: Seen; kept: KeptDelta },
  ): Promise<End> {
    const { clock } = this.#ports;
    const sinceBootMs = clock.bootMs();
    const isOver = (): boolean => clock.bootMs() >= untilBootMs || this.#workplaces.isDue(line, sinceBootMs);
    let seen = offered?.seen;
    let offer = offered?.kept;
    for (let isFirst = true; ; isFirst = false) {
      try {
        seen ??= await this.look(volume);
        if (offer && isNext(seen.held.value, offer)) {
          seen = await this.#acceptNext(volume, seen, offer);
          offer = undefined;
          continue;
        }
        if (offer && !(await this.#has(volume, seen.held.value, offer))) return { progress: 'not-taken' };
        offer = undefined;
        if (!hasWork(seen.held.value)) {
          this.#recalled.leave(volumeId(volume), seen);
          return { progress: 'caught-up' };
        }
        if (isClaimAlive(seen)) return { progress: 'more', met: seen };
        if (!isFirst && isOver()) return { progress: 'more' };
        const before: Seen = seen;
        seen = undefined;
        const step = await this.#step(volume, before);
        if (step === 'nothing') return { progress: 'caught-up' };
        seen = step;
      } catch (error) {
        // Somebody else moved the volume on: look again at where it stands now.
        if (!isLeewardError(error, 'CONFLICT', 'FENCED')) throw error;
        if (isOver()) return { progress: 'more' };
        seen = undefined;
        await clock.sleep(COURTESY_MS);
      }
    }
  }

  /** Whether the chain has this very delta: what others did meanwhile may have given its number to a rival. */
  async #has(volume: VolumeRef, document: VolumeDocument, { delta }: KeptDelta): Promise<boolean> {
    const { generation, number, digest } = delta.head;
    const { tip } = currentGeneration(document);
    if (generation !== document.current || number > tip.number) return false;
    return (await this.supply.journal(volume, document).isOnChain({ number, digest })) === true;
  }

  /** Takes a delta that comes next: the tip moves on, and the claim with it where nothing else is before it. */
  async #acceptNext(volume: VolumeRef, { held, nowMs }: Seen, kept: KeptDelta): Promise<Seen> {
    const { applied, tip, claim } = currentGeneration(held.value);
    const extended = advanceTip(held.value, kept.delta.head);
    if (claim || applied.number < tip.number) return seenNow(await this.#write(held, extended));
    return this.#claim({ held: { ...held, value: extended }, nowMs }, kept);
  }

  /** Claims the delta after `applied`, in one change with whatever `held` has been changed by already, and applies it. */
  async #claim({ held, nowMs }: Seen, kept: KeptDelta): Promise<Seen> {
    const { number, digest, volumeBytes } = kept.delta.head;
    const resize = volumeBytes === currentGeneration(held.value).volumeBytes ? {} : { volumeBytes };
    const claim = { number, digest, entry: kept.entry, ...resize, untilMs: nowMs + this.#options.claimMs };
    return this.#apply(await this.#write(held, withClaim(held.value, claim)), kept);
  }

  /** One change, one delta applied, or one made whole or found that it cannot be; the state after it where it is known. */
  async #step(volume: VolumeRef, { held, nowMs }: Seen): Promise<Seen | 'nothing' | undefined> {
    const { claim, applied, tip } = currentGeneration(held.value);
    if (claim) return this.#adopt(volume, { held, nowMs }, claim);
    if (applied.number < tip.number) {
      return this.#claim({ held, nowMs }, await this.supply.nextOnChain(volume, held.value));
    }
    return this.#extend(volume, { held, nowMs });
  }

  /** Takes what waits in the journal and comes next. More than one such delta is a fork: one is taken, and it is told. */
  async #extend(volume: VolumeRef, { held, nowMs }: Seen): Promise<Seen | 'nothing' | undefined> {
    const found = await this.supply.afterTip(volume, held.value);
    if (found === 'asked') return undefined;
    const [after, other] = found;
    if (!after) return 'nothing';
    const { digest, number } = after.delta.head;
    const rival = other?.delta.head.digest;
    if (rival === undefined) return this.#acceptNext(volume, { held, nowMs }, after);
    const message = `delta ${number} of ${held.value.volume} was made twice: ${digest} is taken, ${rival} is not`;
    const forked = noteFork(held.value, { message, sinceMs: nowMs });
    return this.#acceptNext(volume, { held: { ...held, value: forked }, nowMs }, after);
  }

  /** Finishes a claim that its holder left. Its snapshot, if the holder got so far, is nobody's now. */
  async #adopt(volume: VolumeRef, { held, nowMs }: Seen, claim: Claim): Promise<Seen> {
    const kept = await this.supply.claimed(volume, held.value, claim);
    const after = await this.#claim({ held, nowMs }, kept);
    await removeUnnamedSnapshots(this.#ports, volume);
    return after;
  }

  /** Steps 4 to 6 for the claim that `held` has. */
  async #apply(held: Held<VolumeDocument>, kept: KeptDelta): Promise<Seen> {
    const generation = currentGeneration(held.value);
    const { head } = kept.delta;
    const claimedBootMs = this.#ports.clock.bootMs();
    const turn = new ClaimTurn({ ...this.#ports, claimMs: this.#options.claimMs, held });
    const fence = await this.#applier.raiseFence(generation, head);
    await turn.confirm();
    const at = { volume: held.value.volume, generation, fence };
    const etag = await this.#applier.write(kept.delta, at, async () => turn.keep());
    const snapshot = await this.#applier.snapshot(head, { generation, fence, etag });
    const applied = { head, extents: kept.delta.extents, snapshot };
    const nowMs = (): number => held.lastModifiedMs + this.#ports.clock.bootMs() - claimedBootMs;
    const after = await turn.finish((document) =>
      finishClaim(document, { ...applied, nowMs: nowMs(), snapshotsKept: this.#options.snapshotsKept }),
    );
    await this.#removeDropped(generation, currentGeneration(after.value));
    return seenNow(after);
  }

  async #removeDropped(before: Generation, after: Generation): Promise<void> {
    const kept = new Set(after.snapshots.map(({ snapshot }) => snapshot));
    for (const { snapshot } of before.snapshots) {
      if (!kept.has(snapshot)) await this.#ports.replicas.deleteSnapshot(before.replica, snapshot);
    }
  }

  async #write(held: Held<VolumeDocument>, value: VolumeDocument): Promise<Held<VolumeDocument>> {
    return this.#ports.documents.replace(volumeKind, held, value);
  }
}

function seenNow(held: Held<VolumeDocument>): Seen {
  return { held, nowMs: held.lastModifiedMs };
}
