/**
 * Takes a guard's promise (docs/site-protocol.md, "Guards").
 *
 * Invariants: a promise counts only for the closing that it names, and only where it is signed with the key of the guard
 * that gives it; nothing else of the group changes. It can be sent again.
 */
import { groupKind } from '../../documents/group.ts';
import type { Documents } from '../../documents/store.ts';
import { LeewardError } from '../../kernel/errors.ts';
import { parseGroup, siteId } from '../../kernel/ids.ts';
import { documents as names } from '../../kernel/names.ts';
import { CURRENT_VERSION } from '../../kernel/versions.ts';
import { stoppedSchema } from '../../protocol/lease.ts';
import type { StoppedAnswer } from '../../protocol/lease.ts';
import { guardOf } from '../../protocol/signed.ts';
import { openSiteMessage } from './site-message.ts';
import { promisedBy } from '../term/term.ts';

/**
 * Notes the promise, if the group waits for it. Errors: as {@link openSiteMessage}; REFUSED for another's node or site;
 * NOT_FOUND for a group that is not known; UNAVAILABLE, CONFLICT.
 */
export async function receiveStopped(
  ports: { readonly documents: Documents; readonly keySecret: Uint8Array },
  data: unknown,
): Promise<StoppedAnswer> {
  const { site, key, payload } = await openSiteMessage(ports, data, { kind: 'stopped', schema: stoppedSchema });
  const group = parseGroup(payload.group);
  if (siteId(group) !== siteId(site) || guardOf(key) !== payload.node) {
    throw new LeewardError(
      'REFUSED',
      `${payload.group} on ${payload.node} is not for key "${key}" of ${siteId(site)} to promise`,
    );
  }
  let noted = false;
  await ports.documents.update(groupKind, names.group(group), (found) => {
    const after = promisedBy(found, payload);
    noted = after !== undefined;
    return after;
  });
  return { version: CURRENT_VERSION, noted };
}
