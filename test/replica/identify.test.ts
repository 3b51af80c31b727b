/** Which volume a message is about: by its word, by a rule of its site, by the delta's own header. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { groupKind } from '../../src/documents/group.ts';
import { planKind } from '../../src/documents/plan.ts';
import { siteKind } from '../../src/documents/site.ts';
import { groupStatus } from '../../src/failover/status.ts';
import { documents as names } from '../../src/kernel/names.ts';
import type { MemoryStorage } from '../support/data-path.ts';
import { openGroup } from '../support/group.ts';
import { reportingPlan } from '../support/plan.ts';
import { SiteFixture } from '../support/site-fixture.ts';
import { reasonOf, sound, start } from './start.ts';

describe('a volume that is registered', () => {
  test('is known by the header of a delta that travels inline', async () => {
    const { storage, site, worker } = await start();
    const message = site.inline(site.next(), { volume: undefined });
    assert.deepEqual(await worker.receive(message), { outcome: 'applied', volume: site.id, number: 1 });
    await sound(storage, site, { applied: 1 });
  });

  test('is known by the name of a journal entry', async () => {
    const { storage, site, worker } = await start();
    const delta = site.next();
    await site.put(storage.entries, delta);
    const message = site.naming(delta, 'literal-1', { volume: undefined });
    assert.deepEqual(await worker.receive(message), { outcome: 'applied', volume: site.id, number: 1 });
    await sound(storage, site, { applied: 1 });
  });

  test('is not another’s by any of these ways', async () => {
    const { storage, site, worker } = await start();
    const other = await new SiteFixture({
      volume: { tenant: 'acme', site: 'berlin', group: 'erp', volume: 'other' },
    }).register(storage.documents);
    const stranger = await new SiteFixture({
      volume: { tenant: 'acme', site: 'paris', group: 'erp', volume: 'data' },
    }).register(storage.documents);
    const refused = async (message: unknown, reason: RegExp): Promise<void> => {
      assert.match(await reasonOf(storage, await worker.receive(message)), reason);
    };
    const delta = stranger.next();
    const smuggled = { volume: undefined, inline: Buffer.from(delta.bytes).toString('base64') };
    await refused(site.inline({ ...delta }, smuggled), /paris\/erp\/data is not a volume of acme\/berlin/);
    await refused(site.inline(other.next(), { volume: site.id }), /volume: the envelope says/);
    await refused(site.inline(site.next(), { volume: undefined, inline: 'AAAA' }), /prologue|sizeBytes/);
    assert.equal((await storage.generation(site)).tip.number, 0);
    assert.equal((await storage.generation(stranger)).tip.number, 0);
  });
});

describe('a volume that nobody registered', () => {
  const SOURCE = 'web-1/sdb';
  const ref = { tenant: 'acme', site: 'berlin', group: 'erp', volume: 'web-1-sdb' };

  /** A site with a group, its plan, one volume, and rules. */
  async function ruled(): Promise<{ storage: MemoryStorage; newcomer: SiteFixture }> {
    const { storage, site } = await start();
    await storage.documents.update(siteKind, names.site(site.ref), (found) => ({
      ...found,
      admission: [{ match: 'web-*/*', group: 'erp' }],
    }));
    await storage.documents.create(groupKind, names.group(ref), openGroup(ref));
    await storage.documents.create(planKind, names.plan(ref), reportingPlan(ref, [{ volume: site.id, lun: 0 }]));
    return { storage, newcomer: new SiteFixture({ volume: ref }) };
  }

  test('begins with its first delta where a rule admits its source, and its disk is planned', async () => {
    const { storage, newcomer } = await ruled();
    const worker = storage.worker();
    const message = newcomer.inline(newcomer.next({ marker: 'm' }), { volume: undefined, source: SOURCE });
    assert.equal((await worker.receive(message)).outcome, 'applied');
    assert.equal((await worker.receive(message)).outcome, 'repeated');
    await worker.receive(newcomer.inline(newcomer.next({ marker: 'n' }), { source: SOURCE }));
    await sound(storage, newcomer, { applied: 2, points: 2 });
    assert.equal((await storage.volume(newcomer)).source, SOURCE);
    const { value } = await storage.documents.need(planKind, names.plan(ref));
    assert.deepEqual(value.machines[0]?.disks.slice(1), [{ volume: newcomer.id, lun: 1, optional: true }]);
  });

  test('begins with whichever of its deltas comes first', async () => {
    const { storage, newcomer } = await ruled();
    const worker = storage.worker();
    const deltas = [newcomer.next(), newcomer.next(), newcomer.next({ marker: 'm' })];
    for (const delta of deltas.toReversed()) await worker.receive(newcomer.inline(delta, { source: SOURCE }));
    await sound(storage, newcomer, { applied: 3, points: 1 });
  });

  test('is protected also where no machine of the plan has a LUN left for it', async () => {
    const { storage, newcomer } = await ruled();
    await storage.documents.update(planKind, names.plan(ref), (plan) => {
      const disks = Array.from({ length: 64 }, (_, lun) => ({ volume: `acme/berlin/erp/d-${lun}`, lun }));
      return { ...plan, machines: plan.machines.map((machine) => ({ ...machine, disks })) };
    });
    const before = await storage.documents.need(planKind, names.plan(ref));
    const message = newcomer.inline(newcomer.next({ marker: 'm' }), { volume: undefined, source: SOURCE });
    assert.equal((await storage.worker().receive(message)).outcome, 'applied');
    await sound(storage, newcomer, { applied: 1, points: 1 });
    assert.equal((await storage.documents.need(planKind, names.plan(ref))).etag, before.etag);
    const { volumes } = await groupStatus(storage.documents, ref);
    const told = volumes.find((volume) => 'trouble' in volume && volume.volume === newcomer.id);
    assert.match(
      JSON.stringify(told),
      /"trouble":"no machine of the group's plan is given its disk: each has 64 disks/,
    );
  });

  test('is finished by anybody after a crash at each call of its registration', async () => {
    for (let killAt = 0; killAt < 14; killAt += 1) {
      const { storage, newcomer } = await ruled();
      let left = killAt;
      const dying = storage.worker({}, async ({ proceed }) => {
        if (left-- <= 0) throw new Error('dead');
        return proceed();
      });
      const message = newcomer.inline(newcomer.next({ marker: 'm' }), { volume: undefined, source: SOURCE });
      await dying.receive(message).catch(() => undefined);
      storage.clock.advance(60_000);
      const rescuer = storage.worker();
      await rescuer.receive(message);
      await sound(storage, newcomer, { applied: 1, points: 1 });
      const { value } = await storage.documents.need(planKind, names.plan(ref));
      assert.equal(value.machines[0]?.disks.length, 2, `killed at call ${killAt}`);
    }
  });

  test('is refused without a rule, without a source, into a group that is moved, and under a name that is taken', async () => {
    const { storage, newcomer } = await ruled();
    const worker = storage.worker();
    const first = newcomer.next();
    const refused = async (changed: Record<string, unknown>, reason: RegExp): Promise<void> => {
      assert.match(await reasonOf(storage, await worker.receive(newcomer.inline(first, changed))), reason);
    };
    await refused({}, /is not registered/);
    await refused({ volume: undefined, source: 'db-1/sda' }, /no rule of acme\/berlin admits "db-1\/sda"/);
    await refused({ source: 'web-2/sdb' }, /no rule of acme\/berlin makes "web-2\/sdb" the volume/);
    await refused({ source: 'web 2' }, /source/);
    const move = async (run: string | null): Promise<void> => {
      await storage.documents.update(groupKind, names.group(ref), (group) => ({ ...group, run }));
    };
    await move('r-1');
    await refused({ source: SOURCE }, /being moved/);
    await move(null);
    await worker.receive(newcomer.inline(first, { source: SOURCE }));
    await sound(storage, newcomer, { applied: 1 });
  });

  test('is one source’s for good: another whose name becomes the same is refused by name, and does it no harm', async () => {
    const { storage, newcomer } = await ruled();
    const worker = storage.worker();
    await worker.receive(newcomer.inline(newcomer.next({ marker: 'm' }), { volume: undefined, source: SOURCE }));
    const other = new SiteFixture({ volume: ref });
    const rival = other.next({ marker: 'other' });
    for (const to of [{ volume: undefined }, {}]) {
      // Both by what the worker remembers of the volume and by what it reads.
      for (const at of [worker, storage.worker()]) {
        for (const delta of [rival, newcomer.forkAt(1).next()]) {
          const message = newcomer.inline(delta, { ...to, source: 'web-1//sdb' });
          assert.match(
            await reasonOf(storage, await at.receive(message)),
            /source: acme\/berlin\/erp\/web-1-sdb is "web-1\/sdb", not "web-1\/\/sdb"/,
          );
        }
      }
    }
    await sound(storage, newcomer, { applied: 1, points: 1 });
    await worker.receive(newcomer.inline(newcomer.next(), { volume: undefined, source: SOURCE }));
    await sound(storage, newcomer, { applied: 2, points: 1 });
  });

  test('is none where its name is of one that is registered by hand', async () => {
    const { storage, newcomer } = await ruled();
    await newcomer.register(storage.documents);
    const worker = storage.worker();
    const delta = newcomer.next({ marker: 'm' });
    const message = newcomer.inline(delta, { volume: undefined, source: SOURCE });
    assert.match(await reasonOf(storage, await worker.receive(message)), /is registered by hand, not "web-1\/sdb"/);
    await worker.receive(newcomer.inline(delta, { source: SOURCE }));
    await sound(storage, newcomer, { applied: 1, points: 1 });
  });
});
