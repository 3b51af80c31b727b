/** Registering a volume by hand: its documents are made together, or none is. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { registerVolume } from '../../src/app/register.ts';
import type { Registration } from '../../src/app/register.ts';
import { groupKind } from '../../src/documents/group.ts';
import { STRICT_LEASE_CONSENT, planKind } from '../../src/documents/plan.ts';
import { siteKind } from '../../src/documents/site.ts';
import { volumeKind } from '../../src/documents/volume.ts';
import { USUAL_ASSUMPTIONS } from '../../src/health/term/margin.ts';
import { parseVolume } from '../../src/kernel/ids.ts';
import { documents as names } from '../../src/kernel/names.ts';
import { MemoryStorage } from '../support/data-path.ts';
import { REPORTING } from '../support/plan.ts';
import { ACCOUNT, KEY_SECRET } from '../support/site-fixture.ts';

function registration(volume: string): Registration {
  return {
    volume: parseVolume(volume),
    volumeBytes: 1024,
    leaseMs: 60_000,
    assumptions: USUAL_ASSUMPTIONS,
    stopMs: 10_000,
    plan: REPORTING,
    timing: { gapMs: 30_000, everyMs: 15_000 },
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

test('a plan that does not fit is refused with each inequality that fails, and nothing is registered', async () => {
  const memory = new MemoryStorage();
  const storage = { documents: memory.documents, clock: memory.clock, account: ACCOUNT, keySecret: KEY_SECRET };
  const right = registration('acme/paris/shop/d-1');
  const cases: readonly (readonly [Partial<Registration>, RegExp])[] = [
    [{ stopMs: 38_000 }, /stop \+ kill < lease − lease\/3 does not hold: 38 s \+ 2 s < 60 s − 20 s$/],
    [{ timing: { gapMs: 30_001, everyMs: 15_000 } }, /window ≥ 2 × the monitor's gap does not hold: 60 s ≥ 2 × 30 s$/],
    [
      { plan: { ...right.plan, windowMs: 44_000 } },
      /interval of witness heartbeat .*: 44 s ≥ 3 × 15 s; window ≥ 2 × the/,
    ],
    [{ plan: { ...right.plan, alertAfterMs: 60_000 } }, /alert > window does not hold/],
  ];
  for (const [change, message] of cases) {
    await assert.rejects(registerVolume(storage, { ...right, ...change }), { code: 'USAGE', message });
    assert.equal(await storage.documents.read(siteKind, names.site(right.volume)), undefined);
  }
  const { plan: stored } = await registerVolume(storage, right);
  // So that nobody is asked again when the plan is changed.
  assert.deepEqual(stored.stopping, { stopMs: 10_000, assumptions: USUAL_ASSUMPTIONS });
  const lease = { leaseMs: 600_000 };
  // What is there already is what counts.
  assert.equal((await registerVolume(storage, { ...registration('acme/paris/shop/d-2'), ...lease })).isNew, true);
  const other = { ...registration('acme/paris/erp/d-1'), ...lease };
  await assert.rejects(registerVolume(storage, other), { code: 'USAGE', message: /window ≥ 2 × lease\/3/ });
});

test('leases keep only in a group that was registered so, and only where a person decides', async () => {
  const memory = new MemoryStorage();
  const storage = { documents: memory.documents, clock: memory.clock, account: ACCOUNT, keySecret: KEY_SECRET };
  const leaseOf = async ({ volume }: Registration) =>
    (await storage.documents.need(groupKind, names.group(volume))).value.lease;
  const strict = registration('acme/paris/shop/d-1');
  await registerVolume(storage, strict);
  assert.equal(await leaseOf(strict), undefined);
  const late = { ...registration('acme/paris/shop/d-2'), keep: true };
  await assert.rejects(registerVolume(storage, late), { code: 'REFUSED', message: /its leases are strict/ });
  assert.equal(await storage.documents.read(volumeKind, names.volume(late.volume)), undefined);

  const kept = { ...registration('acme/paris/till/d-1'), keep: true };
  const automatic = { ...kept, plan: { ...kept.plan, mode: 'automatic' as const, consents: [STRICT_LEASE_CONSENT] } };
  await assert.rejects(registerVolume(storage, automatic), { code: 'USAGE', message: /exclude each other/ });
  await registerVolume(storage, kept);
  await registerVolume(storage, registration('acme/paris/till/d-2'));
  assert.equal(await leaseOf(kept), 'keep');
});
