/**
 * A guard's access file: all that it needs to reach the cloud by itself.
 *
 * Invariant: it holds the guard's key, so no error about it quotes it, and it is stored for its owner's eyes only.
 */
import { z } from 'zod';
import { LeewardError } from '../../kernel/errors.ts';
import { nodeSchema, siteIdSchema } from '../../kernel/ids.ts';
import { firstIssue } from '../../kernel/schema.ts';
import { CURRENT_VERSION, checkVersion, versionSchema } from '../../kernel/versions.ts';
import { guardKey } from '../../protocol/signed.ts';
import type { SigningKey } from '../../protocol/signed.ts';

const schema = z.looseObject({
  version: versionSchema,
  site: siteIdSchema,
  node: nodeSchema,
  /** Address of the function app, without /api. */
  functionsUrl: z.url(),
  secret: z.base64().refine((text) => Buffer.from(text, 'base64').length === 32, 'must be 32 bytes in base64'),
});
export type GuardAccess = z.infer<typeof schema>;

export function newGuardAccess(of: { key: SigningKey; node: string; functionsUrl: string }): GuardAccess {
  const { key, node, functionsUrl } = of;
  const secret = Buffer.from(key.secret).toString('base64');
  return { version: CURRENT_VERSION, site: key.signer, node, functionsUrl, secret };
}

/** Reads an access file's text. Errors: DOCUMENT_INVALID naming the field, never its value; VERSION_TOO_NEW. */
export function parseGuardAccess(text: string): GuardAccess {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch {
    // Without its cause, which quotes the text.
    throw new LeewardError('DOCUMENT_INVALID', "the guard's access file is not JSON");
  }
  checkVersion(data, "the guard's access file", 'read');
  const parsed = schema.safeParse(data);
  if (parsed.success) return parsed.data;
  throw new LeewardError('DOCUMENT_INVALID', `the guard's access file: ${firstIssue(parsed.error)}`);
}

export function serializeGuardAccess(access: GuardAccess): string {
  return `${JSON.stringify(access, undefined, 1)}\n`;
}

/** The key that the guard signs with. */
export function guardSigningKey({ site, node, secret }: GuardAccess): SigningKey {
  return { signer: site, name: guardKey(node), secret: new Uint8Array(Buffer.from(secret, 'base64')) };
}
