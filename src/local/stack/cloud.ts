/** The part of a cloud that a local stack has before Leeward comes: what a subscription, and infra/ in it, gives in Azure. */
import type { ArmConfigInput } from '../arm/config.ts';
import type { Ports } from './document.ts';
import type { Layout } from './layout.ts';

const SUBSCRIPTION_ID = '00000000-0000-0000-0000-000000000000';
const STORAGE_RESOURCE_GROUP = 'leeward-control';
/** Called what it is, so that nobody takes a report for one from Azure. */
const LOCATION = 'local';
const NETWORK_SUBNET = 'machines';

/** Name of the storage account. It is not Azurite's well-known one: its key would be known to every program here. */
export const ACCOUNT_NAME = 'leewardlocal';

function resourceId(group: string, type: string): string {
  return `/subscriptions/${SUBSCRIPTION_ID}/resourceGroups/${group}/providers/${type}`;
}

const STORAGE_ID = resourceId(STORAGE_RESOURCE_GROUP, `Microsoft.Storage/storageAccounts/${ACCOUNT_NAME}`);
const NETWORK_ID = resourceId(STORAGE_RESOURCE_GROUP, 'Microsoft.Network/virtualNetworks/leeward-recovery');

/** What a recovery plan for the local stack names. */
export const LOCAL_CLOUD = {
  subscriptionId: SUBSCRIPTION_ID,
  storageResourceGroup: STORAGE_RESOURCE_GROUP,
  location: LOCATION,
  /** A definition of a gallery without a version: its newest. */
  imageId: resourceId('leeward-library', 'Microsoft.Compute/galleries/stacks/images/demo'),
  subnetId: `${NETWORK_ID}/subnets/${NETWORK_SUBNET}`,
} as const;

export function blobEndpointOf(ports: Ports): string {
  return `http://127.0.0.1:${ports.blob}/${ACCOUNT_NAME}`;
}

export function queueEndpointOf(ports: Ports): string {
  return `http://127.0.0.1:${ports.queue}/${ACCOUNT_NAME}`;
}

/** A secret. */
export function connectionStringOf(stack: { ports: Ports; accountKey: string }): string {
  return (
    `DefaultEndpointsProtocol=http;AccountName=${ACCOUNT_NAME};AccountKey=${stack.accountKey};` +
    `BlobEndpoint=${blobEndpointOf(stack.ports)};QueueEndpoint=${queueEndpointOf(stack.ports)};`
  );
}

export function armConfigOf(layout: Layout, machinery: ArmConfigInput['images'][number]['machinery']): ArmConfigInput {
  return {
    subscriptionId: SUBSCRIPTION_ID,
    storageAccounts: [{ id: STORAGE_ID, location: LOCATION, connectionStringFile: layout.connectionString }],
    images: [{ id: LOCAL_CLOUD.imageId, location: LOCATION, machinery }],
    virtualNetworks: [{ id: NETWORK_ID, location: LOCATION, subnets: [NETWORK_SUBNET] }],
  };
}
