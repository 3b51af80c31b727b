/**
 * What is wrong with a site's configuration that no part of it shows alone: names that mean nothing, applications that
 * depend on each other in a circle, a machine that stands on two nodes, a unit that two start and stop, more than a heartbeat
 * takes.
 */
import type { PathFault } from '../../kernel/config-file.ts';
import {
  HEARTBEAT_APPLICATIONS_MAX,
  HEARTBEAT_GROUPS_MAX,
  HEARTBEAT_MACHINES_MAX,
  HEARTBEAT_NODES_MAX,
} from '../../protocol/heartbeat.ts';
import { orderFaults } from '../decide/restart.ts';
import type { ApplicationConfig, SiteConfig } from './config.ts';

/** All of it. Groups and volumes are looked up only where the site's volumes are known, each GROUP/VOLUME. */
export function siteFaults(config: SiteConfig, volumes: readonly string[] | undefined): PathFault[] {
  return [
    ...(volumes === undefined ? [] : unknownFaults(config, volumes)),
    ...applicationFaults(config),
    ...machineFaults(config),
    ...runFaults(config),
    ...guardFaults(config),
    ...sizeFaults(config),
  ];
}

function unknownFaults(config: SiteConfig, volumes: readonly string[]): PathFault[] {
  const groups = [...new Set(volumes.map((volume) => volume.split('/')[0] ?? ''))];
  const absent = (what: 'volume' | 'group', known: readonly string[]) => {
    const have = known.length === 0 ? 'it has none' : `it has ${known.join(', ')}`;
    return (name: string): PathFault[] =>
      known.includes(name)
        ? []
        : [{ path: [`${what}s`, name], problem: `is no ${what} of the site kept here; ${have}` }];
  };
  return [
    ...Object.keys(config.volumes).flatMap(absent('volume', volumes)),
    ...Object.keys(config.groups).flatMap(absent('group', groups)),
  ];
}

function applicationFaults(config: SiteConfig): PathFault[] {
  return Object.entries(config.groups).flatMap(([group, { applications }]) => {
    const dependents = Object.entries(applications).map(([name, { dependsOn }]) => ({ name, dependsOn }));
    const order = orderFaults(dependents).map(({ name, fault }) => {
      const path = ['groups', group, 'applications', name, 'dependsOn'];
      return { path, problem: fault };
    });
    const apart = Object.entries(applications).flatMap(([name, application]) =>
      application.dependsOn
        .filter((other) => (applications[other]?.node ?? application.node) !== application.node)
        .map((other) => ({
          path: ['groups', group, 'applications', name, 'dependsOn'],
          problem: `${other} runs on another node, and a guard keeps the order of its own only`,
        })),
    );
    return [...order, ...apart];
  });
}

interface Placed {
  readonly group: string;
  readonly name: string;
  readonly application: ApplicationConfig;
}

function placed({ groups }: SiteConfig): Placed[] {
  return Object.entries(groups).flatMap(([group, { applications }]) =>
    Object.entries(applications).map(([name, application]): Placed => ({ group, name, application })),
  );
}

function machineFaults(config: SiteConfig): PathFault[] {
  const first = new Map<string, Placed>();
  return placed(config).flatMap((one) => {
    const { group, name, application } = one;
    const machine = application.machine ?? application.node;
    const path = ['groups', group, 'applications', name, application.machine === undefined ? 'node' : 'machine'];
    const declared = config.machines[machine];
    const before = first.get(machine) ?? one;
    first.set(machine, before);
    const faults: string[] = [];
    if (application.machine !== undefined && application.machine !== application.node && declared === undefined) {
      faults.push(`machine ${machine} is not among the machines`);
    }
    const node = declared?.node ?? before.application.node;
    if (node !== application.node)
      faults.push(`machine ${machine} is on ${node}, and this application on another node`);
    if (before.group !== group) {
      faults.push(`machine ${machine} runs ${before.group}/${before.name} too, and groups move by themselves`);
    }
    return faults.map((problem) => ({ path, problem }));
  });
}

/** A unit or container of two applications on a node would be stopped by one while the other runs it. */
function runFaults(config: SiteConfig): PathFault[] {
  const first = new Map<string, Placed>();
  return placed(config).flatMap((one) => {
    const { group, name, application } = one;
    const { run, node } = application;
    if (run.kind === 'command') return [];
    const what = run.kind === 'unit' ? `unit ${run.unit}` : `container ${run.container} of ${run.tool}`;
    const before = first.get(`${what} on ${node}`);
    first.set(`${what} on ${node}`, before ?? one);
    if (before === undefined) return [];
    const path = ['groups', group, 'applications', name, 'run'];
    return [{ path, problem: `${what} on ${node} is run by ${before.group}/${before.name} already` }];
  });
}

/** A guard that guards no application: its group or node is misspelt. */
function guardFaults(config: SiteConfig): PathFault[] {
  const known = Object.entries(config.groups).flatMap(([group, { applications }]) =>
    Object.values(applications).flatMap(({ node }) => [node, `${group}/${node}`]),
  );
  return Object.keys(config.guards)
    .filter((name) => !known.includes(name))
    .map((name) => ({ path: ['guards', name], problem: 'no application runs there' }));
}

function sizeFaults({ groups, machines }: SiteConfig): PathFault[] {
  const names = Object.keys(groups);
  const applications = names.flatMap((group) => Object.values(groups[group]?.applications ?? {}));
  const allMachines = new Set([...Object.keys(machines), ...applications.map(({ machine, node }) => machine ?? node)]);
  const tooMany = (path: string[], has: number, max: number, what: string): PathFault[] =>
    has > max ? [{ path, problem: `${has} ${what} are more than the ${max} that a heartbeat takes` }] : [];
  return [
    ...tooMany(['groups'], names.length, HEARTBEAT_GROUPS_MAX, 'groups'),
    ...tooMany(['groups'], applications.length, HEARTBEAT_APPLICATIONS_MAX, 'applications'),
    ...tooMany(['groups'], allMachines.size, HEARTBEAT_MACHINES_MAX, 'machines'),
    ...names.flatMap((group) => {
      const nodes = new Set(Object.values(groups[group]?.applications ?? {}).map(({ node }) => node));
      return tooMany(['groups', group], nodes.size, HEARTBEAT_NODES_MAX, 'nodes');
    }),
  ];
}
