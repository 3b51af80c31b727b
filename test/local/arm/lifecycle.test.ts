/** A failover's resources from creation to deletion, through the real SDK clients, restarts of the local ARM between. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { restorePoller } from '@azure/arm-compute';
import type { Disk, VirtualMachine } from '@azure/arm-compute';
import type { NetworkInterface } from '@azure/arm-network';
import type { PageBlobClient } from '@azure/storage-blob';
import { MIB } from '../../../src/kernel/units.ts';
import { answer, untilUp } from '../machines/asking.ts';
import { machineryHere, needsBooting } from '../machines/machinery.ts';
import { ACCOUNT_ID, IMAGE_ID, LOCATION, SOON, SUBNET_ID, startCloud } from './cloud.ts';
import type { Clients, Cloud } from './cloud.ts';

const GROUP = 'run-1';

const importing = (sourceUri: string): Disk => ({
  location: LOCATION,
  tags: { run: '1' },
  creationData: { createOption: 'Import', sourceUri, storageAccountId: ACCOUNT_ID },
});
const interfaceIn: NetworkInterface = {
  location: LOCATION,
  ipConfigurations: [{ name: 'ip', subnet: { id: SUBNET_ID } }],
};
const machineOf = (nicId: string, diskId: string): VirtualMachine => ({
  location: LOCATION,
  tags: { run: '1' },
  hardwareProfile: { vmSize: 'Standard_B1s' },
  storageProfile: {
    imageReference: { id: IMAGE_ID },
    dataDisks: [{ lun: 3, createOption: 'Attach', managedDisk: { id: diskId } }],
  },
  networkProfile: { networkInterfaces: [{ id: nicId }] },
});
const powerOf = async ({ compute }: Clients, name: string): Promise<string | undefined> => {
  const { statuses = [] } = await compute.virtualMachines.instanceView(GROUP, name);
  return statuses.find((status) => status.code?.startsWith('PowerState/') === true)?.code;
};
const addressOf = async ({ network }: Clients, name: string): Promise<string> => {
  const nic = await network.networkInterfaces.get(GROUP, name);
  return nic.ipConfigurations?.[0]?.privateIPAddress ?? '';
};

suite('the resources of a failover', () => {
  let cloud: Cloud;
  let clients: Clients;
  let source: PageBlobClient;

  before(async () => {
    cloud = await startCloud({ machinery: { kind: 'simulated', reason: 'this is a test' } });
    clients = cloud.clients();
    source = await cloud.putVhd('tenant/site/group/volume/run.vhd', randomBytes(3 * MIB));
  });
  after(() => cloud.close());

  test('what the local stack seeded is there', async () => {
    const { compute, network, resources } = clients;
    assert.equal((await compute.galleryImages.get('shared', 'library', 'stack')).id, IMAGE_ID);
    assert.equal((await network.subnets.get('shared', 'recovery', 'default')).id, SUBNET_ID);
    assert.equal((await network.virtualNetworks.get('shared', 'recovery')).subnets?.[0]?.id, SUBNET_ID);
    assert.equal((await resources.resourceGroups.get('shared')).location, LOCATION);
  });

  test('a group, a disk, an interface and a machine', async () => {
    const { compute, network, resources } = clients;
    const group = { location: 'West Europe', tags: { run: '1' } };
    assert.equal((await resources.resourceGroups.createOrUpdate(GROUP, group)).location, LOCATION);
    assert.deepEqual((await resources.resourceGroups.createOrUpdate(GROUP, group)).tags, { run: '1' });

    const disk = await compute.disks.createOrUpdate(GROUP, 'disk-0', importing(`${source.url}?sv=1&sig=secret`), SOON);
    assert.partialDeepStrictEqual(disk, {
      name: 'disk-0',
      provisioningState: 'Succeeded',
      diskSizeBytes: 3 * MIB,
      diskSizeGB: 1,
      diskState: 'Unattached',
      tags: { run: '1' },
    });
    assert.equal(disk.creationData?.sourceUri, source.url);

    const nics = await Promise.all(
      ['nic-0', 'nic-1'].map((name) =>
        network.networkInterfaces.beginCreateOrUpdateAndWait(GROUP, name, interfaceIn, SOON),
      ),
    );
    const addresses = nics.map((nic) => nic.ipConfigurations?.[0]?.privateIPAddress ?? '');
    for (const address of addresses) assert.match(address, /^127\.77\.\d{1,3}\.\d{1,3}$/);
    assert.equal(new Set(addresses).size, 2);

    const machine = machineOf(nics[0]?.id ?? '', disk.id ?? '');
    const created = await compute.virtualMachines.createOrUpdate(GROUP, 'web', machine, { ...SOON, ifNoneMatch: '*' });
    assert.deepEqual(created.tags, { run: '1', 'leeward-local-machine': 'simulated' });
    assert.equal(created.storageProfile?.dataDisks?.[0]?.lun, 3);
    assert.equal(await powerOf(clients, 'web'), 'PowerState/running');
    const expanded = await compute.virtualMachines.get(GROUP, 'web', { expand: 'instanceView' });
    assert.equal(expanded.instanceView?.statuses?.[1]?.code, 'PowerState/running');
    assert.deepEqual(expanded.tags, created.tags);
    assert.equal((await answer(`http://${addresses[0] ?? ''}:8080/health`)).status, 200);

    const attached = await compute.disks.get(GROUP, 'disk-0');
    assert.equal(attached.managedBy, created.id);
    assert.equal(attached.diskState, 'Attached');
    assert.equal((await network.networkInterfaces.get(GROUP, 'nic-0')).virtualMachine?.id, created.id);

    const names: string[] = [];
    for await (const resource of resources.resources.listByResourceGroup(GROUP)) names.push(resource.name ?? '');
    assert.deepEqual(names.toSorted(), ['disk-0', 'nic-0', 'nic-1', 'web']);
    const disks: (string | undefined)[] = [];
    for await (const found of compute.disks.listByResourceGroup(GROUP)) disks.push(found.name);
    assert.deepEqual(disks, ['disk-0']);
  });

  test('a repeated step meets its own work', async () => {
    const { compute, network } = clients;
    const snapshots = async (): Promise<number> => {
      let count = 0;
      const blobs = cloud.blobs.getContainerClient('points').listBlobsFlat({ includeSnapshots: true });
      for await (const blob of blobs) count += Number(Boolean(blob.snapshot));
      return count;
    };
    const before = await snapshots();
    assert.equal(before, 1);
    const address = await addressOf(clients, 'nic-0');
    const disk = await compute.disks.createOrUpdate(GROUP, 'disk-0', importing(source.url), SOON);
    const nic = await network.networkInterfaces.beginCreateOrUpdateAndWait(GROUP, 'nic-0', interfaceIn, SOON);
    await compute.virtualMachines.createOrUpdate(GROUP, 'web', machineOf(nic.id ?? '', disk.id ?? ''), SOON);
    assert.equal(await addressOf(clients, 'nic-0'), address);
    assert.equal(await snapshots(), before);
    assert.equal((await answer(`http://${address}:8080/health`)).status, 200);
  });

  test('new tags leave a machine running; a change beside one under way is a conflict', async () => {
    const { compute } = clients;
    const machine = await compute.virtualMachines.get(GROUP, 'web');
    const poller = compute.virtualMachines.createOrUpdate(GROUP, 'web', { ...machine, tags: { run: '2' } }, SOON);
    await poller.submitted();
    await assert.rejects(
      compute.virtualMachines.createOrUpdate(GROUP, 'web', { ...machine, tags: { run: '3' } }, SOON),
      {
        code: 'Conflict',
      },
    );
    assert.equal((await poller).tags?.['run'], '2');
    assert.equal(await powerOf(clients, 'web'), 'PowerState/running');
  });

  test('a machine gets a disk later', async () => {
    const { compute } = clients;
    const disk = await compute.disks.createOrUpdate(GROUP, 'disk-late', importing(source.url), SOON);
    const machine = await compute.virtualMachines.get(GROUP, 'web');
    const added = { lun: 5, createOption: 'Attach', managedDisk: { id: disk.id ?? '' } };
    const dataDisks = [...(machine.storageProfile?.dataDisks ?? []), added];
    const changed = { ...machine, storageProfile: { ...machine.storageProfile, dataDisks } };
    await compute.virtualMachines.createOrUpdate(GROUP, 'web', changed, SOON);
    const health = await answer(`http://${await addressOf(clients, 'nic-0')}:8080/health`);
    assert.match(health.text, /"lun":3,.*"lun":5,/);
    const withoutIt = { ...machine, storageProfile: { ...machine.storageProfile } };
    await compute.virtualMachines.createOrUpdate(GROUP, 'web', withoutIt, SOON);
    await compute.disks.delete(GROUP, 'disk-late', SOON);
  });

  test('an operation goes on in another process, and in a local ARM that was killed meanwhile', async () => {
    const poller = clients.compute.disks.createOrUpdate(GROUP, 'disk-1', importing(source.url), SOON);
    await poller.submitted();
    const state = await poller.serialize();
    await cloud.end('SIGKILL');
    await cloud.start();
    const { compute } = cloud.clients();
    const disk = await restorePoller(compute, state, compute.disks.createOrUpdate, SOON);
    assert.equal(disk.name, 'disk-1');
    assert.equal(disk.provisioningState, 'Succeeded');
  });

  test('a restart knows every resource and starts the machines again', async () => {
    const health = `http://${await addressOf(clients, 'nic-0')}:8080/health`;
    const before = await clients.compute.virtualMachines.get(GROUP, 'web');
    assert.equal(await cloud.end('SIGTERM'), 0);
    await assert.rejects(answer(health));
    await cloud.start();
    assert.deepEqual(await clients.compute.virtualMachines.get(GROUP, 'web'), before);
    assert.equal(await powerOf(clients, 'web'), 'PowerState/running');
    assert.equal((await answer(health)).status, 200);
  });

  test('a deallocated machine stays off, also over a restart', async () => {
    const health = `http://${await addressOf(clients, 'nic-0')}:8080/health`;
    await clients.compute.virtualMachines.deallocate(GROUP, 'web', SOON);
    assert.equal(await powerOf(clients, 'web'), 'PowerState/deallocated');
    await assert.rejects(answer(health));
    await cloud.end('SIGTERM');
    await cloud.start();
    assert.equal(await powerOf(clients, 'web'), 'PowerState/deallocated');
    await assert.rejects(answer(health));
  });

  test('a deleted machine gives its disk and interface back', async () => {
    const { compute, network } = clients;
    await compute.virtualMachines.delete(GROUP, 'web', SOON);
    await assert.rejects(compute.virtualMachines.get(GROUP, 'web'), { code: 'ResourceNotFound' });
    const disk = await compute.disks.get(GROUP, 'disk-0');
    assert.equal(disk.managedBy, undefined);
    const nic = await network.networkInterfaces.get(GROUP, 'nic-0');
    const machine = machineOf(nic.id ?? '', disk.id ?? '');
    await compute.virtualMachines.createOrUpdate(GROUP, 'web-again', machine, SOON);
    assert.equal((await answer(`http://${await addressOf(clients, 'nic-0')}:8080/health`)).status, 200);
  });

  test("a group's deletion ends what is in it, and what is still being made", async () => {
    const { compute, network, resources } = clients;
    const health = `http://${await addressOf(clients, 'nic-0')}:8080/health`;
    const nic = await network.networkInterfaces.get(GROUP, 'nic-1');
    const disk = await compute.disks.get(GROUP, 'disk-1');
    const late = compute.virtualMachines.createOrUpdate(GROUP, 'late', machineOf(nic.id ?? '', disk.id ?? ''), SOON);
    await late.submitted();
    await resources.resourceGroups.beginDeleteAndWait(GROUP, SOON);
    await late.pollUntilDone().catch(() => undefined);
    await assert.rejects(resources.resourceGroups.get(GROUP), { code: 'ResourceGroupNotFound' });
    await assert.rejects(answer(health));
    await assert.rejects(answer(`http://${nic.ipConfigurations?.[0]?.privateIPAddress ?? ''}:8080/health`));
    // The disks are gone with what they read: nothing keeps the source from being deleted.
    await source.delete();
    assert.deepEqual(await readdir(join(cloud.folder, 'state', 'machines')), []);
    assert.deepEqual(
      (await resources.resourceGroups.createOrUpdate(GROUP, { location: 'northeurope' })).location,
      'northeurope',
    );
  });
});

const machinery = await machineryHere();

test('a machine boots with a disk that was imported, and the disk stands alone', needsBooting(machinery), async (t) => {
  const cloud = await startCloud({ machinery });
  t.after(() => cloud.close());
  const clients = cloud.clients();
  const { compute, network, resources } = clients;
  const data = randomBytes(3 * MIB);
  const source = await cloud.putVhd('point.vhd', data);
  await resources.resourceGroups.createOrUpdate(GROUP, { location: LOCATION });
  const disk = await compute.disks.createOrUpdate(GROUP, 'disk-0', importing(source.url), SOON);
  // Replication goes on: the disk must not see it.
  await source.uploadPages(randomBytes(MIB), 0, MIB);
  const nic = await network.networkInterfaces.beginCreateOrUpdateAndWait(GROUP, 'nic-0', interfaceIn, SOON);
  const machine = await compute.virtualMachines.createOrUpdate(
    GROUP,
    'web',
    machineOf(nic.id ?? '', disk.id ?? ''),
    SOON,
  );
  assert.equal(machine.tags?.['leeward-local-machine'], 'qemu');

  const at = `http://${await addressOf(clients, 'nic-0')}:8080`;
  const hash = `${createHash('sha256').update(data).digest('hex')}\n`;
  await untilUp(`${at}/health`);
  assert.equal((await answer(`${at}/cgi-bin/sha256/lun3`)).text, hash);

  // Killed, not ended: its machine must die with it, else the next one could not start.
  await cloud.end('SIGKILL');
  await cloud.start();
  await untilUp(`${at}/health`);
  assert.equal((await answer(`${at}/cgi-bin/sha256/lun3`)).text, hash);
  await compute.virtualMachines.delete(GROUP, 'web', SOON);
  await assert.rejects(answer(`${at}/health`));
});
