/** Network interfaces. Each gets a private address of 127.77.0.0/16, on which its machine then really answers. */
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { z } from 'zod';
import { MACHINE_PORT } from '../machines/machine-runner.ts';
import { parseContent } from './kind.ts';
import type { Kind } from './kind.ts';
import { refusals } from './refusals.ts';
import { keyOf } from './resource-id.ts';
import type { Documents, Resource } from './store.ts';
import { machineUsing } from './virtual-machine-body.ts';

export const INTERFACE_TYPE = 'Microsoft.Network/networkInterfaces';
export const SUBNET_TYPE = 'Microsoft.Network/virtualNetworks/subnets';

/** Source: "Naming rules for Azure resources", Microsoft.Network/networkInterfaces. */
const NAME_FORM = /^\w(?:[\w.-]{0,78}\w)?$/;

/** Free addresses are plenty: that many in a row taken means that something else is wrong. */
const ADDRESS_ATTEMPTS = 50;

const bodySchema = z.looseObject({
  properties: z.looseObject({
    ipConfigurations: z
      .array(
        z.looseObject({
          name: z.string().optional(),
          properties: z.looseObject({ subnet: z.looseObject({ id: z.string().optional() }).optional() }).optional(),
        }),
      )
      .optional(),
  }),
});

const localSchema = z.looseObject({ address: z.string() });

/** The private address of an interface. */
export function addressOf(networkInterface: Resource): string {
  return localSchema.parse(networkInterface.local).address;
}

export function interfaceKind(of: { resources: Documents<Resource> }): Kind {
  return {
    type: INTERFACE_TYPE,
    createdStatus: 201,
    checkName(name) {
      if (!NAME_FORM.test(name)) throw refusals.networkNameInvalid(name);
    },
    async accept(request) {
      const configurations = parseContent(bodySchema, request.body).properties.ipConfigurations ?? [];
      const subnetIds = configurations.map((configuration) => configuration.properties?.subnet?.id);
      if (subnetIds.length === 0) throw refusals.subnetMissing(request.id);
      for (const subnetId of subnetIds) {
        if (subnetId === undefined) throw refusals.subnetMissing(request.id);
        const subnet = of.resources.get(subnetId);
        if (subnet === undefined || keyOf(subnet.type) !== keyOf(SUBNET_TYPE) || subnet.location !== request.location) {
          throw refusals.referenceInvalid(subnetId, request.id);
        }
      }
      return { local: request.existing?.local ?? { address: await freeAddress(of.resources) } };
    },
    provision: async () => undefined,
    checkDelete(networkInterface) {
      const machine = machineUsing(of.resources, networkInterface.id);
      if (machine !== undefined) throw refusals.interfaceInUse(networkInterface.id, machine.id);
    },
    dispose: async () => undefined,
    view(networkInterface) {
      const machine = machineUsing(of.resources, networkInterface.id);
      const { ipConfigurations = [] } = parseContent(bodySchema, networkInterface).properties;
      return {
        properties: {
          ipConfigurations: ipConfigurations.map((configuration, index) => ({
            ...configuration,
            id: `${networkInterface.id}/ipConfigurations/${configuration.name ?? ''}`,
            properties: {
              ...configuration.properties,
              primary: index === 0,
              privateIPAllocationMethod: 'Dynamic',
              // One address is enough for a machine: only the first configuration has it.
              ...(index === 0 && { privateIPAddress: addressOf(networkInterface) }),
              provisioningState: networkInterface.properties.provisioningState,
            },
          })),
          ...(machine && { virtualMachine: { id: machine.id } }),
        },
      };
    },
  };
}

/**
 * An address that no interface has and on which nobody listens. Chosen by chance, so that two stacks on one machine
 * do not meet. The first four addresses of a network are Azure's own.
 */
async function freeAddress(resources: Documents<Resource>): Promise<string> {
  const taken = resources.all().flatMap((resource) => (resource.type === INTERFACE_TYPE ? [addressOf(resource)] : []));
  for (let attempt = 0; attempt < ADDRESS_ATTEMPTS; attempt++) {
    const address = `127.77.${randomInt(0, 256)}.${randomInt(4, 255)}`;
    if (!taken.includes(address) && (await isFree(address))) return address;
  }
  throw refusals.addressesUsedUp();
}

async function isFree(address: string): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(MACHINE_PORT, address);
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}
