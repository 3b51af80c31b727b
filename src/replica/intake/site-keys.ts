/**
 * Which keys may sign for a site.
 *
 * Invariants: a signature is checked before anything is read from storage, with a key that is derived; only then the
 * site's document says whether that key is still active. What it said is remembered for a short time, so that a site's
 * deltas do not cost a read each; a revoked key works that much longer.
 */
import type { Documents } from '../../documents/store.ts';
import { siteKind } from '../../documents/site.ts';
import type { SiteDocument } from '../../documents/site.ts';
import { checkActive, verifySite } from '../../documents/site-signature.ts';
import type { Clock } from '../../kernel/clock.ts';
import { siteId } from '../../kernel/ids.ts';
import type { SiteRef } from '../../kernel/ids.ts';
import { documents as names } from '../../kernel/names.ts';
import type { SignedMessage } from '../../protocol/signed.ts';

/** How long a site's document is believed without reading it again. */
export const REMEMBERED_MS = 30_000;

export class SiteKeys {
  readonly #ports: { readonly documents: Documents; readonly clock: Clock };
  readonly #secret: Uint8Array;
  readonly #remembered = new Map<string, { site: SiteDocument; untilMs: number }>();

  constructor(ports: { readonly documents: Documents; readonly clock: Clock }, secret: Uint8Array) {
    this.#ports = ports;
    this.#secret = secret;
  }

  /**
   * What is known of the site that signed `message`. Errors: SIGNATURE_INVALID for a wrong signature, a revoked key, or a
   * signer that is no site; NOT_FOUND for a site that is not registered.
   */
  async signerOf(message: SignedMessage): Promise<SiteDocument> {
    const site = await this.#site(verifySite(message, this.#secret));
    checkActive(site, message);
    return site;
  }

  async #site(ref: SiteRef): Promise<SiteDocument> {
    const id = siteId(ref);
    const remembered = this.#remembered.get(id);
    const nowMs = this.#ports.clock.bootMs();
    if (remembered && remembered.untilMs > nowMs) return remembered.site;
    const { value } = await this.#ports.documents.need(siteKind, names.site(ref));
    this.#remembered.set(id, { site: value, untilMs: nowMs + REMEMBERED_MS });
    return value;
  }
}
