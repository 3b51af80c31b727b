/**
 * Has the cloud hear of a mark at once, and not with the next heartbeat alone: whoever takes a site offline may switch it off
 * the moment that the command has ended.
 *
 * Invariant: what {@link OfflineTeller.tell} returns was read after the call, and was in a heartbeat that the cloud has answered.
 */
import { isDeepStrictEqual } from 'node:util';
import type { OfflineWord } from '../../protocol/heartbeat.ts';
import type { SiteLink } from '../send/site-link.ts';
import type { SiteWatch } from './site-watch.ts';

export class OfflineTeller {
  readonly #watch: Pick<SiteWatch, 'readMarks' | 'word'>;
  readonly #siteLink: Pick<SiteLink, 'tell' | 'told' | 'heard'>;

  constructor(watch: Pick<SiteWatch, 'readMarks' | 'word'>, siteLink: Pick<SiteLink, 'tell' | 'told' | 'heard'>) {
    this.#watch = watch;
    this.#siteLink = siteLink;
  }

  /** All that is offline on purpose now, as the cloud was told it. Errors: those of the marks' texts, and of a heartbeat. */
  async tell(): Promise<readonly OfflineWord[]> {
    await this.#watch.readMarks();
    return (await this.#siteLink.tell()).offline ?? [];
  }

  /** The same before the agent ends, where that is not what the cloud has heard already. Errors: as {@link OfflineTeller.tell}. */
  async tellLast(): Promise<void> {
    await this.#watch.readMarks();
    if (isDeepStrictEqual(this.#watch.word().offline, this.#siteLink.told?.offline ?? [])) return;
    await this.#siteLink.tell();
    await this.#siteLink.heard();
  }
}
