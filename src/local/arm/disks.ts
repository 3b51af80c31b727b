/** Managed disks, imported from page blobs. Azure's "Disks - Create Or Update", `creationData.createOption` Import. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { GIB } from '../../kernel/units.ts';
import { parseContent } from './kind.ts';
import type { Kind } from './kind.ts';
import { refusals } from './refusals.ts';
import { diskContentSchema } from './storage.ts';
import type { DiskContent, Storage } from './storage.ts';
import { fileNameOf } from './store.ts';
import type { Documents, Resource } from './store.ts';
import { machineUsing } from './virtual-machine-body.ts';

export const DISK_TYPE = 'Microsoft.Compute/disks';

/** Source: "Naming rules for Azure resources", Microsoft.Compute/disks, as the service words it. */
const NAME_RULE = '^[^_\\W][\\w\\-._]{0,79}(?<![-.])$';

const bodySchema = z.looseObject({
  properties: z.looseObject({
    creationData: z.looseObject({
      createOption: z.string().optional(),
      sourceUri: z.string().optional(),
      storageAccountId: z.string().optional(),
    }),
  }),
});

const localSchema = z.looseObject({ content: diskContentSchema });

/** What a disk reads. */
export function contentOf(disk: Resource): DiskContent {
  return localSchema.parse(disk.local).content;
}

/** Where what machines wrote to a disk is kept, under the folder of all disks. */
export function diskFolder(folder: string, id: string): string {
  return join(folder, fileNameOf(id));
}

/** Disks whose folders lie in `folder`. */
export function diskKind(of: { resources: Documents<Resource>; storage: Storage; folder: string }): Kind {
  return {
    type: DISK_TYPE,
    createdStatus: 202,
    checkName(name) {
      if (!new RegExp(NAME_RULE).test(name)) throw refusals.computeNameInvalid('diskName', NAME_RULE);
    },
    async accept(request) {
      const { creationData } = parseContent(bodySchema, request.body).properties;
      if (creationData.createOption !== 'Import') {
        throw refusals.notSupportedHere(`the createOption '${creationData.createOption ?? ''}' of a disk`);
      }
      const { sourceUri, storageAccountId } = creationData;
      if (sourceUri === undefined) throw refusals.parameterMissing('sourceUri');
      if (storageAccountId === undefined) throw refusals.storageAccountIdMissing();
      if (request.existing !== undefined) {
        const before = parseContent(bodySchema, request.existing).properties.creationData;
        if (sourceOf(before.sourceUri) !== sourceOf(sourceUri)) {
          throw refusals.changeNotAllowed('creationData.sourceUri');
        }
        return { properties: { creationData: before }, local: request.existing.local };
      }
      const content = await of.storage.import({ sourceUri, storageAccountId, location: request.location });
      // A SAS in the source is a credential: it was not needed, and is not kept.
      const kept = { ...creationData, sourceUri: sourceOf(sourceUri) };
      return { properties: { creationData: kept, timeCreated: new Date().toISOString() }, local: { content } };
    },
    provision: async () => undefined,
    checkDelete(disk) {
      const machine = machineUsing(of.resources, disk.id);
      if (machine !== undefined) throw refusals.diskInUse(disk.name, machine.id);
    },
    async dispose(disk) {
      await rm(diskFolder(of.folder, disk.id), { recursive: true, force: true });
      await of.storage.discard(contentOf(disk));
    },
    view(disk) {
      const machine = machineUsing(of.resources, disk.id);
      const { dataBytes } = contentOf(disk);
      return {
        properties: {
          diskSizeBytes: dataBytes,
          diskSizeGB: Math.ceil(dataBytes / GIB),
          diskState: machine === undefined ? 'Unattached' : 'Attached',
          uniqueId: fileNameOf(disk.id),
        },
        ...(machine && { managedBy: machine.id }),
      };
    },
  };
}

function sourceOf(uri: string | undefined): string | undefined {
  return uri?.replace(/\?.*$/s, '');
}
