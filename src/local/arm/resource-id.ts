/**
 * Paths of Azure Resource Manager: which resource, collection or action a URL means.
 *
 * Invariants: names keep the case in which they were written; comparing is without regard to case, as Azure compares
 * (`keyOf`).
 */

/** What a path means. `type` is as written, `Microsoft.Compute/disks`; `names` has one name for each part after the namespace. */
export type Target =
  | { readonly kind: 'groups'; readonly subscription: string }
  | { readonly kind: 'group'; readonly subscription: string; readonly group: string }
  | { readonly kind: 'contents'; readonly subscription: string; readonly group: string }
  | ({ readonly kind: 'collection' } & Located)
  | ({ readonly kind: 'resource' } & Located)
  | ({ readonly kind: 'action'; readonly action: string } & Located)
  | { readonly kind: 'operation'; readonly subscription: string; readonly operation: string; readonly result: boolean };

interface Located {
  readonly subscription: string;
  readonly group: string;
  readonly type: string;
  readonly names: readonly string[];
}

/** Actions and views that end the path of a resource. */
const ACTIONS = new Set(['deallocate', 'instanceview']);

/** Parses the path of a URL; undefined for one that the local ARM has nothing for. */
export function parseTarget(path: string): Target | undefined {
  const segments = splitPath(path);
  if (segments === undefined || segments[0]?.toLowerCase() !== 'subscriptions') return undefined;
  const [, subscription = '', ...rest] = segments;
  const [first, group = '', third, namespace = '', ...parts] = rest;
  if (subscription === '') return undefined;
  if (first?.toLowerCase() === 'providers') return parseOperation(subscription, rest);
  if (first?.toLowerCase() !== 'resourcegroups') return undefined;
  if (rest.length === 1) return { kind: 'groups', subscription };
  if (rest.length === 2) return { kind: 'group', subscription, group };
  if (rest.length === 3 && third?.toLowerCase() === 'resources') return { kind: 'contents', subscription, group };
  if (third?.toLowerCase() !== 'providers' || parts.length === 0) return undefined;
  const types = parts.filter((_, index) => index % 2 === 0);
  const names = parts.filter((_, index) => index % 2 === 1);
  const last = types.at(-1) ?? '';
  if (types.length === names.length) {
    return { kind: 'resource', subscription, group, type: [namespace, ...types].join('/'), names };
  }
  if (names.length > 0 && ACTIONS.has(last.toLowerCase())) {
    const type = [namespace, ...types.slice(0, -1)].join('/');
    return { kind: 'action', subscription, group, type, names, action: last.toLowerCase() };
  }
  return { kind: 'collection', subscription, group, type: [namespace, ...types].join('/'), names };
}

/** `providers/NAMESPACE/locations/LOCATION/operations|operationResults/ID` */
function parseOperation(subscription: string, rest: readonly string[]): Target | undefined {
  const [, , locations, , what, operation] = rest.map((segment) => segment.toLowerCase());
  if (rest.length !== 6 || locations !== 'locations' || operation === undefined) return undefined;
  if (what !== 'operations' && what !== 'operationresults') return undefined;
  return { kind: 'operation', subscription, operation, result: what === 'operationresults' };
}

function splitPath(path: string): string[] | undefined {
  try {
    const segments = path.split('/').slice(1).map(decodeURIComponent);
    return segments.every((segment) => segment !== '') ? segments : undefined;
  } catch {
    return undefined;
  }
}

/** The id of a resource, in the spelling in which it was asked for. */
export function idOf(at: { subscription: string; group: string; type: string; names: readonly string[] }): string {
  const [namespace = '', ...types] = at.type.split('/');
  const parts = types.flatMap((type, index) => [type, at.names[index] ?? '']);
  return [groupIdOf(at), 'providers', namespace, ...parts].join('/');
}

/** The id of a resource group. */
export function groupIdOf(at: { subscription: string; group: string }): string {
  return `/subscriptions/${at.subscription}/resourceGroups/${at.group}`;
}

/** The form in which ids, types and names are compared. */
export function keyOf(text: string): string {
  return text.toLowerCase();
}

/** A location as Azure stores it: "West Europe" is `westeurope`. */
export function locationOf(text: string): string {
  return text.replaceAll(' ', '').toLowerCase();
}
