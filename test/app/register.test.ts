/** Registering a volume by hand: its documents are made together, or none is. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { registerVolume } from '../../src/app/register.ts';
import type { Registration } from '../../src/app/register.ts';
import { planKind } from '../../src/documents/plan.ts';
import { volumeKind } from '../../src/documents/volume.ts';
import { USUAL_ASSUMPTIONS } from '../../src/health/margin.ts';
import { parseVolume } from '../../src/kernel/ids.ts';
import { documents as names } from '../../src/kernel/names.ts';
import { MemoryStorage } from '../support/data-path.ts';
import { ACCOUNT, KEY_SECRET } from '../support/site-fixture.ts';

function registration(volume: string): Registration {
  return {
    volume: parseVolume(volume),
    volumeBytes: 1024,
    leaseMs: 60_000,
    assumptions: USUAL_ASSUMPTIONS,
    silenceMs: 60_000,
    automatic: false,
    target: { location: 'westeurope', subnet: '/subnet', image: '/image', size: 's', probe: { port: 1, path: '/' } },
  };
}

test('each volume is given the next free LUN; the one after the last is refused, and nothing of it is left', async () => {
  const memory = new MemoryStorage();
  const storage = { documents: memory.documents, clock: memory.clock, account: ACCOUNT, keySecret: KEY_SECRET };
  for (let count = 0; count < 64; count += 1) {
    const { plan, isNew } = await registerVolume(storage, registration(`acme/paris/shop/d-${count}`));
    assert(isNew);
    assert.equal(plan.machines[0]?.disks.at(-1)?.lun, count);
  }
  const more = registration('acme/paris/shop/more');
  await assert.rejects(registerVolume(storage, more), {
    code: 'REFUSED',
    message: /shop\/more: no machine .* 64 disks already/,
  });
  assert.equal(await storage.documents.read(volumeKind, names.volume(more.volume)), undefined);
  assert.equal((await registerVolume(storage, registration('acme/paris/shop/d-5'))).isNew, false);
  // A disk less in the plan is room for one more.
  await storage.documents.update(planKind, names.plan(more.volume), (plan) => ({
    ...plan,
    machines: plan.machines.map((machine) => ({ ...machine, disks: machine.disks.filter(({ lun }) => lun !== 7) })),
  }));
  const { plan } = await registerVolume(storage, more);
  assert.deepEqual(plan.machines[0]?.disks.at(-1), { volume: 'acme/paris/shop/more', lun: 7 });
});
