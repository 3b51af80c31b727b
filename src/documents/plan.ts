/**
 * A group's recovery plan: when to fail over and who decides, and one list of machines.
 *
 * Invariant: a failover that nobody was asked about is never on by leaving something out. The plan consents, in so many
 * words, to what it costs: applications that stop with their lease, and, where the site has fewer witnesses than can outvote
 * one, a decision from those.
 */
import { z } from 'zod';
import { groupIdSchema, volumeIdSchema } from '../kernel/ids.ts';
import { DAY_MS } from '../kernel/units.ts';
import { versionSchema } from '../kernel/versions.ts';
import type { DocumentKind } from './store.ts';

/** The words a plan says when its site's witnesses are too few to outvote one that is wrong. */
export const SINGLE_WITNESS_CONSENT = 'missing heartbeats alone may fail this group over';
/** The words a plan says to a strict lease. */
export const STRICT_LEASE_CONSENT = 'applications stop when their lease runs out';

/** Highest LUN of a data disk. Source: Azure Compute REST, "DataDisk": at most 64 data disks, by the machine's size. */
const LUN_MAX = 63;

const machineSchema = z.looseObject({
  /** Name of the machine; the names of its resources derive from it and from the run. */
  name: z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,28}[a-z0-9])?$/),
  /** Image of the solution stack: a resource id. */
  image: z.string().startsWith('/'),
  size: z.string().min(1),
  /** The replicas it is given, by LUN. */
  disks: z
    .array(
      z.looseObject({
        volume: volumeIdSchema,
        lun: z.int().min(0).max(LUN_MAX),
        /** Whether the machine may start without it while it has no recovery point yet: a disk that came by a rule. */
        optional: z.boolean().optional(),
      }),
    )
    .min(1),
  /** When it counts as healthy: this answers 200 at its private address. */
  probe: z.looseObject({ port: z.int().min(1).max(65535), path: z.string().startsWith('/') }),
});
export type PlannedMachine = z.infer<typeof machineSchema>;

/** What of a plan says who decides, and when. */
const deciding = {
  group: groupIdSchema,
  /** Who decides on a failure: the monitor; a person who is asked first; a person who is told. */
  mode: z.enum(['automatic', 'ask', 'report']),
  consents: z.array(z.string()),
  /** How long the site must have been down, by its witnesses. */
  windowMs: z.int().min(1000).max(DAY_MS),
  /** What no answer in time means, where a person is asked. */
  noAnswer: z.enum(['no', 'fail-over']),
  /** How long that person has. */
  answerMs: z.int().min(1000).max(DAY_MS),
  /** How long the monitor may not have watched a whole window before people are told. */
  alertAfterMs: z.int().min(1000),
  /** How its guards stop the group, as it was said at registration: what counts while no heartbeat says more. */
  stopping: z
    .looseObject({
      stopMs: z.number().min(0),
      assumptions: z.looseObject({
        driftPpm: z.number().min(0),
        pauseMs: z.number().min(0),
        killMs: z.number().min(0),
      }),
    })
    .optional(),
};

/** As much of a plan as decides. */
export const decidingSchema = z.looseObject(deciding);

export const planSchema = z
  .looseObject({
    version: versionSchema,
    ...deciding,
    location: z.string().min(1),
    subnet: z.string().startsWith('/'),
    machines: z.array(machineSchema).min(1),
    /** How long a machine may take until its probe answers. */
    healthMs: z.int().min(1000),
  })
  .superRefine((plan, context) => {
    if (mayMoveUnasked(plan) && !plan.consents.includes(STRICT_LEASE_CONSENT)) {
      context.addIssue({
        code: 'custom',
        path: ['consents'],
        message: `a failover that nobody answers for needs the consent "${STRICT_LEASE_CONSENT}"`,
      });
    }
    for (const machine of plan.machines) {
      if (new Set(machine.disks.map((disk) => disk.lun)).size < machine.disks.length) {
        context.addIssue({ code: 'custom', path: ['machines', machine.name], message: 'a LUN is given twice' });
      }
    }
    if (new Set(plan.machines.map((machine) => machine.name)).size < plan.machines.length) {
      context.addIssue({ code: 'custom', path: ['machines'], message: 'two machines have one name' });
    }
  });
export type Plan = z.infer<typeof planSchema>;
export const planKind: DocumentKind<Plan> = { what: 'plan', schema: planSchema };

/** Whether the group may be failed over without anybody's yes. */
export function mayMoveUnasked({ mode, noAnswer }: Pick<Plan, 'mode' | 'noAnswer'>): boolean {
  return mode === 'automatic' || (mode === 'ask' && noAnswer === 'fail-over');
}

/** Whether a machine of the plan is given the volume's disk. */
export function isPlanned({ machines }: Plan, volume: string): boolean {
  return machines.some(({ disks }) => disks.some((disk) => disk.volume === volume));
}

/** Whether a LUN is left for one disk more. */
export function hasRoom(plan: Plan): boolean {
  return plan.machines.some((machine) => freeLun(machine) !== undefined);
}

/** Why no machine is given the volume's disk; undefined where one is. */
export function whyUnattached(plan: Plan, volume: string): string | undefined {
  if (isPlanned(plan, volume)) return undefined;
  const why = "no machine of the group's plan is given its disk";
  return hasRoom(plan) ? `${why}: "leeward volume add" plans it` : `${why}: each has ${LUN_MAX + 1} disks already`;
}

/**
 * The plan with `volume` as one more disk, at the first LUN that is free on the first machine that has one; undefined where
 * it is planned already, or there is no room.
 */
export function withDisk(plan: Plan, volume: string, how: { readonly optional?: true } = {}): Plan | undefined {
  const taker = plan.machines.find((machine) => freeLun(machine) !== undefined);
  const lun = taker && freeLun(taker);
  if (lun === undefined || isPlanned(plan, volume)) return undefined;
  const machines = plan.machines.map((machine) =>
    machine === taker ? { ...machine, disks: [...machine.disks, { volume, lun, ...how }] } : machine,
  );
  return { ...plan, machines };
}

function freeLun({ disks }: PlannedMachine): number | undefined {
  const taken = new Set(disks.map(({ lun }) => lun));
  for (let lun = 0; lun <= LUN_MAX; lun += 1) if (!taken.has(lun)) return lun;
  return undefined;
}
