/**
 * The replicator of one volume: finds what changed by reading all of the volume, makes deltas of it, keeps
 * them until the cloud has them.
 *
 * Invariants: a delta is sent only after it was stored; it is stored only while the volume has the size that its
 * interval began with; an interval without changes makes nothing; disk and memory are bounded by configuration, not
 * by the volume, and memory not by the number of the site's volumes either (work/shared-work.ts); nothing is made while
 * the volume's standing (standing.ts) does not allow it.
 */
import { DELTA_LIMITS } from '../delta/limits.ts';
import type { Clock } from '../kernel/clock.ts';
import { LeewardError, isLeewardError } from '../kernel/errors.ts';
import { parseVolume, volumeId } from '../kernel/ids.ts';
import type { VolumeRef } from '../kernel/ids.ts';
import { GIB } from '../kernel/units.ts';
import type { ContentIndex } from '../ports/content-index.ts';
import type { Quiesce } from '../ports/quiesce.ts';
import type { SiteStore } from '../ports/site-store.ts';
import type { VolumeSource } from '../ports/volume-source.ts';
import type { VolumeAnswer } from '../protocol/heartbeat.ts';
import { takeAnswer } from './answers.ts';
import { Base } from './base/base.ts';
import { limitsOf } from './chain/delta-room.ts';
import { runInterval } from './chain/interval.ts';
import type { IntervalReport } from './chain/interval.ts';
import type { SaidProperties } from './chain/properties.ts';
import type { ReplicationState } from './chain/replication-state.ts';
import { VolumeLog } from './chain/volume-log.ts';
import { Deduplication } from './dedup/deduplication.ts';
import { Lag } from './lag.ts';
import type { HeartbeatPart, HeartbeatWish, SiteLink, VolumeReport } from './send/site-link.ts';
import { DeltaSender } from './send/delta-sender.ts';
import { failureOf } from './send/outage.ts';
import { RangeListSender } from './send/range-list-sender.ts';
import { Standing } from './standing.ts';
import { JoinedTurns } from './work/joined-turns.ts';
import { sharedWork } from './work/shared-work.ts';
import type { SharedWork } from './work/shared-work.ts';

export interface ReplicatorOptions {
  /** tenant/site/group/volume */
  readonly volume: string;
  readonly source: VolumeSource;
  readonly store: SiteStore;
  readonly siteLink: SiteLink;
  readonly clock: Clock;
  /** How long nothing at all may be acknowledged before what waits is sent again. Default: 20 seconds. */
  readonly resendAfterMs?: number;
  /** Most bytes of deltas that are kept until the cloud needs them no more; a single one is always kept. Default: 4 GiB. */
  readonly outboxBytesMax?: number;
  /** Literal bytes at which a delta counts as full. Default: all that the format allows. */
  readonly deltaLiteralBytesMax?: number;
  /** How hard deltas are compressed: 1 (fast) to 19 (small), or 0 for not at all. Default: 3. */
  readonly zstdLevel?: number;
  /** What counts of the volume's properties in place of what the system knows of it. */
  readonly said?: SaidProperties;
  /** How often the cloud is asked while something waits for its answer. Default: one second. */
  readonly pollMs?: number;
  /** What the site remembers of the content that the cloud has; without it every delta is sent with all its bytes. */
  readonly content?: ContentIndex;
  /** How often the cloud is given a list of range hashes to compare the replica with. Default: a day. */
  readonly rangesEveryMs?: number;
  /** From which size on a volume's first copy is written as raw pages, with nothing stored in between. Default: 4 GiB. */
  readonly directFromBytes?: number;
  /** Makes the volume stand still while an interval reads it. */
  readonly quiesce?: Quiesce | undefined;
  /** What it shares with the site's other volumes. Default: nothing. */
  readonly work?: SharedWork;
}

/** What an interval did, and why not all of it could be sent so far: it is kept and will be. */
export interface ReplicationReport extends IntervalReport {
  readonly unsent: LeewardError | undefined;
}

/** How a replicator stands. */
export interface ReplicatorStatus {
  readonly volume: string;
  readonly generation: number | undefined;
  readonly term: number | undefined;
  readonly storedNumber: number;
  readonly acknowledgedNumber: number;
  readonly appliedNumber: number;
  readonly waitingBytes: number;
  /** Bytes of deltas and raw pages sent by this process, repeats included. */
  readonly sentBytes: number;
  /** Whether the first copy has been stored whole. */
  readonly firstCopyDone: boolean;
  /** Why nothing is sent, or what the cloud says is wrong; undefined while all is well. */
  readonly trouble: string | undefined;
}

export class Replicator implements HeartbeatPart {
  readonly volume: string;
  readonly #ref: VolumeRef;
  readonly #options: Required<Omit<ReplicatorOptions, 'content' | 'quiesce'>> & Pick<ReplicatorOptions, 'quiesce'>;
  readonly #standing = new Standing();
  readonly #log: VolumeLog;
  readonly #sender: DeltaSender;
  readonly #base: Base;
  readonly #rangeLists: RangeListSender;
  readonly #lag = new Lag();
  readonly #sending = new JoinedTurns(async () => this.#sendNow());
  /** Ends all sending: the process is to end. */
  #stopping: AbortSignal | undefined;
  #running = false;

  private constructor(options: ReplicatorOptions) {
    this.#ref = parseVolume(options.volume);
    this.volume = volumeId(this.#ref);
    this.#options = {
      resendAfterMs: 20_000,
      outboxBytesMax: 4 * GIB,
      deltaLiteralBytesMax: DELTA_LIMITS.contentBytesMax,
      zstdLevel: 3,
      pollMs: 1000,
      said: {},
      rangesEveryMs: 24 * 3_600_000,
      directFromBytes: 4 * GIB,
      work: sharedWork(),
      ...options,
    };
    this.#log = new VolumeLog(this.volume, options.store);
    const { work } = this.#options;
    const shared = { ...this.#options, volume: this.#ref };
    const dedup =
      options.content &&
      new Deduplication({
        ...shared,
        index: options.content,
        log: this.#log,
        journalKeptMs: () => options.siteLink.answer?.journalKeptMs,
        limits: () => limitsOf(options.siteLink.answer?.limits),
      });
    this.#sender = new DeltaSender({ ...shared, turns: work.sending, dedup });
    this.#base = new Base({
      ...{ ...shared, log: this.#log, standing: this.#standing, buffers: work.ranges },
      beat: async () => this.#beat(),
    });
    this.#rangeLists = new RangeListSender({ ...shared, log: this.#log });
  }

  /** A replicator whose store is whole, attached to its link. Errors: DOCUMENT_INVALID, VERSION_TOO_NEW. */
  static async open(options: ReplicatorOptions): Promise<Replicator> {
    const replicator = new Replicator(options);
    await replicator.#log.recover();
    options.siteLink.attach(replicator);
    return replicator;
  }

  status(): ReplicatorStatus {
    const { state } = this.#log;
    const { refusal, answer } = this.#standing;
    return {
      volume: this.volume,
      generation: state?.generation,
      term: state?.term,
      storedNumber: state?.last.number ?? 0,
      acknowledgedNumber: state?.acknowledged.number ?? 0,
      appliedNumber: answer?.appliedNumber ?? 0,
      waitingBytes: this.#log.waitingBytes,
      sentBytes: this.#sender.sentBytes + this.#base.sentBytes,
      firstCopyDone: (state?.markedNumber ?? 0) > 0,
      trouble: refusal?.message ?? answer?.trouble,
    };
  }

  /** What is known of the volume; generation 1 and nothing stored, before the cloud has said anything. */
  report(): VolumeReport {
    const { state } = this.#log;
    const { lostNumber } = this.#sender;
    const { answer, wantsGeneration } = this.#standing;
    const asked = answer?.repair?.id;
    const lagMs = state && this.#lagMs(state);
    return {
      volume: this.volume,
      // It may be one that was never begun here that another is wanted for.
      generation: Math.max(state?.generation ?? 1, wantsGeneration ? (answer?.generation ?? 1) : 1),
      stored: state?.last.number ?? 0,
      waitingBytes: this.#log.waitingBytes,
      ...(lagMs !== undefined && { lagMs: Math.round(lagMs) }),
      ...this.#base.word(),
      ...(asked !== undefined && asked === state?.repaired && { repaired: asked }),
      ...(lostNumber !== undefined && { lost: lostNumber }),
      ...(wantsGeneration && { wants: 'generation' as const }),
    };
  }

  async hear(answer: VolumeAnswer | undefined, report: VolumeReport | undefined): Promise<void> {
    const parts = { standing: this.#standing, log: this.#log, base: this.#base, sender: this.#sender };
    await takeAnswer({ volume: this.#ref, report, ...parts }, answer);
  }

  /**
   * One interval: reads the volume, stores what changed as deltas, the last of which carries a marker, and sends them.
   * What cannot be sent now is kept, and the interval goes on. Before a generation's first delta it makes the base, if the
   * generation has one, which takes as long as it takes.
   *
   * Errors: SOURCE_CHANGED when the volume vanishes or changes its size meanwhile (the delta that was being made is then not
   * stored and not sent, and the next interval takes the new size); REFUSED while the site may not write; DELTA_FORKED;
   * UNAVAILABLE before the cloud has said which generation to make; CONFLICT when a new generation or term began meanwhile;
   * the signal's reason, soon after it was aborted: what was stored by then stays, and the next interval goes on from it.
   */
  async replicateOnce(how: { readonly signal?: AbortSignal | undefined } = {}): Promise<ReplicationReport> {
    if (this.#running) throw new LeewardError('REFUSED', `${this.volume}: an interval is under way`);
    this.#running = true;
    try {
      let sending: Promise<LeewardError | undefined> = Promise.resolve(undefined);
      const { siteLink, work } = this.#options;
      const options = {
        ...this.#options,
        volume: this.volume,
        log: this.#log,
        signal: how.signal,
        turns: work.making,
        limits: () => limitsOf(siteLink.answer?.limits),
        mayStore: () => {
          this.#standing.mayWrite();
        },
        hasRoom: (of: { sizeBytes: number; storingBytes: number }) => this.#hasRoom(of),
        makeRoom: (isThere: () => boolean) => this.#makeRoom(isThere, how.signal),
        // The next delta is made while this one is sent: reading and compressing need no network.
        stored: () => {
          const turn = Promise.all([sending, failureOf(this.sendDue(how.signal))]);
          sending = turn.then(([, last]) => last);
          // Whatever it was is thrown below, when the interval has come to its end.
          sending.catch(() => undefined);
        },
      };
      await this.#ready();
      await this.#base.ready(how.signal);
      const begunBootMs = this.#options.clock.bootMs();
      const report = await runInterval(options, await this.#ready()).finally(async () => sending);
      const read = this.#log.state;
      if (read) this.#lag.read({ generation: read.generation, number: read.last.number, bootMs: begunBootMs });
      await failureOf(this.#sendRangeListIfDue());
      return { ...report, unsent: await sending };
    } finally {
      this.#running = false;
    }
  }

  /**
   * Sends whatever is due, after asking the cloud if it has said nothing yet. Nothing while the cloud does not take it; on
   * standby only what it asks for again, since without it the cloud could not come to the end of the site's own chain.
   * However often this is asked for, it goes on once at a time; the signal that was given last stops it, for all who asked,
   * after the delta that is being sent. Errors: those of {@link SiteLink}.heartbeat and {@link DeltaSender}.sendDue.
   */
  async sendDue(signal?: AbortSignal): Promise<void> {
    this.#stopping = signal;
    await this.#sending.ask();
  }

  #lagMs({ generation, acknowledged }: ReplicationState): number | undefined {
    const nowBootMs = this.#options.clock.bootMs();
    return this.#lag.ageMs({ generation, acknowledgedNumber: acknowledged.number, nowBootMs });
  }

  async #sendNow(): Promise<void> {
    const standing = this.#standing;
    if (standing.isUnheard) await this.#beat();
    try {
      await this.#sender.sendDue(this.#log, () => (standing.maySend ? standing.answer : undefined), this.#stopping);
    } catch (error) {
      // The outbox does not hold what was stored.
      if (isLeewardError(error, 'DELTA_INVALID')) standing.wantGeneration();
      throw error;
    }
  }

  /**
   * Asks the cloud until everything that was stored is acknowledged. Errors: UNAVAILABLE after `timeoutMs`, and why nothing
   * is sent where that is so.
   */
  async waitUntilAcknowledged(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    const { clock, pollMs } = this.#options;
    const deadline = clock.bootMs() + timeoutMs;
    for (let maxAgeMs = -Infinity; ; maxAgeMs = pollMs) {
      const failure = await failureOf(this.#poll(signal, { maxAgeMs }));
      // A site that may not write any more must hear of it, also when it has nothing to send.
      this.#standing.mayWrite();
      const state = this.#log.state;
      if (state && state.acknowledged.number === state.last.number) return;
      if (clock.bootMs() >= deadline) {
        throw new LeewardError(
          'UNAVAILABLE',
          `${this.volume}: delta ${(state?.acknowledged.number ?? 0) + 1} was not acknowledged within ${timeoutMs} ms`,
          { cause: failure },
        );
      }
      await clock.sleep(Math.min(pollMs, deadline - clock.bootMs()), signal);
    }
  }

  /** The state to make deltas in: the stored one, so that an outage stops nothing, or what the cloud says. */
  async #ready(): Promise<ReplicationState> {
    const failure = this.#standing.answer ? undefined : await failureOf(this.#beat());
    await this.#log.recover();
    this.#standing.mayWrite();
    const state = this.#log.state;
    if (state) return state;
    const why = `${this.volume}: the cloud has not said yet which generation to make`;
    throw new LeewardError('UNAVAILABLE', why, { cause: failure });
  }

  async #sendRangeListIfDue(): Promise<void> {
    const { answer, refusal } = this.#standing;
    if (answer && !refusal) await this.#rangeLists.sendDue(answer);
  }

  /** A heartbeat whose answer this volume has then heard, however long others take to hear theirs. */
  async #beat(wish: HeartbeatWish = {}): Promise<void> {
    await this.#options.siteLink.heartbeat({ ...wish, volume: this.volume });
  }

  /** Asks the cloud, and sends what is due. */
  async #poll(signal: AbortSignal | undefined, wish: HeartbeatWish): Promise<void> {
    await this.#beat(wish);
    await this.sendDue(signal);
  }

  /** Waits while the outbox is full, asking the cloud what it needs no more: an outage only makes it longer. */
  async #makeRoom(isThere: () => boolean, signal: AbortSignal | undefined): Promise<void> {
    const { clock, pollMs } = this.#options;
    const isFull = (): boolean => {
      signal?.throwIfAborted();
      this.#standing.mayWrite();
      return !isThere();
    };
    while (isFull()) {
      await failureOf(this.#poll(signal, { maxAgeMs: pollMs / 2 }));
      if (isFull()) await clock.sleep(pollMs, signal);
    }
  }

  /** Whether the outbox has room for `sizeBytes` more than it holds and what is being stored; an empty one has. */
  #hasRoom({ sizeBytes, storingBytes }: { readonly sizeBytes: number; readonly storingBytes: number }): boolean {
    const heldBytes = this.#log.storedBytes + storingBytes;
    return heldBytes === 0 || heldBytes + sizeBytes <= this.#options.outboxBytesMax;
  }
}
