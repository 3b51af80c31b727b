/**
 * What the cloud has sealed for a guard, out of an answer that somebody else may have carried.
 *
 * Invariant: nothing of an answer counts but the grant that the cloud sealed with the guard's own key for the very nonce that
 * was asked with. Pure.
 */
import { LeewardError } from '../../kernel/errors.ts';
import { grantSchema, leaseRequestSchema } from '../../protocol/lease.ts';
import type { Grant, LeaseAnswer, LeaseQuestion } from '../../protocol/lease.ts';
import { readPayload, verifySigned } from '../../protocol/signed.ts';
import type { SignedMessage, SigningKey } from '../../protocol/signed.ts';

/**
 * The grant that answers the question. Errors: MESSAGE_INVALID where there is none, SIGNATURE_INVALID where it is not the
 * cloud's.
 */
export function sealedGrant(answer: LeaseAnswer, { group, nonce, node }: LeaseQuestion, key: SigningKey): Grant {
  const sealed = answer.groups.find((one) => one.group === group && one.nonce === nonce)?.sealed;
  if (!sealed) throw new LeewardError('MESSAGE_INVALID', `no answer for the guard of ${group} on ${node ?? 'no node'}`);
  verifySigned(sealed, key);
  const grant = readPayload(sealed, grantSchema);
  if (grant.group === group && grant.nonce === nonce) return grant;
  throw new LeewardError('MESSAGE_INVALID', `the answer for ${group} is sealed for another question`);
}

/** Whether the answer has what the cloud sealed for each question of the guard's own message. */
export function isAnswerTo(answer: LeaseAnswer, message: SignedMessage, key: SigningKey): boolean {
  try {
    for (const question of readPayload(message, leaseRequestSchema).groups) sealedGrant(answer, question, key);
    return true;
  } catch {
    return false;
  }
}
