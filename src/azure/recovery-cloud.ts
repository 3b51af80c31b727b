/**
 * The recovery region by Azure Resource Manager: {@link RecoveryCloud} on the SDK's real clients.
 *
 * What is chosen for a machine, first version:
 * - no `osProfile`: the image of a solution stack is *specialized*, so that it brings its own accounts and there is no
 *   password or key for Leeward to hold. A generalized image is refused before anything is closed;
 * - data disks outlive their machine (`Detach`): what the application writes on them is the only copy; the disk with the
 *   operating system and the network interface go with it (`Delete`);
 * - recovered disks are standard SSDs, which every size of machine takes.
 */
import type { Disk, VirtualMachine } from '@azure/arm-compute';
import type { NetworkInterface } from '@azure/arm-network';
import { LeewardError, isLeewardError } from '../kernel/errors.ts';
import type {
  DiskSpec,
  InterfaceSpec,
  MachineSpec,
  MachineView,
  OperationState,
  OperationToken,
  RecoveryCloud,
} from '../ports/recovery-cloud.ts';
import { armClients } from './arm-clients.ts';
import type { ArmAddress, ArmClients } from './arm-clients.ts';
import { classifyArm } from './arm-errors.ts';
import { begun, pollOperation, submitted } from './arm-operations.ts';

/** A gallery's image definition, perhaps with a version. */
const GALLERY_IMAGE =
  /^\/subscriptions\/([^/]+)\/resourceGroups\/([^/]+)\/providers\/Microsoft\.Compute\/galleries\/([^/]+)\/images\/([^/]+)(?:\/versions\/([^/]+))?$/i;

export class AzureRecoveryCloud implements RecoveryCloud {
  readonly #address: ArmAddress;
  readonly #clients: ArmClients;

  /** Constructing it sends nothing. */
  constructor(address: ArmAddress) {
    this.#address = address;
    this.#clients = armClients(address);
  }

  async ensureResourceGroup(spec: {
    name: string;
    location: string;
    tags: Readonly<Record<string, string>>;
  }): Promise<void> {
    const { name, location, tags } = spec;
    await asked(`resource group ${name}`, () =>
      this.#clients.resources.resourceGroups.createOrUpdate(name, { location, tags: { ...tags } }),
    );
  }

  async checkImage(imageId: string): Promise<void> {
    const what = `image ${imageId}`;
    const [, subscriptionId, group, gallery, image, version] = GALLERY_IMAGE.exec(imageId) ?? [];
    if (subscriptionId === undefined || group === undefined || gallery === undefined || image === undefined) {
      throw new LeewardError('USAGE', `${what}: expected the resource id of an image in a gallery`);
    }
    // A gallery may be in a subscription of its own.
    const { compute } = armClients({ ...this.#address, subscriptionId });
    const { osState } = await asked(what, () => compute.galleryImages.get(group, gallery, image));
    if (osState === 'Generalized') {
      throw new LeewardError('USAGE', `${what} is generalized: a solution stack is a specialized image`);
    }
    if (version !== undefined) {
      await asked(what, () => compute.galleryImageVersions.get(group, gallery, image, version));
    }
  }

  async startDisk(spec: DiskSpec): Promise<OperationToken> {
    const { resourceGroup, name } = spec;
    const disk: Disk = {
      location: spec.location,
      tags: { ...spec.tags },
      sku: { name: 'StandardSSD_LRS' },
      creationData: {
        createOption: 'Import',
        sourceUri: spec.sourceUrl,
        storageAccountId: spec.storageAccountId,
      },
    };
    return await submitted({ operation: 'disk', resourceGroup, name }, () =>
      this.#clients.compute.disks.createOrUpdate(resourceGroup, name, disk),
    );
  }

  async startInterface(spec: InterfaceSpec): Promise<OperationToken> {
    const { resourceGroup, name } = spec;
    const card: NetworkInterface = {
      location: spec.location,
      tags: { ...spec.tags },
      ipConfigurations: [
        { name: 'primary', primary: true, privateIPAllocationMethod: 'Dynamic', subnet: { id: spec.subnetId } },
      ],
    };
    return await begun({ operation: 'interface', resourceGroup, name }, () =>
      this.#clients.network.networkInterfaces.beginCreateOrUpdate(resourceGroup, name, card),
    );
  }

  async startMachine(spec: MachineSpec): Promise<OperationToken> {
    const { resourceGroup, name } = spec;
    const machine: VirtualMachine = {
      location: spec.location,
      tags: { ...spec.tags },
      hardwareProfile: { vmSize: spec.size },
      storageProfile: {
        imageReference: { id: spec.imageId },
        osDisk: { createOption: 'FromImage', deleteOption: 'Delete' },
        dataDisks: spec.disks.map(({ diskName, lun }) => ({
          lun,
          createOption: 'Attach',
          deleteOption: 'Detach',
          managedDisk: { id: this.#idOf(resourceGroup, 'Microsoft.Compute/disks', diskName) },
        })),
      },
      networkProfile: {
        networkInterfaces: [
          {
            id: this.#idOf(resourceGroup, 'Microsoft.Network/networkInterfaces', spec.interfaceName),
            primary: true,
            deleteOption: 'Delete',
          },
        ],
      },
    };
    return await submitted({ operation: 'machine', resourceGroup, name }, () =>
      this.#clients.compute.virtualMachines.createOrUpdate(resourceGroup, name, machine),
    );
  }

  async startRemoval(resourceGroup: string): Promise<OperationToken | undefined> {
    try {
      return await begun({ operation: 'removal', resourceGroup, name: resourceGroup }, () =>
        this.#clients.resources.resourceGroups.beginDelete(resourceGroup),
      );
    } catch (error) {
      if (isLeewardError(error, 'NOT_FOUND')) return undefined;
      throw error;
    }
  }

  async poll(token: OperationToken): Promise<OperationState> {
    return await pollOperation(this.#clients, token);
  }

  async machine(at: { resourceGroup: string; name: string; interfaceName: string }): Promise<MachineView> {
    const { resourceGroup, name, interfaceName } = at;
    const machine = await asked(`machine ${name}`, () =>
      this.#clients.compute.virtualMachines.get(resourceGroup, name, { expand: 'instanceView' }),
    );
    const card = await asked(`network interface ${interfaceName}`, () =>
      this.#clients.network.networkInterfaces.get(resourceGroup, interfaceName),
    );
    const address = card.ipConfigurations?.[0]?.privateIPAddress;
    if (address === undefined) {
      throw new LeewardError('UNAVAILABLE', `network interface ${interfaceName} has no address yet`);
    }
    return { power: powerOf(machine), tags: { ...machine.tags }, address };
  }

  #idOf(resourceGroup: string, type: string, name: string): string {
    return `/subscriptions/${this.#address.subscriptionId}/resourceGroups/${resourceGroup}/providers/${type}/${name}`;
  }
}

async function asked<T>(what: string, request: () => Promise<T>): Promise<T> {
  try {
    return await request();
  } catch (error) {
    throw classifyArm(error, what);
  }
}

/** Source: "States and billing status of Azure Virtual Machines", power states. */
function powerOf(machine: VirtualMachine): MachineView['power'] {
  const codes = machine.instanceView?.statuses?.map(({ code }) => code) ?? [];
  if (codes.includes('PowerState/running')) return 'running';
  const off = ['PowerState/stopping', 'PowerState/stopped', 'PowerState/deallocating', 'PowerState/deallocated'];
  return codes.some((code) => code !== undefined && off.includes(code)) ? 'stopped' : 'starting';
}
