/** Paths of Azure Resource Manager: what each means, and that nonsense means nothing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { idOf, parseTarget } from '../../../src/local/arm/resource-id.ts';

const at = { subscription: 's', group: 'My-Group' };

test('each kind of path', () => {
  const subnet = { ...at, type: 'Microsoft.Network/virtualNetworks/subnets', names: ['net', 'sub net'] };
  const disk = { ...at, type: 'Microsoft.Compute/disks', names: ['d'] };
  const base = '/subscriptions/s/resourceGroups/My-Group';
  assert.deepEqual(parseTarget('/subscriptions/s/resourcegroups'), { kind: 'groups', subscription: 's' });
  assert.deepEqual(parseTarget(base), { kind: 'group', ...at });
  assert.deepEqual(parseTarget(`${base}/resources`), { kind: 'contents', ...at });
  assert.deepEqual(parseTarget(`${base}/providers/Microsoft.Compute/disks/d`), { kind: 'resource', ...disk });
  assert.deepEqual(parseTarget(`${base}/providers/Microsoft.Compute/disks`), {
    kind: 'collection',
    ...disk,
    names: [],
  });
  assert.deepEqual(parseTarget(`${base}/providers/Microsoft.Network/virtualNetworks/net/subnets/sub%20net`), {
    kind: 'resource',
    ...subnet,
  });
  assert.deepEqual(parseTarget(`${base}/providers/Microsoft.Compute/disks/d/instanceView`), {
    kind: 'action',
    ...disk,
    action: 'instanceview',
  });
  assert.deepEqual(parseTarget('/subscriptions/s/providers/Microsoft.Compute/locations/x/operationResults/ID'), {
    kind: 'operation',
    subscription: 's',
    operation: 'id',
    result: true,
  });
  assert.equal(idOf(disk), `${base}/providers/Microsoft.Compute/disks/d`);
  assert.equal(idOf(subnet), `${base}/providers/Microsoft.Network/virtualNetworks/net/subnets/sub net`);
});

test('paths that mean nothing', () => {
  for (const path of [
    '/',
    '/subscriptions',
    '/subscriptions/s',
    '/subscriptions/s/elsewhere',
    '/subscriptions/s/resourceGroups/',
    '/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute',
    '/subscriptions/s/resourceGroups/g/elsewhere/Microsoft.Compute/disks/d',
    '/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute//disks',
    '/subscriptions/s/providers/Microsoft.Compute/locations/x/elsewhere/1',
    '/subscriptions/s/resourceGroups/%ff',
  ]) {
    assert.equal(parseTarget(path), undefined, path);
  }
});
