/** disk: a managed disk for each disk of each machine, imported from the run's copy of the recovery point. */
import { LeewardError } from '../../kernel/errors.ts';
import { diskName, runResourceGroup, runTags } from '../names.ts';
import { driveOperations } from '../operations.ts';
import { attachedDisks } from '../volumes.ts';
import type { Step } from '../ports.ts';

export const disk: Step = async ({ ports, group, run, plan, term }) => {
  const resourceGroup = runResourceGroup(group, run.run);
  const tags = runTags({ group, run: run.run, term });
  const wanted = plan.machines.flatMap((machine) =>
    attachedDisks(machine, run).map(({ volume, lun }) => {
      const name = diskName(machine.name, lun);
      const chosen = run.volumes.find((point) => point.volume === volume);
      return {
        key: `disk/${name}`,
        what: `disk ${name}`,
        start: async () => {
          // Only a plan that was changed during the run can name another volume by now.
          if (!chosen) throw new LeewardError('REFUSED', `disk ${name}: run ${run.run} chose no point of ${volume}`);
          return await ports.cloud.startDisk({
            resourceGroup,
            name,
            location: plan.location,
            tags,
            sourceUrl: ports.replicas.url(chosen.copy),
            storageAccountId: ports.storageAccountId(chosen.copy.account),
          });
        },
      };
    }),
  );
  return await driveOperations(ports.cloud, run, { wanted, done: `${wanted.length} disk(s) are imported` });
};
