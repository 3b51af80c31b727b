/**
 * The recovery region as a port: resource groups, disks, network interfaces, machines.
 *
 * Promises an adapter keeps: every `start…` is idempotent by name, so that a repeated step meets its own work; no call
 * waits for a long operation; an operation's token can be stored and polled by another process. Capacity and quota
 * are NO_CAPACITY, whichever way the platform words them; other refusals are PLATFORM_FAILED with the platform's code.
 */

/** A long operation under way. The text is the adapter's own; store it, hand it back. */
export type OperationToken = string;

export type OperationState =
  | { readonly state: 'running'; readonly retryAfterMs: number }
  | { readonly state: 'succeeded' }
  | { readonly state: 'failed'; readonly code: string; readonly message: string; readonly capacity: boolean };

/** A resource of a run: names derive from the run, tags say which one. */
export interface ResourceSpec {
  readonly resourceGroup: string;
  readonly name: string;
  readonly location: string;
  readonly tags: Readonly<Record<string, string>>;
}

export interface DiskSpec extends ResourceSpec {
  /** Page blob with a fixed VHD, in the same region. */
  readonly sourceUrl: string;
  /** Resource id of the storage account that holds it. Required by Import. */
  readonly storageAccountId: string;
}

export interface InterfaceSpec extends ResourceSpec {
  readonly subnetId: string;
}

export interface MachineSpec extends ResourceSpec {
  /** Image of the solution stack: resource id in a gallery, version left off for the newest. */
  readonly imageId: string;
  readonly size: string;
  readonly interfaceName: string;
  readonly disks: readonly { readonly diskName: string; readonly lun: number }[];
}

export interface MachineView {
  readonly power: 'running' | 'starting' | 'stopped';
  readonly tags: Readonly<Record<string, string>>;
  /** Private address of the machine's interface. */
  readonly address: string;
}

export interface RecoveryCloud {
  /** Creates the group unless it exists. Fast: no long operation. */
  ensureResourceGroup(spec: { name: string; location: string; tags: Readonly<Record<string, string>> }): Promise<void>;
  /** Errors: NOT_FOUND when the image does not exist or may not be read. */
  checkImage(imageId: string): Promise<void>;
  startDisk(spec: DiskSpec): Promise<OperationToken>;
  startInterface(spec: InterfaceSpec): Promise<OperationToken>;
  startMachine(spec: MachineSpec): Promise<OperationToken>;
  /** Begins to delete a resource group with all that is in it. Undefined when there is none (any more). */
  startRemoval(resourceGroup: string): Promise<OperationToken | undefined>;
  /** Looks once at an operation; never waits. */
  poll(token: OperationToken): Promise<OperationState>;
  /** Errors: NOT_FOUND. */
  machine(at: { resourceGroup: string; name: string; interfaceName: string }): Promise<MachineView>;
}
