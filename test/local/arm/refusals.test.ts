/** The local ARM refuses what Azure refuses, with Azure's codes, as the real SDK clients see it. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, suite, test } from 'node:test';
import type { Disk, VirtualMachine } from '@azure/arm-compute';
import type { PageBlobClient } from '@azure/storage-blob';
import { MIB } from '../../../src/kernel/units.ts';
import { makeFooter } from '../../../src/vhd/footer.ts';
import { ACCOUNT_ID, IMAGE_ID, LOCATION, SUBNET_ID, SOON, SUBSCRIPTION, startCloud } from './cloud.ts';
import type { Clients, Cloud } from './cloud.ts';

const GROUP = 'run-1';
const NO_CAPACITY = 'Standard_Full';

suite('what the local ARM refuses', () => {
  let cloud: Cloud;
  let clients: Clients;
  let source: PageBlobClient;

  before(async () => {
    const machinery = { kind: 'simulated', reason: 'this is a test of refusals' } as const;
    const otherRegion = { id: `${ACCOUNT_ID}far`, location: 'northeurope' };
    cloud = await startCloud({ machinery, config: { sizesWithoutCapacity: [NO_CAPACITY] }, otherRegion });
    clients = cloud.clients();
    await clients.resources.resourceGroups.createOrUpdate(GROUP, { location: LOCATION });
    source = await cloud.putVhd('good.vhd', Buffer.alloc(MIB));
  });
  after(() => cloud.close());

  /** Asserts a refusal at once: a RestError with status and code, and no credential in its message. */
  const refused = async (call: Promise<unknown>, status: number, code: string, words: RegExp): Promise<void> => {
    await assert.rejects(call, (error: Error) => {
      assert.equal(error.name, 'RestError', error.message);
      assert.equal('code' in error && error.code, code, error.message);
      assert.equal('statusCode' in error && error.statusCode, status, error.message);
      assert.match(error.message, words);
      assert.doesNotMatch(error.message, /sig=/);
      return true;
    });
  };
  const importing = (sourceUri: string, also: Partial<Disk['creationData']> = {}): Disk => ({
    location: LOCATION,
    creationData: { createOption: 'Import', sourceUri, storageAccountId: ACCOUNT_ID, ...also },
  });
  const createDisk = async (name: string, disk = importing(source.url)): Promise<Disk> =>
    await clients.compute.disks.createOrUpdate(GROUP, name, disk, SOON);
  const createInterface = async (name: string, subnetId = SUBNET_ID, location = LOCATION) =>
    await clients.network.networkInterfaces.beginCreateOrUpdateAndWait(
      GROUP,
      name,
      {
        location,
        ipConfigurations: [{ name: 'ip', ...(subnetId !== '' && { subnet: { id: subnetId } }) }],
      },
      SOON,
    );
  const machineOf = (of: {
    nic: string;
    disks?: readonly [lun: number, id: string][];
    image?: string;
    size?: string;
  }) =>
    ({
      location: LOCATION,
      hardwareProfile: { vmSize: of.size ?? 'Standard_B1s' },
      storageProfile: {
        imageReference: { id: of.image ?? IMAGE_ID },
        dataDisks: (of.disks ?? []).map(([lun, id]) => ({ lun, createOption: 'Attach', managedDisk: { id } })),
      },
      networkProfile: { networkInterfaces: [{ id: of.nic }] },
    }) satisfies VirtualMachine;
  const createMachine = async (name: string, machine: VirtualMachine): Promise<VirtualMachine> =>
    await clients.compute.virtualMachines.createOrUpdate(GROUP, name, machine, SOON);
  const idOf = (type: string, name: string): string =>
    `/subscriptions/${SUBSCRIPTION}/resourceGroups/${GROUP}/providers/${type}/${name}`;

  test('paths and versions', async () => {
    const base = `http://127.0.0.1:${cloud.port}/subscriptions/${SUBSCRIPTION}`;
    const codeOf = async (url: string, method = 'GET', body?: string): Promise<string> => {
      const response = await fetch(url, { method, ...(body !== undefined && { body }) });
      return `${response.status} ${JSON.stringify(await response.json())}`;
    };
    assert.match(
      await codeOf(`${base}/resourceGroups/${GROUP}`),
      /^400 \{"error":\{"code":"MissingApiVersionParameter"/,
    );
    assert.match(
      await codeOf(`${base}/resourceGroups/${GROUP}?api-version=new`),
      /^400 .*"InvalidApiVersionParameter"/,
    );
    assert.match(
      await codeOf(`http://127.0.0.1:${cloud.port}/subscriptions/none/resourceGroups?api-version=2025-01-01`),
      /^404 .*"SubscriptionNotFound"/,
    );
    assert.match(await codeOf(`${base}/elsewhere?api-version=2025-01-01`), /^404 .*"InvalidResourceType"/);
    assert.match(await codeOf(`${base}/resourceGroups?api-version=2025-01-01`, 'DELETE'), /^405 .*"MethodNotAllowed"/);
    const group = `${base}/resourceGroups/${GROUP}`;
    assert.match(await codeOf(`${group}?api-version=2025-01-01`, 'PUT', '{'), /^400 .*"InvalidRequestContent"/);
    assert.match(
      await codeOf(`${group}?api-version=2025-01-01`, 'PUT', '{"location":1}'),
      /^400 .*"InvalidRequestContent"/,
    );
    assert.match(await codeOf(`${group}?api-version=2025-01-01`, 'PUT', '{}'), /^400 .*"LocationRequired"/);
  });

  test('groups and resources that are not there', async () => {
    const { compute, resources } = clients;
    await refused(resources.resourceGroups.get('none'), 404, 'ResourceGroupNotFound', /'none' could not be found/);
    await refused(compute.disks.get('none', 'disk'), 404, 'ResourceGroupNotFound', /'none'/);
    await refused(compute.disks.get(GROUP, 'none'), 404, 'ResourceNotFound', /'Microsoft.Compute\/disks\/none'/);
    await refused(
      compute.disks.createOrUpdate('none', 'disk', importing(source.url)),
      404,
      'ResourceGroupNotFound',
      /none/,
    );
    await refused(compute.galleryImages.get('shared', 'library', 'other'), 404, 'ResourceNotFound', /other/);
    await compute.disks.delete(GROUP, 'never-was');
  });

  test('names and regions', async () => {
    const { resources } = clients;
    const long = 'n'.repeat(81);
    await refused(
      resources.resourceGroups.createOrUpdate('dot.', { location: LOCATION }),
      400,
      'InvalidResourceGroup',
      /dot\./,
    );
    await refused(createDisk(long), 400, 'InvalidParameter', /'diskName' is invalid according to its validation rule/);
    await refused(createInterface(long), 400, 'InvalidResourceName', /up to 80 characters/);
    await refused(createMachine('m'.repeat(65), machineOf({ nic: 'x' })), 400, 'InvalidParameter', /'vmName'/);
    const elsewhere = { location: 'northeurope' };
    await refused(
      resources.resourceGroups.createOrUpdate(GROUP, elsewhere),
      409,
      'InvalidResourceGroupLocation',
      /westeurope/,
    );
    await createInterface('nic-region');
    await refused(
      createInterface('nic-region', SUBNET_ID, 'northeurope'),
      409,
      'InvalidResourceLocation',
      /already exists in location 'westeurope'/,
    );
    await refused(createInterface('nic-far', SUBNET_ID, 'northeurope'), 400, 'InvalidResourceReference', /same region/);
  });

  test('imports that name no good source', async () => {
    const withoutAccount: Disk = {
      location: LOCATION,
      creationData: { createOption: 'Import', sourceUri: source.url },
    };
    await refused(
      createDisk('d', withoutAccount),
      400,
      'BadRequest',
      /Required parameter 'storageAccountId' is missing \(null\)/,
    );
    const withoutSource: Disk = {
      location: LOCATION,
      creationData: { createOption: 'Import', storageAccountId: ACCOUNT_ID },
    };
    await refused(createDisk('d', withoutSource), 400, 'InvalidParameter', /'sourceUri' is missing/);
    await refused(
      createDisk('d', importing(source.url, { createOption: 'Empty' })),
      400,
      'InvalidParameter',
      /'Empty'/,
    );
    await refused(
      createDisk('d', importing(source.url, { storageAccountId: `${ACCOUNT_ID}x` })),
      404,
      'StorageAccountNotFound',
      /not found/,
    );
    await refused(
      createDisk('d', importing(source.url, { storageAccountId: `${ACCOUNT_ID}far` })),
      400,
      'BadRequest',
      /does not belong to the same region as the disk/,
    );
    await refused(
      createDisk('d', importing('http://elsewhere/points/good.vhd?sig=secret')),
      400,
      'BadRequest',
      /does not belong to the storage account/,
    );
    await refused(createDisk('d', importing(`${source.url}x`)), 404, 'NotFound', /Unable to find VHD blob/);
    const { snapshot = '' } = await source.createSnapshot();
    await refused(createDisk('d', importing(source.withSnapshot(snapshot).url)), 400, 'BadRequest', /is a snapshot/);
    await refused(clients.compute.disks.get(GROUP, 'd'), 404, 'ResourceNotFound', /d/);
  });

  test('imports of what is no valid fixed VHD, and nothing is left of them', async () => {
    const footer = makeFooter({ dataBytes: MIB, uniqueId: randomBytes(16), createdAtMs: Date.UTC(2026, 0, 1) });
    const withChecksum = (bytes: Uint8Array): Uint8Array => {
      const view = new DataView(bytes.buffer);
      view.setUint32(64, 0);
      view.setUint32(64, ~bytes.reduce((sum, byte) => sum + byte, 0) >>> 0);
      return bytes;
    };
    const changed = (change: (view: DataView) => void): Uint8Array => {
      const copy = Uint8Array.from(footer);
      change(new DataView(copy.buffer));
      return withChecksum(copy);
    };
    const flipped = Uint8Array.from(footer);
    flipped[70] = (flipped[70] ?? 0) ^ 1;
    const cases: [string, number, Uint8Array][] = [
      ['no footer', MIB, new Uint8Array(512)],
      [
        'cookie',
        MIB,
        changed((view) => {
          view.setUint8(0, 0x43);
        }),
      ],
      ['checksum', MIB, flipped],
      [
        'dynamic',
        MIB,
        changed((view) => {
          view.setUint32(60, 3);
        }),
      ],
      [
        'no whole MiB',
        MIB + 512,
        changed((view) => {
          view.setBigUint64(48, BigInt(MIB + 512));
        }),
      ],
      ['size beside the blob', 2 * MIB, footer],
      ['footer alone', 0, footer],
    ];
    for (const [name, dataBytes, bytes] of cases) {
      const blob = cloud.blobs.getContainerClient('points').getPageBlobClient(`bad/${name}.vhd`);
      await blob.create(dataBytes + 512);
      await blob.uploadPages(bytes, dataBytes, 512);
      await refused(
        createDisk('bad', importing(blob.url)),
        400,
        'BadRequest',
        /^Only blobs formatted as VHDs can be imported\. \S/,
      );
      // No snapshot stays behind: with one, deleting the blob alone would be refused.
      await blob.delete();
    }
    const block = cloud.blobs.getContainerClient('points').getBlockBlobClient('block.vhd');
    await block.uploadData(Buffer.concat([Buffer.alloc(MIB), footer]));
    await refused(createDisk('bad', importing(block.url)), 400, 'BadRequest', /not a page blob/);
  });

  test('disks that exist, and disks in use', async () => {
    const other = await cloud.putVhd('other.vhd', Buffer.alloc(MIB));
    const disk = await createDisk('disk-used');
    await refused(createDisk('disk-used', importing(other.url)), 409, 'PropertyChangeNotAllowed', /sourceUri/);
    const nics = [await createInterface('nic-1'), await createInterface('nic-2')];
    const [first = '', second = ''] = nics.map((nic) => nic.id);
    const diskId = disk.id ?? '';
    await createMachine('machine-1', machineOf({ nic: first, disks: [[0, diskId]] }));
    await refused(
      createMachine('machine-2', machineOf({ nic: second, disks: [[0, diskId]] })),
      409,
      'ConflictingUserInput',
      /already owned by VM '.*machine-1'/,
    );
    await refused(
      clients.compute.disks.delete(GROUP, 'disk-used'),
      409,
      'OperationNotAllowed',
      /is attached to VM .*machine-1/,
    );
    await refused(
      createMachine('machine-2', machineOf({ nic: first })),
      400,
      'NicInUse',
      /used by existing resource .*machine-1/,
    );
    await refused(clients.network.networkInterfaces.beginDeleteAndWait(GROUP, 'nic-1'), 400, 'NicInUse', /dissociated/);
    const otherImage = machineOf({ nic: first, disks: [[0, diskId]], image: `${IMAGE_ID}2` });
    await refused(createMachine('machine-1', otherImage), 409, 'PropertyChangeNotAllowed', /'imageReference'/);
    await refused(
      clients.compute.virtualMachines.createOrUpdate(GROUP, 'machine-1', machineOf({ nic: first }), {
        ifNoneMatch: '*',
      }),
      412,
      'PreconditionFailed',
      /machine-1/,
    );
    await refused(clients.compute.virtualMachines.get(GROUP, 'machine-2'), 404, 'ResourceNotFound', /machine-2/);
  });

  test('machines whose parts are missing or clash', async () => {
    const nic = (await createInterface('nic-3')).id ?? '';
    const diskA = (await createDisk('disk-a')).id ?? '';
    const diskB = (await createDisk('disk-b')).id ?? '';
    const create = (of: Parameters<typeof machineOf>[0]) => createMachine('machine-3', machineOf(of));
    await refused(
      create({
        nic,
        disks: [
          [1, diskA],
          [1, diskB],
        ],
      }),
      400,
      'InvalidParameter',
      /A disk at LUN 1 already exists/,
    );
    await refused(
      create({
        nic,
        disks: [
          [1, diskA],
          [2, diskA],
        ],
      }),
      400,
      'InvalidParameter',
      /more than once/,
    );
    await refused(
      create({ nic, disks: [[1, idOf('Microsoft.Compute/disks', 'none')]] }),
      404,
      'NotFound',
      /none is not found/,
    );
    await refused(
      create({ nic: idOf('Microsoft.Network/networkInterfaces', 'none') }),
      400,
      'InvalidResourceReference',
      /none/,
    );
    await refused(create({ nic, image: `${IMAGE_ID}2` }), 404, 'GalleryImageNotFound', /not available in westeurope/);
    await refused(createInterface('nic-4', `${SUBNET_ID}2`), 400, 'InvalidResourceReference', /default2/);
    await refused(createInterface('nic-4', ''), 400, 'SubnetIsRequired', /Subnet reference is required/);
    const withoutNic = { ...machineOf({ nic }), networkProfile: { networkInterfaces: [] } };
    await refused(createMachine('machine-3', withoutNic), 400, 'InvalidParameter', /networkProfile/);
    const withoutSize = { ...machineOf({ nic }), hardwareProfile: {} };
    await refused(createMachine('machine-3', withoutSize), 400, 'InvalidParameter', /vmSize/);
    await refused(clients.compute.virtualMachines.get(GROUP, 'machine-3'), 404, 'ResourceNotFound', /machine-3/);
  });

  test('an operation that fails later says so in its status, and can be tried again', async () => {
    const nic = (await createInterface('nic-5')).id ?? '';
    await assert.rejects(createMachine('machine-5', machineOf({ nic, size: NO_CAPACITY })), (error: Error) => {
      assert.equal(error.name, 'Error');
      assert.match(error.message, /AllocationFailed/);
      return true;
    });
    const failed = await clients.compute.virtualMachines.get(GROUP, 'machine-5');
    assert.equal(failed.provisioningState, 'Failed');
    const again = await createMachine('machine-5', machineOf({ nic }));
    assert.equal(again.provisioningState, 'Succeeded');
  });

  test('nothing is created in a group that is being deleted', async () => {
    const { resources, compute } = clients;
    await resources.resourceGroups.createOrUpdate('going', { location: LOCATION });
    const deletion = await resources.resourceGroups.beginDelete('going', SOON);
    await refused(
      compute.disks.createOrUpdate('going', 'disk', importing(source.url)),
      409,
      'ResourceGroupBeingDeleted',
      /going/,
    );
    await refused(
      resources.resourceGroups.createOrUpdate('going', { location: LOCATION }),
      409,
      'ResourceGroupBeingDeleted',
      /going/,
    );
    await deletion.pollUntilDone();
    await refused(resources.resourceGroups.get('going'), 404, 'ResourceGroupNotFound', /going/);
  });
});
