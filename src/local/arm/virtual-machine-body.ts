/** What a virtual machine's document says of other resources, and the reverse: which machine uses a disk or an interface. */
import { z } from 'zod';
import { parseContent } from './kind.ts';
import { keyOf } from './resource-id.ts';
import type { Documents, Resource } from './store.ts';

export const MACHINE_TYPE = 'Microsoft.Compute/virtualMachines';

const reference = z.looseObject({ id: z.string().min(1) });

/** The part of "Virtual Machines - Create Or Update" that the local ARM looks at. */
const bodySchema = z.looseObject({
  properties: z.looseObject({
    hardwareProfile: z.looseObject({ vmSize: z.string().min(1).optional() }).optional(),
    storageProfile: z
      .looseObject({
        imageReference: z.looseObject({ id: z.string().optional() }).optional(),
        dataDisks: z
          .array(
            z.looseObject({
              lun: z.int().min(0),
              createOption: z.string(),
              managedDisk: reference.optional(),
            }),
          )
          .optional(),
      })
      .optional(),
    networkProfile: z.looseObject({ networkInterfaces: z.array(reference).optional() }).optional(),
  }),
});

/** A machine's document, parsed. */
export interface MachineBody {
  readonly size: string | undefined;
  readonly imageId: string | undefined;
  readonly interfaceIds: readonly string[];
  readonly disks: readonly { readonly lun: number; readonly createOption: string; readonly id: string | undefined }[];
}

export function parseMachineBody(body: unknown): MachineBody {
  const { hardwareProfile, storageProfile, networkProfile } = parseContent(bodySchema, body).properties;
  return {
    size: hardwareProfile?.vmSize,
    imageId: storageProfile?.imageReference?.id,
    interfaceIds: (networkProfile?.networkInterfaces ?? []).map((entry) => entry.id),
    disks: (storageProfile?.dataDisks ?? []).map((disk) => ({
      lun: disk.lun,
      createOption: disk.createOption,
      id: disk.managedDisk?.id,
    })),
  };
}

/**
 * The machine that uses the disk or network interface `id`, other than `except`. Who uses what is written in the machine
 * alone, so that the two sides cannot disagree.
 */
export function machineUsing(resources: Documents<Resource>, id: string, except?: string): Resource | undefined {
  return resources.all().find((resource) => {
    if (resource.type !== MACHINE_TYPE || (except !== undefined && keyOf(resource.id) === keyOf(except))) return false;
    const body = parseMachineBody(resource);
    const used = [...body.interfaceIds, ...body.disks.flatMap((disk) => disk.id ?? [])];
    return used.some((candidate) => keyOf(candidate) === keyOf(id));
  });
}
