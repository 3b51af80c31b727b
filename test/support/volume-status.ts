/** A volume's part of what is told of its site. */
import assert from 'node:assert/strict';
import { groupKind } from '../../src/documents/group.ts';
import { groupStatus } from '../../src/failover/status.ts';
import type { VolumeStatus } from '../../src/failover/status.ts';
import { groupId } from '../../src/kernel/ids.ts';
import { documents as names } from '../../src/kernel/names.ts';
import { CURRENT_VERSION } from '../../src/kernel/versions.ts';
import type { MemoryStorage } from './data-path.ts';
import type { SiteFixture } from './site-fixture.ts';

export async function volumeStatusOf(storage: MemoryStorage, site: SiteFixture): Promise<VolumeStatus> {
  await storage.documents.createOrRead(groupKind, names.group(site.ref), {
    version: CURRENT_VERSION,
    group: groupId(site.ref),
    term: 1,
    phase: 'open',
    holder: 'site',
    leaseMs: 60_000,
    marginMs: 1000,
    renewals: 0,
    run: null,
    closing: null,
  });
  const { volumes } = await groupStatus(storage.documents, site.ref);
  const found = volumes.find((volume) => 'volume' in volume);
  assert(found);
  return found;
}
