/**
 * A guard's access file: all that it needs to reach the cloud by itself.
 *
 * Invariant: it holds the guard's key, so no error about it quotes it, and it is stored for its owner's eyes only.
 */
import { z } from 'zod';
import { nodeSchema, siteIdSchema } from '../../kernel/ids.ts';
import { CURRENT_VERSION, versionSchema } from '../../kernel/versions.ts';
import { guardKey } from '../../protocol/signed.ts';
import type { SigningKey } from '../../protocol/signed.ts';
import { keySecretSchema, parseAccess } from '../access-file.ts';

const schema = z.looseObject({
  version: versionSchema,
  site: siteIdSchema,
  node: nodeSchema,
  /** Address of the function app, without /api. */
  functionsUrl: z.url(),
  secret: keySecretSchema,
});
export type GuardAccess = z.infer<typeof schema>;

export function newGuardAccess(of: { key: SigningKey; node: string; functionsUrl: string }): GuardAccess {
  const { key, node, functionsUrl } = of;
  const secret = Buffer.from(key.secret).toString('base64');
  return { version: CURRENT_VERSION, site: key.signer, node, functionsUrl, secret };
}

/** Reads an access file's text. Errors: DOCUMENT_INVALID naming the field, never its value; VERSION_TOO_NEW. */
export function parseGuardAccess(text: string): GuardAccess {
  return parseAccess(text, schema, "the guard's access file");
}

export function serializeGuardAccess(access: GuardAccess): string {
  return `${JSON.stringify(access, undefined, 1)}\n`;
}

/** The key that the guard signs with. */
export function guardSigningKey({ site, node, secret }: GuardAccess): SigningKey {
  return { signer: site, name: guardKey(node), secret: new Uint8Array(Buffer.from(secret, 'base64')) };
}
