/**
 * Whether a site's signature counts: two checks, of which the first needs nothing from storage.
 *
 * Invariant: whoever uses them makes the first before anything is read, so that a stranger costs no request.
 */
import { LeewardError } from '../kernel/errors.ts';
import { parseSite } from '../kernel/ids.ts';
import type { SiteRef } from '../kernel/ids.ts';
import { deriveKey, verifySigned } from '../protocol/signed.ts';
import type { SignedMessage } from '../protocol/signed.ts';
import type { SiteDocument } from './site.ts';

/**
 * The site that `message` is signed by, with a key derived from `keySecret`. Errors: SIGNATURE_INVALID,
 * IDENTIFIER_INVALID when the signer is no `tenant/site`.
 */
export function verifySite(message: SignedMessage, keySecret: Uint8Array): SiteRef {
  verifySigned(message, deriveKey(keySecret, { signer: message.signer, name: message.key }));
  return parseSite(message.signer);
}

/** Checks that the site's document has the key as active. Errors: SIGNATURE_INVALID. */
export function checkActive(site: SiteDocument, message: SignedMessage): void {
  if (site.keys.some(({ name, state }) => name === message.key && state === 'active')) return;
  throw new LeewardError('SIGNATURE_INVALID', `key "${message.key}" of ${message.signer} is not active`);
}
