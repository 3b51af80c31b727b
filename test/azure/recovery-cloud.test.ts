/** The recovery region's adapter: the real SDK clients over HTTP, against the local ARM. */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { AzureRecoveryCloud } from '../../src/azure/recovery-cloud.ts';
import type { OperationState, OperationToken } from '../../src/ports/recovery-cloud.ts';
import { MIB } from '../../src/kernel/units.ts';
import { ACCOUNT_ID, IMAGE_ID, LOCATION, SUBNET_ID, SUBSCRIPTION, startCloud } from '../local/arm/cloud.ts';
import type { Cloud } from '../local/arm/cloud.ts';

const FULL = 'Standard_M416ms_v2';
const GROUP = 'leeward-shop-t1-unplanned-0a1b2c3d-01234567';
const tags = { 'leeward-group': 'acme/harbour/shop', 'leeward-run': 't1-unplanned-0a1b2c3d', 'leeward-term': '1' };
const at = { resourceGroup: GROUP, location: LOCATION, tags };

suite('the recovery cloud on the local ARM', () => {
  let cloud: Cloud;
  /** Each call is made by an adapter of its own, as each message is by an instance of its own. */
  const adapter = () =>
    new AzureRecoveryCloud({
      endpoint: `http://127.0.0.1:${cloud.port}`,
      subscriptionId: SUBSCRIPTION,
      credential: { getToken: () => Promise.reject(new Error('no credential may be used over plain HTTP')) },
    });
  const ended = async (token: OperationToken): Promise<Exclude<OperationState, { state: 'running' }>> => {
    for (let tries = 0; tries < 200; tries += 1) {
      const state = await adapter().poll(token);
      if (state.state !== 'running') return state;
      assert.ok(state.retryAfterMs > 0);
      await sleep(50);
    }
    throw new Error('the operation never ended');
  };

  before(async () => {
    const machinery = { kind: 'simulated', reason: 'this is a test' } as const;
    cloud = await startCloud({ machinery, config: { sizesWithoutCapacity: [FULL] } });
  });
  after(() => cloud.close());

  test('makes a group, an interface, a disk and a machine, each repeated without harm', async () => {
    const source = await cloud.putVhd('acme/harbour/shop/data/run.vhd', new Uint8Array(MIB));
    const resourceGroup = { name: GROUP, location: LOCATION, tags };
    await adapter().ensureResourceGroup(resourceGroup);
    await adapter().ensureResourceGroup(resourceGroup);
    await adapter().checkImage(IMAGE_ID);

    const card = { ...at, name: 'web-nic', subnetId: SUBNET_ID };
    const disk = { ...at, name: 'web-lun0', sourceUrl: source.url, storageAccountId: ACCOUNT_ID };
    const machine = {
      ...at,
      name: 'web',
      imageId: IMAGE_ID,
      size: 'Standard_B2s',
      interfaceName: 'web-nic',
      disks: [{ diskName: 'web-lun0', lun: 3 }],
    };
    for (const start of [
      () => adapter().startInterface(card),
      () => adapter().startDisk(disk),
      () => adapter().startMachine(machine),
    ]) {
      const token = await start();
      assert.deepEqual(await ended(token), { state: 'succeeded' });
      assert.deepEqual(await ended(token), { state: 'succeeded' });
      assert.deepEqual(await ended(await start()), { state: 'succeeded' });
    }

    const view = await adapter().machine({ resourceGroup: GROUP, name: 'web', interfaceName: 'web-nic' });
    assert.partialDeepStrictEqual(view, { power: 'running', tags });
    assert.match(view.address, /^127\.77\./);
    const made = await cloud.clients().compute.virtualMachines.get(GROUP, 'web');
    assert.equal(made.osProfile, undefined);
    assert.partialDeepStrictEqual(made.storageProfile?.dataDisks?.[0], { lun: 3, deleteOption: 'Detach' });
    const disks = [];
    for await (const found of cloud.clients().compute.disks.listByResourceGroup(GROUP)) disks.push(found.name);
    assert.ok(disks.includes('web-lun0'));
  });

  test('tells of an operation that fails later, with the platform’s code', async () => {
    await adapter().ensureResourceGroup({ name: GROUP, location: LOCATION, tags });
    const blob = cloud.blobs.getContainerClient('points').getPageBlobClient('no-vhd');
    await blob.create(MIB + 512);
    const disk = { ...at, name: 'bad', sourceUrl: blob.url, storageAccountId: ACCOUNT_ID };
    const failed = await outcome(async () => await adapter().startDisk(disk));
    assert.match(failed, /BadRequest.*Only blobs formatted as VHDs/);
  });

  test('tells of a lack of room as one', async () => {
    await adapter().ensureResourceGroup({ name: GROUP, location: LOCATION, tags });
    await ended(await adapter().startInterface({ ...at, name: 'big-nic', subnetId: SUBNET_ID }));
    const machine = { ...at, name: 'big', imageId: IMAGE_ID, size: FULL, interfaceName: 'big-nic', disks: [] };
    const state = await ended(await adapter().startMachine(machine));
    assert.partialDeepStrictEqual(state, { state: 'failed', code: 'AllocationFailed', capacity: true });
  });

  test('says what is not there', async () => {
    await assert.rejects(adapter().checkImage(`${IMAGE_ID}-gone`), { code: 'NOT_FOUND' });
    await assert.rejects(adapter().checkImage('/images/mine'), { code: 'USAGE' });
    const nowhere = { resourceGroup: GROUP, name: 'gone', interfaceName: 'gone-nic' };
    await assert.rejects(adapter().machine(nowhere), { code: 'NOT_FOUND' });
    await assert.rejects(adapter().poll('nonsense'), { code: 'DOCUMENT_INVALID' });
  });

  test('removes a group with all that is in it, and finds nothing the second time', async () => {
    await adapter().ensureResourceGroup({ name: 'leeward-short', location: LOCATION, tags });
    const card = { ...at, resourceGroup: 'leeward-short', name: 'a-nic', subnetId: SUBNET_ID };
    await ended(await adapter().startInterface(card));
    const token = await adapter().startRemoval('leeward-short');
    assert.ok(token !== undefined);
    assert.deepEqual(await ended(token), { state: 'succeeded' });
    assert.equal(await adapter().startRemoval('leeward-short'), undefined);
  });

  test('is unavailable, not failed, while nobody answers', async () => {
    await adapter().ensureResourceGroup({ name: GROUP, location: LOCATION, tags });
    const token = await adapter().startInterface({ ...at, name: 'late-nic', subnetId: SUBNET_ID });
    await cloud.end('SIGKILL');
    await assert.rejects(adapter().poll(token), { code: 'UNAVAILABLE' });
    await assert.rejects(adapter().ensureResourceGroup({ name: 'x', location: LOCATION, tags }), {
      code: 'UNAVAILABLE',
    });
    await cloud.start();
    assert.deepEqual(await ended(token), { state: 'succeeded' });
  });

  /** The failure of an operation, whether it is refused at once or fails later. */
  async function outcome(start: () => Promise<OperationToken>): Promise<string> {
    try {
      const state = await ended(await start());
      return state.state === 'failed' ? `${state.code} ${state.message}` : state.state;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }
});
