/**
 * A signed message of a site, opened: the door that heartbeats and lease requests come in by.
 *
 * Invariants: nothing is read from storage before the signature was found right; nothing at all is written here. A key
 * counts only while the site's document has it as active.
 */
import type { z } from 'zod';
import { siteKind } from '../../documents/site.ts';
import type { SiteDocument } from '../../documents/site.ts';
import { checkActive, verifySite } from '../../documents/site-signature.ts';
import type { Documents } from '../../documents/store.ts';
import type { SiteRef } from '../../kernel/ids.ts';
import { documents as names } from '../../kernel/names.ts';
import { parseSigned, readPayload } from '../../protocol/signed.ts';

export interface OpenedMessage<T> {
  readonly site: SiteRef;
  /** Name of the key it is signed with. */
  readonly key: string;
  readonly document: SiteDocument;
  readonly payload: T;
}

/**
 * Checks and reads a site's message. Errors: MESSAGE_INVALID, IDENTIFIER_INVALID (the signer is no `tenant/site`),
 * SIGNATURE_INVALID (wrong, or the key is not active), NOT_FOUND (no such site), VERSION_TOO_NEW.
 */
export async function openSiteMessage<T>(
  ports: { readonly documents: Documents; readonly keySecret: Uint8Array },
  data: unknown,
  as: { kind: 'heartbeat' | 'lease' | 'stopped' | 'witness'; schema: z.ZodType<T> },
): Promise<OpenedMessage<T>> {
  const message = parseSigned(data, as.kind);
  const site = verifySite(message, ports.keySecret);
  const payload = readPayload(message, as.schema);
  const { value: document } = await ports.documents.need(siteKind, names.site(site));
  checkActive(document, message);
  return { site, key: message.key, document, payload };
}
