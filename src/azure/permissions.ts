/**
 * What the program may do in Azure, named where the calls are: the built-in roles on data, by resource, and the actions
 * of Resource Manager. infra/ grants exactly this; test/infra holds the two against each other, in both directions, and
 * test/azure/permissions.test.ts the actions against the requests of the SDK.
 *
 * Invariants: every call of a port that Azure answers has an entry, which the compiler checks; what no call shows to be
 * needed stands apart, as assumed and with its reason. Nothing here has been verified against Azure itself.
 *
 * Sources: "Azure built-in roles" and "Azure permissions", documentation of Azure RBAC; "Authorize access using Microsoft
 * Entra ID", Azure Storage REST, permissions for data operations; "Connecting to host storage with an identity", Azure
 * Functions.
 */
import type { AccessIssuer, ReadAccess } from '../ports/access.ts';
import type { EntryStore } from '../ports/entries.ts';
import type { Queues } from '../ports/queue.ts';
import type { RecoveryCloud } from '../ports/recovery-cloud.ts';
import type { ReplicaStore } from '../ports/replica-store.ts';
import type { StateStore } from '../ports/state.ts';

/** A built-in role by its name in the documentation. */
export type BuiltInRole =
  | 'Key Vault Secrets User'
  | 'Monitoring Metrics Publisher'
  | 'Storage Blob Data Contributor'
  | 'Storage Blob Data Owner'
  | 'Storage Blob Data Reader'
  | 'Storage Queue Data Contributor'
  | 'Storage Queue Data Message Sender'
  | 'Storage Queue Delegator'
  | 'Storage Table Data Contributor';

/** What each call of a port needs. */
type Needs<Port, Need> = Readonly<Record<keyof Port, readonly Need[]>>;

/** The least role that reads, writes, deletes and copies blobs; it makes containers and asks for delegation keys too. */
const BLOBS: readonly BuiltInRole[] = ['Storage Blob Data Contributor'];

/** The least role that sends, takes and deletes messages alike. */
const MESSAGES: readonly BuiltInRole[] = ['Storage Queue Data Contributor'];

/**
 * `SasAccess` asks for the keys of blobs and of queues together. What such a key signs grants no more than its signer
 * may do, so that a URL for adding messages needs the role on messages besides. Source: Azure Storage REST, "Create a
 * user delegation SAS".
 */
const DELEGATION: readonly BuiltInRole[] = [...BLOBS, 'Storage Queue Delegator'];

/** Roles on the account of the replicas, by the adapters' calls. */
export const STORAGE_CALLS = {
  /** `BlobState` */
  state: { read: BLOBS, create: BLOBS, replace: BLOBS, remove: BLOBS, list: BLOBS } satisfies Needs<
    StateStore,
    BuiltInRole
  >,
  /** `BlobEntries` */
  entries: { create: BLOBS, read: BLOBS, readPart: BLOBS, remove: BLOBS, list: BLOBS } satisfies Needs<
    EntryStore,
    BuiltInRole
  >,
  /** `PageBlobReplicas` */
  replicas: {
    create: BLOBS,
    properties: BLOBS,
    raiseSequenceNumber: BLOBS,
    writePages: BLOBS,
    clearPages: BLOBS,
    resize: BLOBS,
    snapshot: BLOBS,
    listSnapshots: BLOBS,
    deleteSnapshot: BLOBS,
    read: BLOBS,
    copySnapshot: BLOBS,
    dataRanges: BLOBS,
    resetSequenceNumber: BLOBS,
    remove: BLOBS,
    url: [],
  } satisfies Needs<ReplicaStore, BuiltInRole>,
  /** `StorageQueues` */
  queues: { send: MESSAGES, take: MESSAGES } satisfies Needs<Queues, BuiltInRole>,
  /** `SasAccess` */
  access: {
    queueUrl: [...DELEGATION, ...MESSAGES],
    journalUrl: DELEGATION,
    readUrl: DELEGATION,
    uploadUrl: DELEGATION,
    ensureContainer: BLOBS,
    removeContainer: BLOBS,
  } satisfies Needs<AccessIssuer & ReadAccess, BuiltInRole>,
} as const;

/** The built-in roles of the function app's identity, by the resource that they are held on. */
export const APP_ROLES = {
  storage: distinct([
    ...Object.values(STORAGE_CALLS).flatMap((calls) => Object.values(calls).flat()),
    // The host's queue triggers: they take messages, and make the poison queues.
    ...MESSAGES,
  ]),
  hostStorage: [
    // Leases between instances, schedules of timers, function keys; the deployed package.
    'Storage Blob Data Owner',
    // Diagnostic events.
    'Storage Table Data Contributor',
  ],
  // The host follows the references in LEEWARD_KEY_SECRET and LEEWARD_WEBHOOKS.
  vault: ['Key Vault Secrets User'],
  // The host sends telemetry as the identity.
  insights: ['Monitoring Metrics Publisher'],
} as const satisfies Record<string, readonly BuiltInRole[]>;

/** The built-in roles of an observer's identity in another region, on resources of its own: only the host needs any. */
export const OBSERVER_ROLES = {
  hostStorage: APP_ROLES.hostStorage,
  // The reference in LEEWARD_OBSERVE.
  vault: APP_ROLES.vault,
  insights: APP_ROLES.insights,
} as const satisfies Record<string, readonly BuiltInRole[]>;

/** The built-in roles of a person who runs the command (`src/cli`) against Azure, by resource. */
export const OPERATOR_ROLES = {
  // `Documents`: volume add, volume list, status, failover start, failover status.
  stateContainer: BLOBS,
  // `Queues.send`: failover start.
  failoverQueue: ['Storage Queue Data Message Sender'],
  // LEEWARD_KEY_SECRET, which the keys of sites and the operator's own are derived from.
  vault: ['Key Vault Secrets User'],
} as const satisfies Record<string, readonly BuiltInRole[]>;

/** The built-in roles of a person who may only look. An approver has none: its link opens one question. */
export const READER_ROLES = {
  stateContainer: ['Storage Blob Data Reader'],
} as const satisfies Record<string, readonly BuiltInRole[]>;

/** Actions of Resource Manager that each call of `AzureRecoveryCloud` is authorized by. */
export const ARM_CALLS = {
  // resourceGroups.createOrUpdate
  ensureResourceGroup: ['Microsoft.Resources/subscriptions/resourceGroups/write'],
  // galleryImages.get, galleryImageVersions.get. A gallery in another subscription needs a role there.
  checkImage: ['Microsoft.Compute/galleries/images/read', 'Microsoft.Compute/galleries/images/versions/read'],
  // disks.createOrUpdate; what its import asks of the storage account is in IMPORT_ACTIONS.
  startDisk: ['Microsoft.Compute/disks/write'],
  // networkInterfaces.beginCreateOrUpdate, which puts the interface into the plan's subnet and looks at its operation once.
  startInterface: [
    'Microsoft.Network/networkInterfaces/write',
    'Microsoft.Network/virtualNetworks/subnets/join/action',
    'Microsoft.Network/locations/operations/read',
    'Microsoft.Network/networkInterfaces/read',
  ],
  // virtualMachines.createOrUpdate, with an interface, an image and disks that exist.
  startMachine: [
    'Microsoft.Compute/virtualMachines/write',
    'Microsoft.Network/networkInterfaces/join/action',
    'Microsoft.Compute/galleries/images/read',
    'Microsoft.Compute/galleries/images/versions/read',
    'Microsoft.Compute/disks/read',
    'Microsoft.Compute/disks/write',
  ],
  // resourceGroups.beginDelete, which looks at its operation once.
  startRemoval: [
    'Microsoft.Resources/subscriptions/resourceGroups/delete',
    'Microsoft.Resources/subscriptions/operationresults/read',
  ],
  // The address that each operation is looked at by, and the resource itself, which the pollers read at the end.
  poll: [
    'Microsoft.Compute/locations/diskOperations/read',
    'Microsoft.Compute/disks/read',
    'Microsoft.Compute/locations/operations/read',
    'Microsoft.Compute/virtualMachines/read',
    'Microsoft.Network/locations/operations/read',
    'Microsoft.Network/networkInterfaces/read',
    'Microsoft.Resources/subscriptions/operationresults/read',
  ],
  // virtualMachines.get, networkInterfaces.get
  machine: ['Microsoft.Compute/virtualMachines/read', 'Microsoft.Network/networkInterfaces/read'],
} as const satisfies Needs<RecoveryCloud, string>;

/**
 * Actions that no call is known to be authorized by, and that are granted all the same until a run in Azure has shown
 * that it does without them: one missing would stop a failover.
 */
export const ASSUMED_RUN_ACTIONS: readonly string[] = [
  // ensureResourceGroup writes the group without reading it.
  'Microsoft.Resources/subscriptions/resourceGroups/read',
  // startInterface names the subnet.
  'Microsoft.Network/virtualNetworks/subnets/read',
  // machine asks for the instance view along with the machine.
  'Microsoft.Compute/virtualMachines/instanceView/read',
  // startRemoval removes what is in the group; startMachine says that disk and interface go with the machine.
  'Microsoft.Compute/disks/delete',
  'Microsoft.Compute/virtualMachines/delete',
  'Microsoft.Network/networkInterfaces/delete',
];

/** The actions of the custom role for runs, on the subscription. */
export const RUN_ACTIONS: readonly string[] = distinct([...Object.values(ARM_CALLS).flat(), ...ASSUMED_RUN_ACTIONS]);

/** The actions of the custom role for imports, on the account of the replicas: assumed of startDisk, documented nowhere. */
export const IMPORT_ACTIONS: readonly string[] = [
  'Microsoft.Storage/storageAccounts/read',
  'Microsoft.Storage/storageAccounts/listKeys/action',
];

function distinct<T>(values: readonly T[]): readonly T[] {
  return [...new Set(values)];
}
