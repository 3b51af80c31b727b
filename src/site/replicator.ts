/**
 * The replicator of one volume, first version: finds what changed by reading all of the volume, makes deltas of it, keeps
 * them until the cloud has them.
 *
 * Invariants: a delta is sent only after it was stored; it is stored only while the volume has the size that its
 * interval began with; an interval without changes makes nothing; disk and memory are bounded by configuration, not
 * by the volume. Whatever shows that somebody else writes this volume's chain, or that the cloud's store was set back,
 * stops the replicator until a new generation, and it says why.
 */
import type { DeltaMarker } from '../delta/identity.ts';
import { DELTA_LIMITS } from '../delta/limits.ts';
import type { Clock } from '../kernel/clock.ts';
import { LeewardError, isLeewardError } from '../kernel/errors.ts';
import { parseVolume, volumeId } from '../kernel/ids.ts';
import type { VolumeRef } from '../kernel/ids.ts';
import { journalPrefix } from '../kernel/names.ts';
import { GIB } from '../kernel/units.ts';
import type { ContentIndex } from '../ports/content-index.ts';
import type { SiteStore } from '../ports/site-store.ts';
import type { VolumeSource } from '../ports/volume-source.ts';
import type { Heartbeat, VolumeAnswer } from '../protocol/heartbeat.ts';
import type { AgentPart, SiteAgent } from './send/agent.ts';
import { Deduplication } from './dedup/deduplication.ts';
import { Base } from './base/base.ts';
import { DeltaSender } from './send/delta-sender.ts';
import { runInterval } from './chain/interval.ts';
import type { IntervalReport } from './chain/interval.ts';
import { failureOf } from './send/outage.ts';
import type { SaidProperties } from './chain/properties.ts';
import { sendRangeList } from './send/range-lists.ts';
import type { ReplicationState } from './chain/replication-state.ts';
import { VolumeLog } from './chain/volume-log.ts';

export interface ReplicatorOptions {
  /** tenant/site/group/volume */
  readonly volume: string;
  readonly source: VolumeSource;
  readonly store: SiteStore;
  readonly agent: SiteAgent;
  readonly clock: Clock;
  /** How long nothing at all may be acknowledged before what waits is sent again. Default: five minutes. */
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

export class Replicator implements AgentPart {
  readonly volume: string;
  readonly #ref: VolumeRef;
  readonly #options: Required<Omit<ReplicatorOptions, 'content'>>;
  readonly #log: VolumeLog;
  readonly #sender: DeltaSender;
  readonly #base: Base;
  #answer: VolumeAnswer | undefined;
  /** Why nothing may be sent for now; each answer says anew. */
  #pause: LeewardError | undefined;
  /** Whether the pause is only that the term has ended: what the cloud asks for again is sent all the same. */
  #onStandby = false;
  /** Why nothing may ever be made or sent in this generation. */
  #stop: LeewardError | undefined;
  /** Whether this site has lost what it needs to go on in the generation, and asks for another. */
  #wantsGeneration = false;
  /** The delta of which a list of range hashes was sent last, and when, on boot time. */
  #listed: { readonly digest: string; readonly bootMs: number } | undefined;
  #running = false;
  #sending: Promise<void> = Promise.resolve();

  private constructor(options: ReplicatorOptions) {
    this.#ref = parseVolume(options.volume);
    this.volume = volumeId(this.#ref);
    this.#options = {
      resendAfterMs: 5 * 60_000,
      outboxBytesMax: 4 * GIB,
      deltaLiteralBytesMax: DELTA_LIMITS.contentBytesMax,
      zstdLevel: 3,
      pollMs: 1000,
      said: {},
      rangesEveryMs: 24 * 3_600_000,
      directFromBytes: 4 * GIB,
      ...options,
    };
    this.#log = new VolumeLog(this.volume, options.store);
    const shared = { ...this.#options, volume: this.#ref };
    const dedup =
      options.content &&
      new Deduplication({
        ...shared,
        index: options.content,
        log: this.#log,
        journalKeptMs: () => options.agent.answer?.journalKeptMs,
      });
    this.#sender = new DeltaSender({ ...shared, dedup });
    this.#base = new Base({
      ...shared,
      log: this.#log,
      answer: () => this.#answer,
      mayWrite: () => {
        this.#mayWrite();
      },
    });
  }

  /** A replicator whose store is whole, attached to its agent. Errors: DOCUMENT_INVALID, VERSION_TOO_NEW. */
  static async open(options: ReplicatorOptions): Promise<Replicator> {
    const replicator = new Replicator(options);
    await replicator.#log.recover();
    options.agent.attach(replicator);
    return replicator;
  }

  status(): ReplicatorStatus {
    const state = this.#log.state;
    return {
      volume: this.volume,
      generation: state?.generation,
      term: state?.term,
      storedNumber: state?.last.number ?? 0,
      acknowledgedNumber: state?.acknowledged.number ?? 0,
      appliedNumber: this.#answer?.appliedNumber ?? 0,
      waitingBytes: this.#log.waitingBytes,
      sentBytes: this.#sender.sentBytes + this.#base.sentBytes,
      firstCopyDone: (state?.markedNumber ?? 0) > 0,
      trouble: (this.#stop ?? this.#pause)?.message ?? this.#answer?.trouble,
    };
  }

  /** What is known of the volume; generation 1 and nothing stored, before the cloud has said anything. */
  report(): Heartbeat['volumes'][number] {
    const state = this.#log.state;
    const { lostNumber } = this.#sender;
    const asked = this.#answer?.repair?.id;
    return {
      volume: this.volume,
      generation: state?.generation ?? 1,
      stored: state?.last.number ?? 0,
      waitingBytes: this.#log.waitingBytes,
      ...this.#base.word(),
      ...(asked !== undefined && asked === state?.repaired && { repaired: asked }),
      ...(lostNumber !== undefined && { lost: lostNumber }),
      ...(this.#wantsGeneration && { wants: 'generation' as const }),
    };
  }

  async hear(answer: VolumeAnswer | undefined): Promise<void> {
    this.#answer = answer;
    try {
      this.#pause = undefined;
      this.#onStandby = false;
      if (answer === undefined)
        throw new LeewardError('NOT_FOUND', `${this.volume}: the cloud does not know this volume`);
      await this.#follow(answer);
    } catch (error) {
      if (!isLeewardError(error)) throw error;
      if (isLeewardError(error, 'DELTA_FORKED')) this.#stop = error;
      this.#pause = error;
    }
  }

  /**
   * One interval: reads the volume, stores what changed as deltas, the last of which carries a marker, and sends them.
   * What cannot be sent now is kept, and the interval goes on. Before a generation's first delta it makes the base, if the
   * generation has one, which takes as long as it takes. `consistency` is the caller's word for how the volume
   * stands while it is read: 'application' only when its applications were made to wait and had written everything.
   *
   * Errors: SOURCE_CHANGED when the volume vanishes or changes its size meanwhile (the delta that was being made is then not
   * stored and not sent, and the next interval takes the new size); REFUSED while the site may not write; DELTA_FORKED;
   * UNAVAILABLE before the cloud has said which generation to make; CONFLICT when a new generation or term began meanwhile.
   */
  async replicateOnce(how: {
    consistency: DeltaMarker['consistency'];
    signal?: AbortSignal | undefined;
  }): Promise<ReplicationReport> {
    if (this.#running) throw new LeewardError('REFUSED', `${this.volume}: an interval is under way`);
    this.#running = true;
    try {
      let sending: Promise<LeewardError | undefined> = Promise.resolve(undefined);
      const options = {
        ...this.#options,
        volume: this.volume,
        log: this.#log,
        consistency: how.consistency,
        makeRoom: (sizeBytes: number) => this.#makeRoom(sizeBytes, how.signal),
        // The next delta is made while this one is sent: reading and compressing need no network.
        stored: () => {
          sending = sending.then(async () => failureOf(this.sendDue()));
          // Whatever it was is thrown below, when the interval has come to its end.
          sending.catch(() => undefined);
        },
      };
      await this.#ready();
      await this.#base.ready(how.signal);
      const report = await runInterval(options, await this.#ready()).finally(async () => sending);
      await failureOf(this.#listIfDue());
      return { ...report, unsent: await sending };
    } finally {
      this.#running = false;
    }
  }

  /**
   * Sends whatever is due, after asking the cloud if it has said nothing yet. Nothing while the cloud does not take it; on
   * standby only what it asks for again, since without it the cloud could not come to the end of the site's own chain.
   * Errors: those of {@link SiteAgent}.heartbeat and {@link DeltaSender}.sendDue.
   */
  async sendDue(): Promise<void> {
    const turn = this.#sending.then(async () => {
      if (this.#answer === undefined && !this.#pause) await this.#options.agent.heartbeat();
      if (this.#stop ?? (this.#onStandby ? undefined : this.#pause)) return;
      try {
        if (this.#answer) await this.#sender.sendDue(this.#log, this.#answer);
      } catch (error) {
        // The outbox does not hold what was stored.
        this.#wantsGeneration ||= isLeewardError(error, 'DELTA_INVALID');
        throw error;
      }
    });
    this.#sending = turn.catch(() => undefined);
    await turn;
  }

  /**
   * Asks the cloud until everything that was stored is acknowledged. Errors: UNAVAILABLE after `timeoutMs`, and why nothing
   * is sent where that is so.
   */
  async waitUntilAcknowledged(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    const { agent, clock, pollMs } = this.#options;
    const deadline = clock.bootMs() + timeoutMs;
    for (;;) {
      const failure = await failureOf(agent.round());
      // A site that may not write any more must hear of it, also when it has nothing to send.
      this.#mayWrite();
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
    const failure = this.#answer ? undefined : await failureOf(this.#options.agent.heartbeat());
    await this.#log.recover();
    this.#mayWrite();
    const state = this.#log.state;
    if (state) return state;
    const why = `${this.volume}: the cloud has not said yet which generation to make`;
    throw new LeewardError('UNAVAILABLE', why, { cause: failure });
  }

  /**
   * Sends a list of range hashes after a delta with a marker, when it is time or the cloud asks for one. What fails is tried
   * again after the next interval.
   */
  async #listIfDue(): Promise<void> {
    const { agent, clock, rangesEveryMs, resendAfterMs } = this.#options;
    const state = this.#log.state;
    const answer = this.#answer;
    if (!state || !answer || (this.#stop ?? this.#pause)) return;
    const sinceMs = clock.wallMs() - (state.listedAtMs ?? clock.wallMs());
    // A clock that was set back must not put it off for ever.
    const isTime = sinceMs < 0 || sinceMs >= rangesEveryMs;
    const wasSent = this.#listed?.digest === state.last.digest && clock.bootMs() - this.#listed.bootMs < resendAfterMs;
    if (!isTime && (answer.verify !== true || wasSent)) return;
    const list = await this.#log.comparison.rangeList();
    if (list === undefined) return;
    await sendRangeList(agent, { volume: this.#ref, queue: answer.queue, list });
    this.#listed = { digest: list.digest, bootMs: clock.bootMs() };
    await this.#log.comparison.noteListed(Math.floor(clock.wallMs()));
  }

  /** Waits while the outbox is full, asking the cloud what it needs no more: an outage only makes it longer. */
  async #makeRoom(sizeBytes: number, signal: AbortSignal | undefined): Promise<void> {
    const { agent, clock, outboxBytesMax, pollMs } = this.#options;
    const isFull = (): boolean => {
      signal?.throwIfAborted();
      this.#mayWrite();
      return this.#log.storedBytes > 0 && this.#log.storedBytes + sizeBytes > outboxBytesMax;
    };
    while (isFull()) {
      await failureOf(agent.round());
      if (isFull()) await clock.sleep(pollMs, signal);
    }
  }

  #mayWrite(): void {
    const reason = this.#stop ?? this.#pause;
    if (reason) throw new LeewardError(reason.code, reason.message, { cause: reason });
  }

  async #follow(answer: VolumeAnswer): Promise<void> {
    const state = this.#log.state;
    if (answer.entryPrefix !== journalPrefix(this.#ref, answer.generation)) {
      throw new LeewardError('REFUSED', `${this.volume}: the cloud names its journal otherwise than this program does`);
    }
    if (state === undefined || answer.generation > state.generation) {
      await this.#log.begin({ generation: answer.generation, term: answer.term, from: answer.base?.from });
      this.#sender.forget();
      this.#base.forget();
      this.#stop = undefined;
      this.#wantsGeneration = false;
    } else if (answer.generation < state.generation || answer.term < state.term) {
      throw new LeewardError(
        'REFUSED',
        `${this.volume}: the cloud speaks of generation ${answer.generation}, term ${answer.term}, and was at ${state.generation}, ${state.term}: its store was set back; nothing is sent until a person has looked`,
      );
    }
    if (this.#log.state?.last.number === 0 && answer.acknowledged.number > 0) {
      this.#wantsGeneration = true;
      const why = `the cloud has ${answer.acknowledged.number} deltas of generation ${answer.generation} and nothing of them is known here: another generation was asked for`;
      throw new LeewardError('REFUSED', `${this.volume}: ${why}`);
    }
    // Before the base is taken for ready: its delta 1 must hold the repair.
    if (answer.repair) await this.#log.comparison.repair(answer.repair);
    await this.#base.hear(answer);
    const before = this.#log.state?.acknowledged.number;
    await this.#log.acknowledge(answer.acknowledged, answer.appliedNumber);
    const { generation, acknowledged } = answer;
    if (acknowledged.number !== before) await this.#sender.noteProgress({ generation, number: acknowledged.number });
    this.#sender.noteReleased(this.#log.state?.releasedNumber ?? 0);
    if (!answer.writable) {
      this.#onStandby = true;
      throw new LeewardError('REFUSED', `${this.volume}: term ${answer.term} has ended for this site: on standby`);
    }
    if (answer.term === this.#log.state?.term) return;
    // What is left over of the term before belongs to no chain any more.
    this.#wantsGeneration ||= this.#log.waiting.length > 0;
    await this.#log.continueIn(answer.term);
  }
}
