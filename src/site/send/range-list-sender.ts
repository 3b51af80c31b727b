/**
 * Gives the cloud a volume's range list, so that it compares the replica with it: now and then, and when it asks for one.
 *
 * Invariants: an entry's name holds its own hash, so that sending a list again, also after a crash in between, does no
 * harm; a list that was sent is noted only afterwards, so that one that failed is made anew after the next interval;
 * one that the cloud asks for is not sent again while it may be on its way.
 */
import type { Clock } from '../../kernel/clock.ts';
import { sha256Hex } from '../../kernel/hash.ts';
import type { VolumeRef } from '../../kernel/ids.ts';
import { rangesEntry } from '../../kernel/names.ts';
import type { VolumeAnswer } from '../../protocol/heartbeat.ts';
import { encodeRangeList } from '../../ranges/list.ts';
import type { RangeList } from '../../ranges/list.ts';
import type { VolumeLog } from '../chain/volume-log.ts';
import type { SiteLink } from './site-link.ts';

export interface RangeListSenderOptions {
  readonly volume: VolumeRef;
  readonly log: Pick<VolumeLog, 'state' | 'comparison'>;
  readonly siteLink: Pick<SiteLink, 'putEntry' | 'sendRanges'>;
  readonly clock: Clock;
  /** How often a list is sent without being asked for. */
  readonly rangesEveryMs: number;
  /** How long a list that was asked for is given to arrive. */
  readonly resendAfterMs: number;
}

export class RangeListSender {
  readonly #options: RangeListSenderOptions;
  /** The delta of which a list was sent last, and when, on boot time. */
  #sent: { readonly digest: string; readonly bootMs: number } | undefined;

  constructor(options: RangeListSenderOptions) {
    this.#options = options;
  }

  /** Sends the list of the newest delta, which carries a marker, if one is due. Errors: those of {@link sendRangeList}. */
  async sendDue(answer: VolumeAnswer): Promise<void> {
    const { volume, log, siteLink, clock } = this.#options;
    if (!this.#isDue(answer)) return;
    const list = await log.comparison.rangeList();
    if (list === undefined) return;
    await sendRangeList(siteLink, { volume, queue: answer.queue, list });
    this.#sent = { digest: list.digest, bootMs: clock.bootMs() };
    await log.comparison.noteListed(Math.floor(clock.wallMs()));
  }

  #isDue(answer: VolumeAnswer): boolean {
    const { log, clock, rangesEveryMs, resendAfterMs } = this.#options;
    const { state } = log;
    if (!state) return false;
    const sinceMs = clock.wallMs() - (state.listedAtMs ?? clock.wallMs());
    // A clock that was set back must not put it off for ever.
    if (sinceMs < 0 || sinceMs >= rangesEveryMs) return true;
    const isOnItsWay = this.#sent?.digest === state.last.digest && clock.bootMs() - this.#sent.bootMs < resendAfterMs;
    return answer.verify === true && !isOnItsWay;
  }
}

/**
 * Hands a range list over: first the entry, then the message that names it. Errors: those of {@link SiteLink}.putEntry and
 * sendRanges.
 */
export async function sendRangeList(
  siteLink: Pick<SiteLink, 'putEntry' | 'sendRanges'>,
  of: { readonly volume: VolumeRef; readonly queue: VolumeAnswer['queue']; readonly list: RangeList },
): Promise<void> {
  const { volume, generation, number, digest } = of.list;
  const bytes = encodeRangeList(of.list);
  const entry = rangesEntry(of.volume, { generation, number, sha256: sha256Hex(bytes) });
  await siteLink.putEntry(entry, bytes);
  await siteLink.sendRanges(of.queue, { volume, generation, number, digest, entry });
}
