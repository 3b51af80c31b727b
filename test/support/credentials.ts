/** No credential is ever printed or logged: what is held against everything that a program said. */
import assert from 'node:assert/strict';

/** How credentials of Azure Storage look, whoever's they are; also escaped, as in a URL within a URL. */
const FORMS = [/[?&]sig=/i, /\bsig%3d/i, /sig=[\w%+/-]{8}/i, /AccountKey/i, /SharedAccess(Signature|Key)/i];

/** Fails where `said` holds a credential of any form, or one of `secrets` in any spelling. Says where, and not what. */
export function assertNoCredential(said: string, what: string, secrets: readonly string[] = []): void {
  for (const form of FORMS) {
    const at = said.search(form);
    assert.ok(at < 0, `${what}: ${String(form)} at character ${at}`);
  }
  for (const [index, secret] of secrets.entries()) {
    assert.ok(secret.length >= 16, `secret ${index} is too short to be looked for`);
    const bytes = Buffer.from(secret, 'base64');
    for (const spelling of [secret, encodeURIComponent(secret), bytes.toString('base64url'), bytes.toString('hex')]) {
      assert.ok(!said.includes(spelling), `${what}: it says secret ${index}`);
    }
  }
}
