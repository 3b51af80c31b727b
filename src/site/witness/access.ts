/**
 * A witness's access file: all that an observer anywhere needs to look at a site and say what it sees.
 *
 * Invariant: it holds the witness's key, so no error about it quotes it, and it is stored for its owner's eyes only. That key
 * signs this witness's words and nothing else.
 */
import { z } from 'zod';
import { siteIdSchema } from '../../kernel/ids.ts';
import { parseJson } from '../../kernel/json.ts';
import { CURRENT_VERSION, versionSchema } from '../../kernel/versions.ts';
import { keyNameSchema, witnessKey } from '../../protocol/signed.ts';
import type { SigningKey } from '../../protocol/signed.ts';
import { checkAccess, keySecretSchema, parseAccess } from '../access-file.ts';

const schema = z.looseObject({
  version: versionSchema,
  site: siteIdSchema,
  witness: keyNameSchema,
  /** Address of the function app, without /api. */
  functionsUrl: z.url(),
  /** What it looks at. */
  url: z.url({ protocol: /^https?$/ }),
  /** How often, until the cloud says otherwise. */
  everyMs: z.int().min(1000),
  secret: keySecretSchema,
});
export type WitnessAccess = z.infer<typeof schema>;

export function newWitnessAccess(
  key: SigningKey,
  of: Pick<WitnessAccess, 'witness' | 'functionsUrl' | 'url' | 'everyMs'>,
): WitnessAccess {
  return { version: CURRENT_VERSION, site: key.signer, ...of, secret: Buffer.from(key.secret).toString('base64') };
}

/** Reads an access file's text. Errors: DOCUMENT_INVALID naming the field, never its value; VERSION_TOO_NEW. */
export function parseWitnessAccess(text: string): WitnessAccess {
  return parseAccess(text, schema, "the witness's access file");
}

/** Reads the access of several witnesses, as a JSON list. Errors: as {@link parseWitnessAccess}. */
export function parseWitnessAccesses(text: string): readonly WitnessAccess[] {
  return checkAccess(parseJson(text), z.array(schema), "the list of witnesses' accesses");
}

export function serializeWitnessAccess(access: WitnessAccess): string {
  return `${JSON.stringify(access, undefined, 1)}\n`;
}

/** The key that the witness signs with. */
export function witnessSigningKey({ site, witness, secret }: WitnessAccess): SigningKey {
  return { signer: site, name: witnessKey(witness), secret: new Uint8Array(Buffer.from(secret, 'base64')) };
}
