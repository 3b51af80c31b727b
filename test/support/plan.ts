/** A group's plan as a registration makes it: people are told of a failure, and nothing is moved without them. */
import type { Deciding } from '../../src/app/plans.ts';
import type { Plan, PlannedMachine } from '../../src/documents/plan.ts';
import { groupId } from '../../src/kernel/ids.ts';
import type { GroupRef } from '../../src/kernel/ids.ts';
import { CURRENT_VERSION } from '../../src/kernel/versions.ts';

export const REPORTING: Deciding = {
  mode: 'report',
  consents: [],
  windowMs: 60_000,
  noAnswer: 'no',
  answerMs: 60_000,
  alertAfterMs: 900_000,
};

/** With a machine, m0, m1 and so on, for each of these lists of disks. */
export function reportingPlan(group: GroupRef, ...machines: readonly PlannedMachine['disks'][]): Plan {
  return {
    version: CURRENT_VERSION,
    group: groupId(group),
    ...REPORTING,
    location: 'westeurope',
    subnet: '/subnet',
    machines: machines.map((disks, at) => ({
      name: `m${at}`,
      image: '/image',
      size: 's',
      disks,
      probe: { port: 1, path: '/' },
    })),
    healthMs: 60_000,
  };
}
