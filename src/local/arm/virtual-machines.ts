/**
 * Virtual machines: created from an image of the library, with data disks attached by LUN. Azure's "Virtual Machines -
 * Create Or Update", as much of it as a failover needs.
 */
import { rm } from 'node:fs/promises';
import { z } from 'zod';
import { describeError } from '../../kernel/errors.ts';
import { qemuRunner } from '../machines/qemu-machine.ts';
import { simulatedRunner } from '../machines/simulated-machine.ts';
import type { MachineRunner } from '../machines/machine-runner.ts';
import type { ArmConfig } from './config.ts';
import { DISK_TYPE, contentOf, diskFolder } from './disks.ts';
import type { Kind, PutRequest } from './kind.ts';
import type { MachinePark } from './machine-park.ts';
import { INTERFACE_TYPE, addressOf } from './network-interfaces.ts';
import { refusals } from './refusals.ts';
import { keyOf, locationOf } from './resource-id.ts';
import type { Storage } from './storage.ts';
import type { Documents, Resource } from './store.ts';
import { MACHINE_TYPE, machineUsing, parseMachineBody } from './virtual-machine-body.ts';
import type { MachineBody } from './virtual-machine-body.ts';

/** Tag that says what a machine really is: `qemu` or `simulated`. Only the local ARM gives it. */
export const MACHINE_KIND_TAG = 'leeward-local-machine';

/** Source: "Naming rules for Azure resources", Microsoft.Compute/virtualMachines on Linux, worded as for disks. */
const NAME_RULE = '^[^_\\W][\\w\\-._]{0,63}(?<![-.])$';

const localSchema = z.looseObject({ power: z.enum(['on', 'off']) });

interface Context {
  readonly resources: Documents<Resource>;
  readonly storage: Storage;
  readonly config: ArmConfig;
  readonly park: MachinePark;
  /** Folder of all disks. */
  readonly diskFolder: string;
}

export interface VirtualMachines extends Kind {
  /** Switches a machine off and gives its place back; its disks stay attached. */
  deallocate(of: { resourceId: string }): Promise<void>;
  /** Switches on again what was on when the local ARM ended. */
  resume(): Promise<void>;
  /** Azure's "Virtual Machines - Instance View". */
  instanceView(machine: Resource): Record<string, unknown>;
}

export function virtualMachineKind(context: Context): VirtualMachines {
  const { resources, park } = context;

  const provision = async (machine: Resource): Promise<void> => {
    const body = parseMachineBody(machine);
    if (context.config.sizesWithoutCapacity.includes(body.size ?? '')) throw refusals.noCapacity();
    if (!isWanted(machine)) return;
    const networkInterface = resources.get(body.interfaceIds[0] ?? '');
    if (networkInterface === undefined) throw refusals.referenceInvalid(body.interfaceIds[0] ?? '', machine.id);
    const disks = await Promise.all(
      body.disks.map(async ({ lun, id = '' }) => {
        const disk = resources.get(id);
        if (disk === undefined) throw refusals.diskNotFound(id);
        return { lun, folder: diskFolder(context.diskFolder, id), url: await context.storage.readUrl(contentOf(disk)) };
      }),
    );
    const spec = { name: machine.name, address: addressOf(networkInterface), disks };
    try {
      const wanted = (): boolean => isWanted(resources.get(machine.id));
      await park.ensure(machine.id, { runner: runnerOf(context.config, body), spec, wanted });
    } catch (error) {
      throw refusals.machineDidNotStart(describeError(error));
    }
  };

  const powerOf = (machine: Resource): string => {
    if (localSchema.parse(machine.local).power === 'off') return 'deallocated';
    if (park.running(machine.id)) return 'running';
    return machine.properties.provisioningState === 'Creating' ? 'starting' : 'stopped';
  };

  return {
    type: MACHINE_TYPE,
    createdStatus: 201,
    checkName(name) {
      if (!new RegExp(NAME_RULE).test(name)) throw refusals.computeNameInvalid('vmName', NAME_RULE);
    },
    async accept(request) {
      checkMachine(context, request);
      return { local: request.existing?.local ?? { power: 'on' } };
    },
    provision,
    checkDelete: () => undefined,
    async dispose(machine) {
      await park.stop(machine.id);
      await rm(park.folder(machine.id), { recursive: true, force: true });
    },
    view(machine) {
      return { tags: { [MACHINE_KIND_TAG]: runnerOf(context.config, parseMachineBody(machine)).kind } };
    },
    async deallocate({ resourceId }) {
      const machine = resources.get(resourceId);
      if (machine === undefined) return;
      resources.put({ ...machine, local: { ...machine.local, power: 'off' } });
      await park.stop(machine.id);
    },
    async resume() {
      const on = resources.all().filter((resource) => {
        if (resource.type !== MACHINE_TYPE || resource.properties.provisioningState !== 'Succeeded') return false;
        return localSchema.parse(resource.local).power === 'on';
      });
      // One that no longer starts is shown as stopped, as a machine is that did not survive its host.
      await Promise.allSettled(on.map(provision));
    },
    instanceView(machine) {
      const power = powerOf(machine);
      const state = machine.properties.provisioningState.toLowerCase();
      return {
        statuses: [
          { code: `ProvisioningState/${state}`, level: 'Info', displayStatus: `Provisioning ${state}` },
          { code: `PowerState/${power}`, level: 'Info', displayStatus: `VM ${power}` },
        ],
      };
    },
  };
}

/** Whether a machine should run: it exists, stays, and was not switched off. */
function isWanted(machine: Resource | undefined): boolean {
  if (machine === undefined || machine.properties.provisioningState === 'Deleting') return false;
  return localSchema.parse(machine.local).power === 'on';
}

/** Refuses a machine whose parts are missing, elsewhere or in use. */
function checkMachine({ resources, config }: Context, request: PutRequest): void {
  const body = parseMachineBody(request.body);
  if (body.size === undefined) throw refusals.parameterMissing('hardwareProfile.vmSize');
  if (body.imageId === undefined) throw refusals.parameterMissing('imageReference.id');
  if (body.interfaceIds.length === 0) throw refusals.parameterMissing('networkProfile.networkInterfaces');
  if (request.existing !== undefined) {
    const before = parseMachineBody(request.existing).imageId ?? '';
    if (keyOf(before) !== keyOf(body.imageId)) throw refusals.changeNotAllowed('imageReference');
  }
  const image = imageOf(config, body);
  if (image === undefined || locationOf(image.location) !== request.location) {
    throw refusals.imageNotFound(body.imageId, request.location);
  }
  for (const id of body.interfaceIds) {
    const found = resources.get(id);
    if (found?.type !== INTERFACE_TYPE || found.location !== request.location) {
      throw refusals.referenceInvalid(id, request.id);
    }
    const user = machineUsing(resources, id, request.id);
    if (user !== undefined) throw refusals.interfaceInUse(id, user.id);
  }
  checkDisks(resources, request, body);
}

function checkDisks(resources: Documents<Resource>, request: PutRequest, body: MachineBody): void {
  const luns = new Set<number>();
  const ids = new Set<string>();
  for (const { lun, createOption, id } of body.disks) {
    if (createOption !== 'Attach') throw refusals.notSupportedHere(`the createOption '${createOption}' of a data disk`);
    if (id === undefined) throw refusals.parameterMissing('dataDisk.managedDisk.id');
    if (luns.has(lun)) throw refusals.lunTaken(lun);
    if (ids.has(keyOf(id))) throw refusals.diskTwice(id);
    luns.add(lun);
    ids.add(keyOf(id));
    const disk = resources.get(id);
    if (disk?.type !== DISK_TYPE || disk.location !== request.location) throw refusals.diskNotFound(id);
    const state = disk.properties.provisioningState;
    if (state !== 'Succeeded') throw refusals.diskNotReady(id, state);
    const user = machineUsing(resources, id, request.id);
    if (user !== undefined) throw refusals.diskAttachedElsewhere(id, user.id);
  }
}

function imageOf(config: ArmConfig, body: MachineBody): ArmConfig['images'][number] | undefined {
  return config.images.find((image) => keyOf(image.id) === keyOf(body.imageId ?? ''));
}

function runnerOf(config: ArmConfig, body: MachineBody): MachineRunner {
  const machinery = imageOf(config, body)?.machinery;
  if (machinery?.kind === 'qemu') return qemuRunner(machinery.image);
  return simulatedRunner(machinery?.reason ?? 'its image is no longer in the library');
}
