/**
 * Making a node's guard known, and no more: its key, and the groups whose applications it alone starts there.
 *
 * Invariants: the key is active before the group names the guard, so that a guard that is waited for can speak, and revoked
 * after the last group has ceased to name it; a group's guards are changed only while nothing moves it; it can be repeated.
 */
import { GUARDS_MAX, groupKind } from '../documents/group.ts';
import type { GroupDocument } from '../documents/group.ts';
import { siteKind, withKey, withoutKey } from '../documents/site.ts';
import type { Documents } from '../documents/store.ts';
import { withGuards } from '../health/term/term.ts';
import { LeewardError } from '../kernel/errors.ts';
import { siteId } from '../kernel/ids.ts';
import type { GroupRef } from '../kernel/ids.ts';
import { documents as names } from '../kernel/names.ts';
import { deriveKey, guardKey } from '../protocol/signed.ts';
import type { SigningKey } from '../protocol/signed.ts';
import type { Storage } from './storage.ts';

/**
 * The group has a guard on `node` from now on. Gives the guard's key. Errors: NOT_FOUND for a group that is not registered;
 * REFUSED while the group is moved, for a key that was revoked, and for one guard too many.
 */
export async function addGuard(
  storage: Pick<Storage, 'documents' | 'keySecret'>,
  group: GroupRef,
  node: string,
): Promise<SigningKey> {
  const { documents, keySecret } = storage;
  const name = guardKey(node);
  await documents.need(groupKind, names.group(group));
  await documents.update(siteKind, names.site(group), (site) => {
    const keyed = withKey(site, name);
    return keyed === site ? undefined : keyed;
  });
  await changeGuards(documents, group, (nodes) => (nodes.includes(node) ? nodes : [...nodes, node]));
  return deriveKey(keySecret, { signer: siteId(group), name });
}

/**
 * The group has no guard on `node` any more, and the node's key is revoked once no group of the site has one there. Gives
 * whether it is. Can be repeated. Errors: NOT_FOUND; REFUSED while the group is moved, and where its leases keep.
 */
export async function removeGuard(documents: Documents, group: GroupRef, node: string): Promise<boolean> {
  await changeGuards(documents, group, (nodes) => nodes.filter((other) => other !== node));
  for await (const { name } of documents.list(names.groupsOf(group))) {
    const { value } = await documents.need(groupKind, name);
    if (value.guards?.some((guard) => guard.node === node)) return false;
  }
  const name = guardKey(node);
  const { value } = await documents.update(siteKind, names.site(group), (site) => withoutKey(site, name));
  return value.keys.some((key) => key.name === name);
}

async function changeGuards(
  documents: Documents,
  group: GroupRef,
  change: (nodes: readonly string[]) => readonly string[],
): Promise<void> {
  await documents.update(groupKind, names.group(group), (found, { lastModifiedMs }): GroupDocument | undefined => {
    const nodes = change((found.guards ?? []).map(({ node }) => node));
    if (nodes.length > GUARDS_MAX)
      throw new LeewardError('REFUSED', `${found.group} has ${GUARDS_MAX} guards: no more fit`);
    return withGuards(found, nodes, lastModifiedMs);
  });
}
