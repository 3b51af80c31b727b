/**
 * Links by which an approver answers a question: who may open one is whoever has its token.
 *
 * Invariants: a token is one approver's for one question, and opens nothing else: group, decision and name are under its
 * MAC. It is derived, never stored and never random: a notice that is sent again after a crash carries the same link, and
 * no document holds what a link could be made of, so that who may read or write state can answer for nobody. The key is
 * derived apart from those that messages are signed with (`deriveKey`): no signature is ever a token. The token is in the
 * query, which the platform leaves out of its request log; all before it is no secret.
 */
import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import type { GroupRef } from '../kernel/ids.ts';
import { groupId } from '../kernel/ids.ts';

/** What a link is for. */
export interface AnswerLink {
  readonly group: GroupRef;
  /** The decision that asks. */
  readonly decision: string;
  /** Name of the person who was asked. */
  readonly approver: string;
}

/** The token of a link: 43 characters of base64url. Source: HKDF-SHA256, RFC 5869; HMAC-SHA256, RFC 2104. */
export function answerToken(keySecret: Uint8Array, of: AnswerLink): string {
  return macOf(keySecret, of).toString('base64url');
}

/** Whether `token` is the link's, in constant time. */
export function isAnswerToken(keySecret: Uint8Array, of: AnswerLink, token: string): boolean {
  const given = Buffer.from(token, 'base64url');
  const right = macOf(keySecret, of);
  return given.length === right.length && timingSafeEqual(given, right);
}

/** The link itself. `publicUrl` is the app's address, without /api. */
export function answerUrl(publicUrl: string, keySecret: Uint8Array, of: AnswerLink): string {
  const query = new URLSearchParams({ as: of.approver, token: answerToken(keySecret, of) });
  return `${publicUrl.replace(/\/+$/, '')}${answerPath(of)}?${query.toString()}`;
}

/** The link's path: what the page's forms are sent to. */
export function answerPath({ group, decision }: Pick<AnswerLink, 'group' | 'decision'>): string {
  return `/api/answer/${groupId(group)}/${decision}`;
}

function macOf(keySecret: Uint8Array, { group, decision, approver }: AnswerLink): Buffer {
  const key = hkdfSync('sha256', keySecret, new Uint8Array(0), 'leeward answer link', 32);
  return createHmac('sha256', new Uint8Array(key))
    .update(JSON.stringify([groupId(group), decision, approver]))
    .digest();
}
