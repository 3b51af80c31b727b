/**
 * reserve: everything that can be had while the site still holds its term, and whose lack is better known before the
 * close: the run's resource group, the stacks' images, the network interfaces. All of it can be undone.
 */
import { bindRun } from '../binding.ts';
import { interfaceName, runResourceGroup, runTags } from '../names.ts';
import { driveOperations } from '../operations.ts';
import type { Step } from '../ports.ts';

export const reserve: Step = async ({ ports, group, run, plan, term }) => {
  await bindRun(ports.documents, group, run.run);
  const { location } = plan;
  const resourceGroup = runResourceGroup(group, run.run);
  const tags = runTags({ group, run: run.run, term });
  await ports.cloud.ensureResourceGroup({ name: resourceGroup, location, tags });
  for (const image of new Set(plan.machines.map((machine) => machine.image))) await ports.cloud.checkImage(image);
  return await driveOperations(ports.cloud, run, {
    wanted: plan.machines.map((machine) => {
      const name = interfaceName(machine.name);
      return {
        key: `interface/${name}`,
        what: `network interface ${name}`,
        start: () => ports.cloud.startInterface({ resourceGroup, name, location, tags, subnetId: plan.subnet }),
      };
    }),
    done: `resource group ${resourceGroup}, images and ${plan.machines.length} network interface(s) are there`,
  });
};
