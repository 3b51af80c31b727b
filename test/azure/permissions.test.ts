/**
 * The actions that permissions.ts names are those that the real SDK clients ask for: each request to Resource Manager is
 * authorized by its method and the type of its path. The server here accepts everything, and answers long operations by
 * addresses of the form that Azure's have.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { after, suite, test } from 'node:test';
import { ARM_CALLS } from '../../src/azure/permissions.ts';
import { AzureRecoveryCloud } from '../../src/azure/recovery-cloud.ts';
import type { RecoveryCloud } from '../../src/ports/recovery-cloud.ts';

const SUBSCRIPTION = '00000000-0000-0000-0000-000000000001';
const SHARED = `/subscriptions/${SUBSCRIPTION}/resourceGroups/shared/providers`;
const VERBS: Readonly<Record<string, string>> = { GET: 'read', PUT: 'write', DELETE: 'delete' };

/**
 * Source: "Azure permissions", documentation of Azure RBAC: Provider/types/verb. In lower case: Resource Manager does not
 * tell cases apart, and the SDK's paths do not keep them.
 */
function actionOf(method: string, path: string): string {
  const [, inGroup = '', provider = ''] =
    /^\/subscriptions\/[^/]+((?:\/(?!providers\/)[^/]+)*)(?:\/providers\/(.+))?$/.exec(path) ?? [];
  const types = (names: string): string =>
    names
      .split('/')
      .filter((_name, index) => index % 2 === 0)
      .join('/');
  const [namespace = '', ...rest] = provider.split('/');
  const type =
    provider === ''
      ? `Microsoft.Resources/subscriptions/${types(inGroup.slice(1))}`
      : `${namespace}/${types(rest.join('/'))}`;
  return `${type}/${VERBS[method] ?? method}`.toLowerCase();
}

const seen: string[] = [];

function answer(request: IncomingMessage, response: ServerResponse): void {
  const { method = '', url = '', headers } = request;
  const { pathname } = new URL(url, 'http://localhost');
  seen.push(actionOf(method, pathname));
  request.resume();
  const address = (path: string): string =>
    `http://${headers.host ?? ''}/subscriptions/${SUBSCRIPTION}/${path}?api-version=1`;
  const operation = (provider: string, kind: string): void => {
    response.setHeader('Azure-AsyncOperation', address(`providers/${provider}/locations/westeurope/${kind}/1`));
    response.statusCode = 201;
  };
  if (method === 'PUT' && pathname.includes('/disks/')) operation('Microsoft.Compute', 'diskOperations');
  if (method === 'PUT' && pathname.includes('/virtualMachines/')) operation('Microsoft.Compute', 'operations');
  if (method === 'PUT' && pathname.includes('/networkInterfaces/')) operation('Microsoft.Network', 'operations');
  if (method === 'DELETE') {
    response.setHeader('Location', address('operationresults/1'));
    response.statusCode = 202;
  }
  const properties = {
    provisioningState: response.statusCode === 201 ? 'Creating' : 'Succeeded',
    osState: 'Specialized',
  };
  const ipConfigurations = [{ name: 'primary', properties: { privateIPAddress: '10.0.0.4' } }];
  response.setHeader('Content-Type', 'application/json');
  response.end(
    JSON.stringify({ status: 'Succeeded', location: 'westeurope', properties: { ...properties, ipConfigurations } }),
  );
}

suite('the actions of Resource Manager', async () => {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  const bound = server.address();
  const port = typeof bound === 'object' && bound ? bound.port : 0;
  const cloud: RecoveryCloud = new AzureRecoveryCloud({
    endpoint: `http://127.0.0.1:${port}`,
    subscriptionId: SUBSCRIPTION,
    credential: { getToken: () => Promise.reject(new Error('no credential may be used over plain HTTP')) },
  });
  const at = { resourceGroup: 'run', location: 'westeurope', tags: {} };
  const disk = {
    ...at,
    name: 'd',
    sourceUrl: 'http://localhost/d.vhd',
    storageAccountId: `${SHARED}/Microsoft.Storage/storageAccounts/a`,
  };
  const card = { ...at, name: 'n', subnetId: `${SHARED}/Microsoft.Network/virtualNetworks/v/subnets/s` };
  const imageId = `${SHARED}/Microsoft.Compute/galleries/g/images/i/versions/1.0.0`;
  const machine = {
    ...at,
    name: 'm',
    imageId,
    size: 'Standard_B2s',
    interfaceName: 'n',
    disks: [{ diskName: 'd', lun: 0 }],
  };
  const tokens: string[] = [];
  const keep = async (token: Promise<string | undefined>): Promise<void> => {
    tokens.push((await token) ?? assert.fail('no token'));
  };
  const calls: Readonly<Record<keyof RecoveryCloud, () => Promise<unknown>>> = {
    ensureResourceGroup: () => cloud.ensureResourceGroup({ name: 'run', location: 'westeurope', tags: {} }),
    checkImage: () => cloud.checkImage(imageId),
    startDisk: () => keep(cloud.startDisk(disk)),
    startInterface: () => keep(cloud.startInterface(card)),
    startMachine: () => keep(cloud.startMachine(machine)),
    startRemoval: () => keep(cloud.startRemoval('run')),
    poll: async () => {
      assert.equal(tokens.length, 4);
      for (const token of tokens) assert.deepEqual(await cloud.poll(token), { state: 'succeeded' });
    },
    machine: () => cloud.machine({ resourceGroup: 'run', name: 'm', interfaceName: 'n' }),
  };
  const asked = new Set<string>();
  const lower = (actions: readonly string[]): string[] => actions.map((action) => action.toLowerCase());

  for (const [name, call] of Object.entries(calls)) {
    test(`${name} asks for nothing that is not named`, async () => {
      seen.length = 0;
      await call();
      assert.ok(seen.length > 0);
      const named = lower(Object.entries(ARM_CALLS).find(([other]) => other === name)?.[1] ?? []);
      assert.deepEqual(
        seen.filter((action) => !named.includes(action)),
        [],
      );
      for (const action of seen) asked.add(action);
    });
  }

  test('nothing is named that no call asks for, but joining what a request refers to', () => {
    const named = lower(Object.values(ARM_CALLS).flat()).filter((action) => !action.endsWith('/join/action'));
    assert.deepEqual([...new Set(named)].sort(), [...asked].sort());
  });
});
