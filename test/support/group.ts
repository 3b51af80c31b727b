/** A group's document as a registration makes it: open, the site's, and moved by no run. */
import type { GroupDocument } from '../../src/documents/group.ts';
import { groupId } from '../../src/kernel/ids.ts';
import type { GroupRef } from '../../src/kernel/ids.ts';
import { CURRENT_VERSION } from '../../src/kernel/versions.ts';

export function openGroup(group: GroupRef): GroupDocument {
  return {
    version: CURRENT_VERSION,
    group: groupId(group),
    term: 1,
    phase: 'open',
    holder: 'site',
    leaseMs: 60_000,
    marginMs: 1000,
    renewals: 0,
    run: null,
    closing: null,
  };
}
