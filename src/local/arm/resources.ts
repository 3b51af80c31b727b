/**
 * What every type of resource shares: PUT, GET, DELETE, lists, groups.
 *
 * Invariants: one request changes the state at a time, so that two of them cannot both take a disk; a PUT that repeats
 * what exists meets its own work; nothing is created in a group that is being deleted; a group's deletion ends machines
 * before it takes their disks.
 */
import { z } from 'zod';
import { parseContent } from './kind.ts';
import type { Kind } from './kind.ts';
import type { Operations } from './operations.ts';
import { refusals } from './refusals.ts';
import { groupIdOf, idOf, keyOf, locationOf } from './resource-id.ts';
import { GROUP_TYPE, groupOf } from './seeds.ts';
import type { Documents, Operation, Resource } from './store.ts';

/** What a request is answered with: a body, an operation to ask about, or both. */
export interface Answer {
  readonly status: 200 | 201 | 202 | 204;
  readonly body?: unknown;
  readonly operation?: Operation;
  /** Ask again later. */
  readonly wait?: boolean;
}

export interface At {
  readonly subscription: string;
  readonly group: string;
}

export interface ResourceAt extends At {
  readonly type: string;
  readonly names: readonly string[];
}

export interface Put {
  readonly data: unknown;
  /** If-None-Match: * was given: create only. */
  readonly ifNoneMatch: boolean;
}

const bodySchema = z.looseObject({
  location: z.string().optional(),
  tags: z.record(z.string(), z.string()).nullish(),
  properties: z.looseObject({}).nullish(),
});

/** Source: "Naming rules for Azure resources", Microsoft.Resources/resourceGroups. */
const GROUP_NAME_FORM = /^[-\w._()]{0,89}[-\w_()]$/;

/** In this order a group's resources are ended: what uses before what is used. */
const DISPOSE_ORDER = [
  'Microsoft.Compute/virtualMachines',
  'Microsoft.Network/networkInterfaces',
  'Microsoft.Compute/disks',
];

export type Resources = ReturnType<typeof createResources>;

export function createResources(of: {
  documents: Documents<Resource>;
  kinds: readonly Kind[];
  operations: Operations;
}) {
  const { documents, kinds, operations } = of;
  const kindOf = (type: string): Kind | undefined => kinds.find((kind) => keyOf(kind.type) === keyOf(type));

  let lastWrite: Promise<unknown> = Promise.resolve();
  const oneAtATime = async <T>(write: () => Promise<T>): Promise<T> => {
    const turn = lastWrite.then(write, write);
    lastWrite = turn.catch(() => undefined);
    return await turn;
  };

  const groupAt = (at: At): Resource => {
    const group = documents.get(groupIdOf(at));
    if (group === undefined) throw refusals.groupNotFound(at.group);
    return group;
  };
  const isBeingDeleted = (resource: Resource): boolean => resource.properties.provisioningState === 'Deleting';
  const contentsOf = (at: At): Resource[] =>
    documents
      .all()
      .filter((found) => found.type !== GROUP_TYPE && keyOf(found.id).startsWith(`${keyOf(groupIdOf(at))}/`));

  const find = (at: ResourceAt): Resource => {
    groupAt(at);
    const found = documents.get(idOf(at));
    if (found === undefined) throw refusals.resourceNotFound({ ...at, name: at.names.join('/') });
    return found;
  };

  /** A resource as clients see it. */
  const view = (resource: Resource): Record<string, unknown> => {
    const { properties, tags, ...others } = kindOf(resource.type)?.view(resource) ?? {};
    return {
      ...resource,
      ...others,
      // Ours, not Azure's: JSON leaves them out.
      group: undefined,
      local: undefined,
      tags: { ...resource.tags, ...tags },
      properties: { ...resource.properties, ...properties },
    };
  };

  const markDeleting = (resource: Resource): void => {
    documents.put({ ...resource, properties: { ...resource.properties, provisioningState: 'Deleting' } });
  };

  const putGroup = (at: At, data: unknown): Answer => {
    const body = parseContent(bodySchema, data);
    if (!GROUP_NAME_FORM.test(at.group)) throw refusals.groupNameInvalid(at.group);
    if (body.location === undefined) throw refusals.locationMissing();
    const location = locationOf(body.location);
    const existing = documents.get(groupIdOf(at));
    if (existing !== undefined && isBeingDeleted(existing)) throw refusals.groupBeingDeleted(at.group);
    if (existing !== undefined && existing.location !== location) {
      throw refusals.groupElsewhere(at.group, { asked: location, existing: existing.location });
    }
    const tags = body.tags ?? {};
    const group =
      existing === undefined
        ? groupOf({ id: groupIdOf(at), group: at.group, location, tags, local: {} })
        : { ...existing, tags };
    documents.put(group);
    return { status: existing === undefined ? 201 : 200, body: view(group) };
  };

  const deleteGroup = (at: At): Answer => {
    const group = groupAt(at);
    const underWay = operations.underWay({ verb: 'delete', resourceId: group.id });
    if (underWay !== undefined) return { status: 202, operation: underWay };
    markDeleting(group);
    return { status: 202, operation: operations.begin({ verb: 'delete', resourceId: group.id }) };
  };

  const put = async (kind: Kind, at: ResourceAt, { data, ifNoneMatch }: Put): Promise<Answer> => {
    const body = parseContent(bodySchema, data);
    const group = groupAt(at);
    if (isBeingDeleted(group)) throw refusals.groupBeingDeleted(group.name);
    const name = at.names.at(-1) ?? '';
    kind.checkName(name);
    if (body.location === undefined) throw refusals.locationMissing();
    const location = locationOf(body.location);
    const existing = documents.get(idOf(at));
    const named = { id: idOf(at), name, type: kind.type, group: group.name };
    if (existing !== undefined && ifNoneMatch) throw refusals.existsAlready(named);
    if (existing !== undefined && existing.location !== location) {
      throw refusals.resourceElsewhere(named, { asked: location, existing: existing.location });
    }
    if (existing !== undefined && isBeingDeleted(existing)) throw refusals.beingDeleted(named);
    const accepted = await kind.accept({ ...named, location, body, existing });
    const stored: Resource = {
      ...existing,
      ...body,
      ...named,
      id: existing?.id ?? named.id,
      location,
      tags: body.tags ?? {},
      properties: {
        ...existing?.properties,
        ...body.properties,
        ...accepted.properties,
        provisioningState: 'Succeeded',
      },
      local: accepted.local ?? existing?.local ?? {},
    };
    const underWay = operations.underWay({ verb: 'put', resourceId: named.id });
    if (existing !== undefined && underWay !== undefined) {
      if (!isSame(existing, stored)) throw refusals.changedMeanwhile(named);
      return { status: kind.createdStatus, body: view(existing), operation: underWay };
    }
    if (existing?.properties.provisioningState === 'Succeeded' && isSame(existing, stored)) {
      return { status: 200, body: view(existing) };
    }
    const provisioningState = existing === undefined ? 'Creating' : 'Updating';
    const begun = { ...stored, properties: { ...stored.properties, provisioningState } };
    documents.put(begun);
    const operation = operations.begin({ verb: 'put', resourceId: begun.id });
    return { status: existing === undefined ? kind.createdStatus : 200, body: view(begun), operation };
  };

  const remove = (kind: Kind, at: ResourceAt): Answer => {
    groupAt(at);
    const existing = documents.get(idOf(at));
    if (existing === undefined) return { status: 204 };
    const underWay = operations.underWay({ verb: 'delete', resourceId: existing.id });
    if (underWay !== undefined) return { status: 202, operation: underWay };
    kind.checkDelete(existing);
    markDeleting(existing);
    return { status: 202, operation: operations.begin({ verb: 'delete', resourceId: existing.id }) };
  };

  const dispose = async (resource: Resource): Promise<void> => {
    // Said first: what is still being created must see it and stop.
    markDeleting(resource);
    await kindOf(resource.type)?.dispose(resource);
    documents.remove(resource.id);
  };
  const disposeGroup = async (group: Resource): Promise<void> => {
    try {
      const subscription = group.id.split('/')[2] ?? '';
      const contents = contentsOf({ subscription, group: group.name });
      const rank = (resource: Resource): number => DISPOSE_ORDER.indexOf(resource.type) + 1 || DISPOSE_ORDER.length + 1;
      for (const resource of contents.toSorted((a, b) => rank(a) - rank(b))) await dispose(resource);
      documents.remove(group.id);
    } catch (error) {
      documents.put({ ...group, properties: { ...group.properties, provisioningState: 'Succeeded' } });
      throw error;
    }
  };

  /** Keeps how an operation on a resource ended, unless the resource went away meanwhile. */
  const settle = (id: string, provisioningState: 'Succeeded' | 'Failed'): void => {
    const now = documents.get(id);
    if (now === undefined || now.properties.provisioningState === 'Deleting') return;
    documents.put({ ...now, properties: { ...now.properties, provisioningState } });
  };

  return {
    view,
    find,
    kindOf,
    putGroup: (at: At, data: unknown) => oneAtATime(async () => putGroup(at, data)),
    deleteGroup: (at: At) => oneAtATime(async () => deleteGroup(at)),
    put: (kind: Kind, at: ResourceAt, request: Put) => oneAtATime(() => put(kind, at, request)),
    remove: (kind: Kind, at: ResourceAt) => oneAtATime(async () => remove(kind, at)),
    group: (at: At) => groupAt(at),
    groups: (subscription: string) =>
      documents.all().filter((found) => {
        return found.type === GROUP_TYPE && keyOf(found.id).startsWith(keyOf(`/subscriptions/${subscription}/`));
      }),
    /** What is of one type in a group; without a type, everything that is no part of another resource. */
    contents: (at: At, type?: string) => {
      groupAt(at);
      return contentsOf(at).filter((found) => {
        return type === undefined ? found.type.split('/').length === 2 : keyOf(found.type) === keyOf(type);
      });
    },
    /** The work of a `put` or `delete` operation. */
    async work(operation: Operation): Promise<void> {
      const resource = documents.get(operation.resourceId);
      if (resource === undefined) return;
      if (operation.verb === 'delete') {
        await (resource.type === GROUP_TYPE ? disposeGroup(resource) : dispose(resource));
        return;
      }
      try {
        await kindOf(resource.type)?.provision(resource);
        settle(resource.id, 'Succeeded');
      } catch (error) {
        settle(resource.id, 'Failed');
        throw error;
      }
    },
  };
}

/** Whether a PUT changes nothing, however far the resource has come. */
function isSame(a: Resource, b: Resource): boolean {
  const content = ({ properties, ...others }: Resource): string =>
    JSON.stringify(sorted({ ...others, properties: { ...properties, provisioningState: '' } }));
  return content(a) === content(b);
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, part]) => part !== undefined);
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([key, part]) => [key, sorted(part)]));
}
