/**
 * What a generation begins from, where that is not zeros: the site's side (docs/site-protocol.md, "Generations" and "First
 * copy, direct").
 *
 * Invariants: no delta is made before the cloud has the base; once a range list of it was sent, neither the upload nor
 * the index changes, so that a list is never of anything but what the index holds; whoever is interrupted, at any
 * moment, goes on where the stored state says.
 */
import type { Clock } from '../../kernel/clock.ts';
import { LeewardError, isLeewardError } from '../../kernel/errors.ts';
import type { VolumeRef } from '../../kernel/ids.ts';
import type { SiteStore } from '../../ports/site-store.ts';
import type { VolumeSource } from '../../ports/volume-source.ts';
import type { VolumeAnswer } from '../../protocol/heartbeat.ts';
import type { SiteLink, VolumeReport } from '../send/site-link.ts';
import { fillBase } from './base-filling.ts';
import type { RangeBuffers } from '../work/range-buffers.ts';
import { failureOf } from '../send/outage.ts';
import { sendRangeList } from '../send/range-list-sender.ts';
import type { ReplicationState } from '../chain/replication-state.ts';
import type { VolumeLog } from '../chain/volume-log.ts';
import type { Standing } from '../standing.ts';

/** How seldom the cloud is asked at last while it makes its copy, and how seldom beside the time that it took so far. */
const WAIT_MS_MAX = 15_000;
const WAIT_SHARE_MAX = 0.05;

export interface BaseOptions {
  readonly volume: VolumeRef;
  readonly source: VolumeSource;
  readonly store: Pick<SiteStore, 'readIndex'>;
  readonly log: VolumeLog;
  readonly siteLink: Pick<SiteLink, 'putEntry' | 'sendRanges' | 'putPages'>;
  /** A heartbeat, whose answer the volume has then heard. */
  readonly beat: () => Promise<unknown>;
  /** Memory for the ranges that are on their way, of all volumes of the site. */
  readonly buffers: RangeBuffers;
  readonly clock: Clock;
  readonly pollMs: number;
  readonly resendAfterMs: number;
  /** From which size on a volume's first copy is written as raw pages. */
  readonly directFromBytes: number;
  readonly standing: Pick<Standing, 'answer' | 'mayWrite'>;
}

export class Base {
  readonly #options: BaseOptions;
  /** Whether a heartbeat has asked for an upload in this generation, and its answer brought none. */
  #declined = false;
  #listSentBootMs: number | undefined;
  #sentBytes = 0;

  constructor(options: BaseOptions) {
    this.#options = options;
  }

  /** Bytes of raw pages that were written. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** What a heartbeat says of it. */
  word(): Pick<VolumeReport, 'direct' | 'volumeBytes'> {
    const state = this.#options.log.state;
    const volumeBytes = state?.directBytes ?? null;
    if (!state || volumeBytes === null || state.base !== null || state.last.number > 0 || this.#declined) return {};
    return { direct: true, volumeBytes };
  }

  /** Takes what an answer to `report` says of the present generation. Its repair was heeded before. */
  async hear({ base, generation }: VolumeAnswer, report: VolumeReport | undefined): Promise<void> {
    const { log } = this.#options;
    if (base === undefined) {
      this.#declined ||= report?.direct === true && report.generation === generation;
      return;
    }
    await log.base.take(base.from);
    if (base.digest === undefined) return;
    // One that is ready was compared with some list: if not with this site's, nothing is believed of it.
    await this.#closeUnknown();
    await log.base.open(base.digest);
  }

  /** Another generation began. */
  forget(): void {
    this.#declined = false;
    this.#listSentBootMs = undefined;
  }

  /**
   * Returns once deltas can be made. Errors: SOURCE_CHANGED; why the site may not write; why the pages could not be
   * written. An outage makes it take longer.
   */
  async ready(signal: AbortSignal | undefined): Promise<void> {
    const { beat, clock, pollMs, standing, log, source } = this.#options;
    await this.#ask(signal);
    const beganBootMs = clock.bootMs();
    for (;;) {
      signal?.throwIfAborted();
      standing.mayWrite();
      const state = log.state;
      if (!state?.base) return;
      if (state.base.phase === 'ready') break;
      if (state.base.phase === 'filling') await this.#fill(state, signal);
      else await this.#sendListIfDue();
      await failureOf(beat());
      const waitMs = Math.min((clock.bootMs() - beganBootMs) * WAIT_SHARE_MAX, WAIT_MS_MAX);
      if (isWaiting(log.state)) await clock.sleep(Math.max(waitMs, pollMs), signal);
    }
    await log.base.grow(await source.sizeBytes());
  }

  /** For a large volume of which nothing was sent yet, asks the cloud for a place to write raw pages to. */
  async #ask(signal: AbortSignal | undefined): Promise<void> {
    const { log, source, beat, clock, directFromBytes, pollMs, standing } = this.#options;
    for (;;) {
      signal?.throwIfAborted();
      standing.mayWrite();
      const state = log.state;
      if (!state || state.base !== null || state.last.number > 0 || this.#declined) return;
      const sizeBytes = await source.sizeBytes();
      if (sizeBytes < directFromBytes && state.directBytes === null) return;
      if (state.directBytes !== sizeBytes) await log.base.askDirect(sizeBytes);
      if (await failureOf(beat())) await clock.sleep(pollMs, signal);
    }
  }

  async #fill(state: ReplicationState, signal: AbortSignal | undefined): Promise<void> {
    const { source, store, log, standing, buffers } = this.#options;
    const { generation } = state;
    const said = standing.answer;
    const base = said?.base;
    if (base === undefined || said?.generation !== generation) return;
    if (base.listed || (base.from === 'upload' && base.phase !== 'open')) {
      await this.#closeUnknown();
      return;
    }
    const isUpload = base.from === 'upload';
    if (isUpload && base.uploadUrl === undefined) return;
    // The volume may have grown since the size was said that the upload has room for.
    const roomBytes = isUpload ? (base.volumeBytes ?? state.directBytes) : null;
    const volumeBytes = roomBytes ?? (await source.sizeBytes());
    const put = isUpload ? (offset: number, bytes: Uint8Array) => this.#put(offset, bytes) : undefined;
    await fillBase({ source, store, log: log.base, generation, volumeBytes, put, buffers, signal });
    // Whatever list the cloud has by now is none of this index.
    await log.base.close(generation, { volumeBytes, unknown: standing.answer?.base?.listed === true });
    await this.#sendListIfDue();
  }

  /** Ends a base that an earlier life of this site, whose state is lost, has listed. */
  async #closeUnknown(): Promise<void> {
    const { log, source } = this.#options;
    const { state } = log;
    if (state?.base?.phase !== 'filling') return;
    const volumeBytes = state.directBytes ?? (await source.sizeBytes());
    await log.base.close(state.generation, { volumeBytes, unknown: true });
  }

  /** Writes pages; where the URL has ended, by the next one. */
  async #put(offset: number, bytes: Uint8Array): Promise<void> {
    const { siteLink, beat, standing } = this.#options;
    const url = (): string => {
      const { uploadUrl } = standing.answer?.base ?? {};
      if (uploadUrl !== undefined) return uploadUrl;
      throw new LeewardError('CONFLICT', 'the cloud takes no raw pages of this generation any more');
    };
    try {
      await siteLink.putPages(url(), offset, bytes);
    } catch (error) {
      if (!isLeewardError(error, 'DENIED')) throw error;
      await beat();
      await siteLink.putPages(url(), offset, bytes);
    }
    this.#sentBytes += bytes.length;
  }

  /** Sends the base's range list, again only where the cloud has none for a while. */
  async #sendListIfDue(): Promise<void> {
    const { siteLink, clock, log, volume, standing, resendAfterMs } = this.#options;
    const said = standing.answer;
    if (!said?.base || said.base.listed || said.base.phase === 'ready') return;
    if (this.#listSentBootMs !== undefined && clock.bootMs() - this.#listSentBootMs < resendAfterMs) return;
    const list = await log.comparison.rangeList();
    if (list?.number !== 0) return;
    const failure = await failureOf(sendRangeList(siteLink, { volume, queue: said.queue, list }));
    if (!failure) this.#listSentBootMs = clock.bootMs();
  }
}

function isWaiting(state: ReplicationState | undefined): boolean {
  return state?.base !== null && state?.base.phase !== 'ready';
}
