/** machine: each machine is created from its stack with its disks attached by LUN, and its address is looked up. */
import type { RunDocument } from '../../documents/run.ts';
import type { PlannedMachine } from '../../documents/plan.ts';
import { attachedDisks } from '../volumes.ts';
import { diskName, interfaceName, runResourceGroup, runTags } from '../names.ts';
import { driveOperations } from '../operations.ts';
import type { Step, StepContext } from '../ports.ts';

export const machine: Step = async (context) => {
  const { ports, group, run, plan, term } = context;
  const resourceGroup = runResourceGroup(group, run.run);
  const outcome = await driveOperations(ports.cloud, run, {
    wanted: plan.machines.map((planned) => ({
      key: `machine/${planned.name}`,
      what: `machine ${planned.name}`,
      start: () =>
        ports.cloud.startMachine({
          resourceGroup,
          name: planned.name,
          location: plan.location,
          tags: runTags({ group, run: run.run, term }),
          imageId: planned.image,
          size: planned.size,
          interfaceName: interfaceName(planned.name),
          disks: attachedDisks(planned, run).map(({ lun }) => ({ diskName: diskName(planned.name, lun), lun })),
        }),
    })),
    done: `${plan.machines.length} machine(s) are created`,
  });
  if (outcome.kind !== 'done') return outcome;
  const machines = await Promise.all(plan.machines.map((planned) => view(context, resourceGroup, planned)));
  return { ...outcome, changes: { ...outcome.changes, machines } };
};

async function view(
  { ports }: StepContext,
  resourceGroup: string,
  { name, probe }: PlannedMachine,
): Promise<RunDocument['machines'][number]> {
  const found = await ports.cloud.machine({ resourceGroup, name, interfaceName: interfaceName(name) });
  const { address, tags } = found;
  return { name, address, tags: { ...tags }, healthUrl: new URL(probe.path, `http://${address}:${probe.port}`).href };
}
