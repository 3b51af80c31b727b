/** A signed message that was changed after it was signed, signed again: what a newer program, or a strange one, would send. */
import { createHmac } from 'node:crypto';
import type { SignedMessage, SigningKey } from '../../src/protocol/signed.ts';

/** What only a program of format 9 can read. */
export const FORMAT_NINE = { format: 9, oldestReader: 9, oldestWriter: 9 };

/** `message` with a signature that is right for what it says now, made as docs/site-protocol.md, "Signing", has it. */
export function resigned(key: SigningKey, message: SignedMessage): SignedMessage {
  const { kind, signer, key: name, payload } = message;
  const { format, oldestReader, oldestWriter } = message.version;
  const text = `leeward ${kind} ${signer} ${name} ${format} ${oldestReader} ${oldestWriter}\n${payload}`;
  return { ...message, mac: createHmac('sha256', key.secret).update(text).digest('hex') };
}
