/** What is there before Leeward comes, put among the resources: images and virtual networks, in their groups. */
import type { ArmConfig } from './config.ts';
import { SUBNET_TYPE } from './network-interfaces.ts';
import { groupIdOf, locationOf, parseTarget } from './resource-id.ts';
import type { Documents, Resource } from './store.ts';
import { LeewardError } from '../../kernel/errors.ts';

export const GROUP_TYPE = 'Microsoft.Resources/resourceGroups';

/** Puts the seeds of `config`; those of an earlier start are replaced. Throws USAGE for an id that is none. */
export function putSeeds(resources: Documents<Resource>, config: ArmConfig): void {
  for (const image of config.images) {
    putSeed(resources, image, { osType: 'Linux', osState: 'Specialized', hyperVGeneration: 'V2' });
  }
  for (const network of config.virtualNetworks) {
    const subnets = network.subnets.map((name) => ({
      id: `${network.id}/subnets/${name}`,
      name,
      type: SUBNET_TYPE,
      properties: { addressPrefix: '127.77.0.0/16', provisioningState: 'Succeeded' },
    }));
    for (const { id, properties } of subnets) putSeed(resources, { id, location: network.location }, properties);
    putSeed(resources, network, { addressSpace: { addressPrefixes: ['127.77.0.0/16'] }, subnets });
  }
}

function putSeed(
  resources: Documents<Resource>,
  seed: { id: string; location: string },
  properties: Record<string, unknown>,
): void {
  const target = parseTarget(seed.id);
  if (target?.kind !== 'resource') throw new LeewardError('USAGE', `"${seed.id}" is not the id of a resource`);
  const location = locationOf(seed.location);
  const groupId = groupIdOf(target);
  const common = { location, tags: {}, local: {}, group: target.group };
  if (resources.get(groupId) === undefined) resources.put(groupOf({ ...common, id: groupId }));
  resources.put({
    ...common,
    id: seed.id,
    name: target.names.at(-1) ?? '',
    type: target.type,
    properties: { ...properties, provisioningState: 'Succeeded' },
  });
}

/** The document of a resource group. */
export function groupOf(of: Pick<Resource, 'id' | 'location' | 'tags' | 'group' | 'local'>): Resource {
  return { ...of, name: of.group, type: GROUP_TYPE, properties: { provisioningState: 'Succeeded' } };
}
