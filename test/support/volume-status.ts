/** A volume's part of what is told of its site. */
import assert from 'node:assert/strict';
import { groupKind } from '../../src/documents/group.ts';
import { groupStatus } from '../../src/failover/status.ts';
import type { VolumeStatus } from '../../src/failover/status.ts';
import { documents as names } from '../../src/kernel/names.ts';
import type { MemoryStorage } from './data-path.ts';
import { openGroup } from './group.ts';
import type { SiteFixture } from './site-fixture.ts';

export async function volumeStatusOf(storage: MemoryStorage, site: SiteFixture): Promise<VolumeStatus> {
  await storage.documents.createOrRead(groupKind, names.group(site.ref), openGroup(site.ref));
  const { volumes } = await groupStatus(storage.documents, site.ref);
  const found = volumes.find((volume) => 'volume' in volume);
  assert(found);
  return found;
}
