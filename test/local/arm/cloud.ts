/** A cloud for tests: the local ARM as a process of its own over a real Azurite, with the real SDK clients. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ComputeManagementClient } from '@azure/arm-compute';
import { NetworkManagementClient } from '@azure/arm-network';
import { ResourceManagementClient } from '@azure/arm-resources';
import { BlobServiceClient } from '@azure/storage-blob';
import type { PageBlobClient } from '@azure/storage-blob';
import { MIB } from '../../../src/kernel/units.ts';
import type { ArmConfigInput } from '../../../src/local/arm/config.ts';
import { makeFooter } from '../../../src/vhd/footer.ts';
import { startAzurite } from '../../support/azurite.ts';

export const SUBSCRIPTION = '00000000-0000-0000-0000-000000000001';
const SHARED = `/subscriptions/${SUBSCRIPTION}/resourceGroups/shared/providers`;
export const ACCOUNT_ID = `${SHARED}/Microsoft.Storage/storageAccounts/devstoreaccount1`;
export const IMAGE_ID = `${SHARED}/Microsoft.Compute/galleries/library/images/stack`;
export const SUBNET_ID = `${SHARED}/Microsoft.Network/virtualNetworks/recovery/subnets/default`;
export const LOCATION = 'westeurope';

/** The SDK clients of one process that uses the cloud. */
export interface Clients {
  readonly compute: ComputeManagementClient;
  readonly network: NetworkManagementClient;
  readonly resources: ResourceManagementClient;
}

export interface Cloud {
  readonly port: number;
  readonly folder: string;
  /** New clients, as another process would have. */
  clients(): Clients;
  /** Puts `data` and a valid footer into a new page blob. */
  putVhd(name: string, data: Uint8Array): Promise<PageBlobClient>;
  readonly blobs: BlobServiceClient;
  /** Ends the ARM by `signal` and gives its exit code. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null>;
  /** Starts the ARM again, on the same folder and port. */
  start(): Promise<void>;
  /** Ends everything. */
  close(): Promise<void>;
}

/** Pollers ask every two seconds unless they are told otherwise. */
export const SOON = { updateIntervalInMs: 20 };

const NEVER_ASKED = { getToken: () => Promise.reject(new Error('the local ARM needs no token')) };

export async function startCloud(of: {
  machinery: ArmConfigInput['images'][number]['machinery'];
  config?: Partial<ArmConfigInput>;
  /** A second account, over the same blobs, that lies in another region. */
  otherRegion?: { id: string; location: string };
}): Promise<Cloud> {
  const azurite = await startAzurite();
  const folder = await mkdtemp(join(tmpdir(), 'leeward-arm-'));
  const connectionStringFile = join(folder, 'connection-string');
  writeFileSync(connectionStringFile, azurite.connectionString);
  const config: ArmConfigInput = {
    subscriptionId: SUBSCRIPTION,
    storageAccounts: [
      { id: ACCOUNT_ID, location: 'West Europe', connectionStringFile },
      ...(of.otherRegion === undefined ? [] : [{ ...of.otherRegion, connectionStringFile }]),
    ],
    images: [{ id: IMAGE_ID, location: LOCATION, machinery: of.machinery }],
    virtualNetworks: [{ id: SUBNET_ID.replace(/\/subnets.*/, ''), location: LOCATION, subnets: ['default'] }],
    operationMs: 100,
    retryAfterSeconds: 0,
    ...of.config,
  };
  const configFile = join(folder, 'config.json');
  writeFileSync(configFile, JSON.stringify(config));

  const blobs = BlobServiceClient.fromConnectionString(azurite.connectionString);
  await blobs.createContainer('points');
  let arm = await startArm({ folder, configFile, port: 0 });
  const { port } = arm;
  const end = async (signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> => {
    if (arm.child.exitCode !== null || arm.child.signalCode !== null) return arm.child.exitCode;
    const ended = once(arm.child, 'exit');
    arm.child.kill(signal);
    await ended;
    return arm.child.exitCode;
  };

  return {
    port,
    folder,
    blobs,
    end,
    clients: () => clientsOf(`http://127.0.0.1:${port}`),
    async putVhd(name, data) {
      const blob = blobs.getContainerClient('points').getPageBlobClient(name);
      const footer = makeFooter({
        dataBytes: data.length,
        uniqueId: randomBytes(16),
        createdAtMs: Date.UTC(2026, 0, 1),
      });
      await blob.create(data.length + footer.length);
      for (let at = 0; at < data.length; at += 4 * MIB) {
        const chunk = data.subarray(at, at + 4 * MIB);
        await blob.uploadPages(chunk, at, chunk.length);
      }
      await blob.uploadPages(footer, data.length, footer.length);
      return blob;
    },
    async start() {
      arm = await startArm({ folder, configFile, port });
    },
    async close() {
      await end('SIGTERM');
      await azurite.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function startArm(of: { folder: string; configFile: string; port: number }) {
  const portFile = join(of.folder, 'port');
  await rm(portFile, { force: true });
  const main = join(import.meta.dirname, '..', '..', '..', 'src', 'local', 'arm', 'main.ts');
  const state = join(of.folder, 'state');
  const args = [main, '--state', state, '--config', of.configFile, '--port', String(of.port), '--port-file', portFile];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  while (!existsSync(portFile)) {
    if (child.exitCode !== null) throw new Error(`the local ARM ended: ${said}`);
    await sleep(20);
  }
  return { child, port: Number(readFileSync(portFile, 'utf8')) };
}

function clientsOf(endpoint: string): Clients {
  const options = { endpoint, allowInsecureConnection: true, retryOptions: { maxRetries: 0 } };
  const compute = new ComputeManagementClient(NEVER_ASKED, SUBSCRIPTION, options);
  const network = new NetworkManagementClient(NEVER_ASKED, SUBSCRIPTION, options);
  const resources = new ResourceManagementClient(NEVER_ASKED, SUBSCRIPTION, options);
  for (const { pipeline } of [compute, network, resources]) {
    pipeline.removePolicy({ name: 'bearerTokenAuthenticationPolicy' });
  }
  return { compute, network, resources };
}
