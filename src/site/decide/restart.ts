/**
 * In which order a group's applications are started and stopped: what an application depends on starts before it and stops
 * after it; what does not depend on each other goes side by side. The guard uses it too, so it draws in nothing else.
 *
 * Invariants: every application is in exactly one layer; each thing it depends on is in an earlier one; stopping is starting
 * backwards; the order in which the applications were named means nothing. A description with a fault gives no order at all.
 */
import { LeewardError } from '../../kernel/errors.ts';

/** An application and the names of those that must run before it does. */
export interface Dependent {
  readonly name: string;
  readonly dependsOn: readonly string[];
}

/** What is wrong with one application's description. */
export interface OrderFault {
  readonly name: string;
  readonly fault: string;
}

export interface RestartOrder {
  /** One layer after the other; the names of a layer, sorted, are started side by side. */
  readonly start: readonly (readonly string[])[];
  /** The same for stopping: the layers of `start`, last first. */
  readonly stop: readonly (readonly string[])[];
}

/**
 * All that is wrong with the descriptions, empty where nothing is: names that are given twice, dependencies that are not
 * there, cycles. Every application that lies on a cycle is on one that is told.
 */
export function orderFaults(applications: readonly Dependent[]): OrderFault[] {
  const known = dependencies(applications);
  const seen = new Set<string>();
  const faults: OrderFault[] = [];
  for (const { name, dependsOn } of applications) {
    if (seen.has(name)) faults.push({ name, fault: 'this name is given twice' });
    seen.add(name);
    for (const other of new Set(dependsOn)) {
      if (!known.has(other)) faults.push({ name, fault: `it depends on ${other}, which does not exist` });
    }
  }
  const told = new Set<string>();
  for (const name of [...known.keys()].toSorted()) {
    const cycle = told.has(name) ? undefined : shortestCycle(known, name);
    if (cycle === undefined) continue;
    for (const on of cycle) told.add(on);
    faults.push({ name, fault: `it depends on itself: ${[...cycle, name].join(' → ')}` });
  }
  return faults;
}

/** The order of all the applications. Errors: USAGE, with all of {@link orderFaults} at once. */
export function restartOrder(applications: readonly Dependent[]): RestartOrder {
  const faults = orderFaults(applications);
  if (faults.length > 0) {
    const told = faults.map(({ name, fault }) => `application ${name}: ${fault}`).join('; ');
    throw new LeewardError('USAGE', `the order of the applications: ${told}`);
  }
  const start: string[][] = [];
  const waiting = dependencies(applications);
  const started = new Set<string>();
  while (waiting.size > 0) {
    const ready = [...waiting].filter(([, needs]) => [...needs].every((name) => started.has(name)));
    const layer = ready.map(([name]) => name).toSorted();
    for (const name of layer) {
      waiting.delete(name);
      started.add(name);
    }
    start.push(layer);
  }
  return { start, stop: start.toReversed() };
}

/**
 * The order for restarting only `names`: with them go all that depend on them, through others too, since those must not run
 * while what they need does not. Names that are not there are passed over. Errors: as {@link restartOrder}.
 */
export function restartOrderOf(applications: readonly Dependent[], names: readonly string[]): RestartOrder {
  const whole = restartOrder(applications);
  const known = dependencies(applications);
  const affected = new Set(names);
  // In the order of starting, what depends on an affected one comes after it: one pass finds all.
  for (const name of whole.start.flat()) {
    if (!affected.isDisjointFrom(known.get(name) ?? new Set())) affected.add(name);
  }
  const start = whole.start
    .map((layer) => layer.filter((name) => affected.has(name)))
    .filter((layer) => layer.length > 0);
  return { start, stop: start.toReversed() };
}

/** What each depends on, by name; a name that is given twice has the dependencies of both. */
function dependencies(applications: readonly Dependent[]): Map<string, Set<string>> {
  const known = new Map<string, Set<string>>();
  for (const { name, dependsOn } of applications) {
    known.set(name, new Set([...(known.get(name) ?? []), ...dependsOn]));
  }
  return known;
}

/** The names along the shortest way from `name` back to itself, beginning with it; undefined where there is none. */
function shortestCycle(known: ReadonlyMap<string, ReadonlySet<string>>, name: string): string[] | undefined {
  const reached = new Set<string>();
  const ways = [[name]];
  for (const way of ways) {
    for (const next of known.get(way.at(-1) ?? name) ?? []) {
      if (next === name) return way;
      if (reached.has(next)) continue;
      reached.add(next);
      ways.push([...way, next]);
    }
  }
  return undefined;
}
