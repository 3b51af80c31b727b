/**
 * The site's configuration file, leeward.yaml: what people write about how a site is worked on, what runs at it, and what is
 * done when that fails (docs/operation.md, "The agent as a service" and "Applications"). Agent and guards read the same file.
 *
 * Invariants: an unknown word is refused, never passed over; everything that is wrong is told at once, each with its line;
 * what comes out has nothing left to default, and fits into a heartbeat.
 */
import { z } from 'zod';
import { ID_LENGTH_MAX, nameInSite, nameSchema, nodeSchema } from '../../kernel/ids.ts';
import { DAY_MS } from '../../kernel/units.ts';
import { STOP_MS_MAX, USUAL_STOP } from '../../protocol/stop-times.ts';
import { launchSchema } from '../applications/launch.ts';
import { machineSchema, performanceSchema, usualMachine } from '../decide/config.ts';
import type { MachineConfig } from '../decide/config.ts';
import { PRIORITY_MAX } from '../decide/policies.ts';
import { monitoringSchema } from '../monitors/config.ts';

/** A shorter interval would leave no time for a heartbeat between two; one longer than a week is as good as never. */
const INTERVAL_MS = { least: 1000, most: 7 * DAY_MS, usual: 300_000 };

const intervalMs = z.int().min(INTERVAL_MS.least).max(INTERVAL_MS.most);

const command = z.string().min(1).max(4096);

const volumeSchema = z.strictObject({
  intervalMs: intervalMs.optional().meta({ description: 'For this volume, in place of the one for all.' }),
  quiesce: z
    .strictObject({
      freeze: command.meta({ description: 'By /bin/sh, before an interval reads the volume.' }),
      thaw: command.meta({ description: 'By /bin/sh, once it is read, and whatever became of freeze.' }),
      limitSeconds: z.int().min(1).max(300).default(10).meta({
        description: 'How long freeze may take, and again how long the volume is held still at most.',
      }),
    })
    .optional()
    .meta({
      description: 'Makes the volume stand still while it is read: its points are then application-consistent.',
    }),
});

const groupNameSchema = z
  .string()
  .regex(/^[a-z0-9]+(?:-[a-z0-9]+)*$/, 'use lower-case letters, digits and single hyphens')
  .max(ID_LENGTH_MAX.group);

const applicationSchema = z.strictObject({
  node: nodeSchema.meta({ description: 'Where it runs: its guard is there.' }),
  machine: nameSchema.optional().meta({ description: "The machine that it runs in; the node's own name if left out." }),
  priority: z
    .number()
    .positive()
    .max(PRIORITY_MAX)
    .default(1)
    .meta({ description: 'Its weight when something is to be done about its machine.' }),
  dependsOn: z
    .array(nameSchema)
    .max(100)
    .default([])
    .meta({ description: 'Applications of the group that must run before it does.' }),
  run: launchSchema.meta({ description: 'What its guard starts and stops.' }),
  ...monitoringSchema.shape,
  performance: performanceSchema.optional().meta({ description: 'What is good enough of it.' }),
});

const groupSchema = z.strictObject({
  stopMs: z
    .int()
    .min(0)
    .max(STOP_MS_MAX)
    .default(USUAL_STOP.stopMs)
    .meta({ description: 'How long a guard lets all of it stop in order.' }),
  killMs: z
    .int()
    .min(100)
    .max(STOP_MS_MAX)
    .default(USUAL_STOP.killMs)
    .meta({ description: 'How long killing what is left may take.' }),
  applications: z.record(nameSchema, applicationSchema).default({}),
});

const guardSchema = z.strictObject({
  socket: z
    .string()
    .startsWith('/')
    .max(107)
    .meta({ description: 'The socket of that guard, as it is reached on this machine.' }),
});

export const configSchema = z
  .strictObject({
    intervalMs: intervalMs.default(INTERVAL_MS.usual).meta({
      description: 'From the beginning of one interval of a volume to the beginning of the next, in milliseconds.',
    }),
    volumes: z
      .record(z.string(), volumeSchema)
      .default({})
      .meta({ description: 'What is said of single volumes, by GROUP/VOLUME.' }),
    groups: z
      .record(groupNameSchema, groupSchema)
      .default({})
      .meta({ description: 'The protection groups that have applications, by name.' }),
    machines: z.record(nameSchema, machineSchema).default({}).meta({
      description: 'What is done about machines, by name. A node that is not named is a machine as is usual.',
    }),
    guards: z
      .record(z.string(), guardSchema)
      .default({})
      .meta({ description: 'Guards on other machines, by NODE, or GROUP/NODE where a node has several.' }),
  })
  .meta({ title: 'How Leeward works on a site' });

export type SiteConfig = z.infer<typeof configSchema>;
export type QuiesceConfig = NonNullable<SiteConfig['volumes'][string]['quiesce']>;
export type GroupConfig = SiteConfig['groups'][string];
export type ApplicationConfig = GroupConfig['applications'][string];

/** For editors: JSON Schema of the file. Source: JSON Schema, draft 2020-12. */
export function configJsonSchema(): object {
  return z.toJSONSchema(configSchema, { io: 'input' });
}

/** How often a volume, by its whole id tenant/site/group/volume, is looked at, in milliseconds. */
export function intervalOf(config: SiteConfig, volume: string): number {
  return config.volumes[nameInSite(volume)]?.intervalMs ?? config.intervalMs;
}

/** What makes a volume, by its whole id, stand still while it is read; undefined where nothing does. */
export function quiesceOf(config: SiteConfig, volume: string): QuiesceConfig | undefined {
  return config.volumes[nameInSite(volume)]?.quiesce;
}

/** The machine that an application runs in, by name. */
export function machineOf({ machine, node }: Pick<ApplicationConfig, 'machine' | 'node'>): string {
  return machine ?? node;
}

/** What is said of the machine called `name`, on `node`. */
export function machineConfig(config: SiteConfig, name: string, node: string): MachineConfig {
  return config.machines[name] ?? usualMachine(node);
}

/** The socket of a group's guard on another machine; undefined for one of this machine. */
export function guardSocketOf({ guards }: SiteConfig, group: string, node: string): string | undefined {
  return (guards[`${group}/${node}`] ?? guards[node])?.socket;
}
