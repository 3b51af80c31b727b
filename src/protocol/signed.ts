/**
 * Signed messages: the one outer form of envelopes, range lists' announcements, heartbeats, lease requests and operators'
 * orders (docs/site-protocol.md, "Signing").
 *
 * Invariants: what is signed is the exact text of `payload`, so that no two programs need to agree on how JSON is
 * ordered; kind, signer, key name and version are under the signature too, so that a message of one kind or site is
 * never another's; keys are derived, so that no store of the cloud's holds one.
 */
import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { LeewardError } from '../kernel/errors.ts';
import { firstIssue } from '../kernel/schema.ts';
import { CURRENT_VERSION, checkVersion, versionSchema } from '../kernel/versions.ts';

/** What a signed message can be. A signature of one kind is worthless for another. */
const MESSAGE_KINDS = ['delta', 'ranges', 'heartbeat', 'lease', 'grant', 'stopped', 'witness', 'order'] as const;
export type MessageKind = (typeof MESSAGE_KINDS)[number];

/** Kinds that a guard's key signs; that of a site signs neither these promises and grants nor a witness's word. */
const GUARD_KINDS: readonly MessageKind[] = ['lease', 'grant', 'stopped'];
const GUARD_KEY = /^guard-(.+)$/;
const WITNESS_KEY = /^witness-(.+)$/;

/** Name of the key of the guard on `node`. */
export function guardKey(node: string): string {
  return `guard-${node}`;
}

/** The node whose guard has this key; undefined for a key of the site's own. */
export function guardOf(keyName: string): string | undefined {
  return GUARD_KEY.exec(keyName)?.[1];
}

/** Name of the key of the witness `name` of a site. */
export function witnessKey(name: string): string {
  return `witness-${name}`;
}

/** The witness that has this key; undefined for any other key. */
export function witnessOf(keyName: string): string | undefined {
  return WITNESS_KEY.exec(keyName)?.[1];
}

/** Name of a signer's key; a signer may have several while one replaces another. */
export const keyNameSchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,31}$/)
  .meta({ description: "Name of the signer's key." });

export const signedMessageSchema = z
  .looseObject({
    version: versionSchema,
    kind: z.enum(MESSAGE_KINDS).meta({ description: 'What the payload is.' }),
    signer: z.string().min(3).max(80).meta({ description: 'Who signed: tenant/site, or operator/NAME.' }),
    key: keyNameSchema,
    payload: z.string().meta({ description: 'The JSON text that is signed, as it was signed.' }),
    mac: z
      .string()
      .regex(/^[0-9a-f]{64}$/)
      .meta({ description: 'HMAC-SHA256, 64 lower-case hexadecimal digits.' }),
  })
  .meta({ id: 'SignedMessage', description: 'The outer form of everything that a site sends.' });

/** The outer form without the forms of its fields: what has it and not those is signed by nobody, now or ever. */
const outerSchema = z.looseObject({
  kind: z.enum(MESSAGE_KINDS),
  signer: z.string(),
  key: z.string(),
  payload: z.string(),
  mac: z.string(),
});

export type SignedMessage = z.infer<typeof signedMessageSchema>;

/** A key as its holder has it: 32 bytes. */
export interface SigningKey {
  readonly signer: string;
  readonly name: string;
  readonly secret: Uint8Array;
}

/**
 * Derives a signer's key from the deployment's secret (at least 32 bytes): HKDF-SHA256 (RFC 5869), no salt,
 * info `leeward key SIGNER NAME`. The cloud derives it whenever it checks; the site is given it once.
 */
export function deriveKey(secret: Uint8Array, who: { signer: string; name: string }): SigningKey {
  const derived = hkdfSync('sha256', secret, new Uint8Array(0), `leeward key ${who.signer} ${who.name}`, 32);
  return { ...who, secret: new Uint8Array(derived) };
}

/** Everything that a signature covers. */
type Signed = Pick<SignedMessage, 'version' | 'kind' | 'signer' | 'key' | 'payload'>;

function macOf(key: SigningKey, message: Signed): Buffer {
  const { format, oldestReader, oldestWriter } = message.version;
  return createHmac('sha256', key.secret)
    .update(
      `leeward ${message.kind} ${message.signer} ${message.key} ${format} ${oldestReader} ${oldestWriter}\n${message.payload}`,
    )
    .digest();
}

/** Signs `payload` as it will be sent. */
export function sign(key: SigningKey, kind: MessageKind, payload: unknown): SignedMessage {
  const message = {
    version: CURRENT_VERSION,
    kind,
    signer: key.signer,
    key: key.name,
    payload: JSON.stringify(payload),
  };
  return { ...message, mac: macOf(key, message).toString('hex') };
}

/**
 * Reads the outer form of anything that arrived, which may be of any of `kinds`. What has this form is judged by its
 * signature first, whatever version it names: nobody else's word lets a message wait. Throws VERSION_TOO_NEW for another
 * form, of a version that this program cannot read; MESSAGE_INVALID naming the field.
 */
export function parseSigned(data: unknown, ...kinds: readonly [MessageKind, ...MessageKind[]]): SignedMessage {
  const what = kinds.join(' or ');
  const parsed = signedMessageSchema.safeParse(data);
  if (!parsed.success) {
    if (!outerSchema.safeParse(data).success) checkVersion(data, `this ${what} message`, 'read');
    throw new LeewardError('MESSAGE_INVALID', `not a signed ${what} message: ${firstIssue(parsed.error)}`);
  }
  if (!kinds.includes(parsed.data.kind)) {
    const expected = kinds.map((kind) => `"${kind}"`).join(' or ');
    throw new LeewardError('MESSAGE_INVALID', `kind: expected ${expected}, got "${parsed.data.kind}"`);
  }
  return parsed.data;
}

/** Checks the signature, in constant time. Throws SIGNATURE_INVALID, saying no more than that. */
export function verifySigned(message: SignedMessage, key: SigningKey): void {
  const right = maySign(message) && message.signer === key.signer && message.key === key.name;
  if (!right || !timingSafeEqual(macOf(key, message), Buffer.from(message.mac, 'hex'))) {
    throw new LeewardError(
      'SIGNATURE_INVALID',
      `the ${message.kind} message is not signed with key "${message.key}" of ${message.signer}`,
    );
  }
}

/** Guards and witnesses sign what is theirs, and nobody else does. */
function maySign({ key, kind }: Pick<SignedMessage, 'key' | 'kind'>): boolean {
  if (witnessOf(key) !== undefined) return kind === 'witness';
  if (guardOf(key) !== undefined) return GUARD_KINDS.includes(kind);
  return kind !== 'grant' && kind !== 'stopped' && kind !== 'witness';
}

/**
 * The signed text, read as `schema` says, after the signature was found right. Throws VERSION_TOO_NEW before it looks at the
 * text, and MESSAGE_INVALID naming the field.
 */
export function readPayload<T>(message: SignedMessage, schema: z.ZodType<T>): T {
  checkVersion(message, `this ${message.kind} message`, 'read');
  let data: unknown;
  try {
    data = JSON.parse(message.payload);
  } catch (error) {
    throw new LeewardError('MESSAGE_INVALID', `payload of the ${message.kind} message is not JSON`, { cause: error });
  }
  const parsed = schema.safeParse(data);
  if (!parsed.success)
    throw new LeewardError('MESSAGE_INVALID', `${message.kind} message: ${firstIssue(parsed.error)}`);
  return parsed.data;
}
