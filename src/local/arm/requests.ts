/** What each method does with each kind of path: the local ARM's table of requests. */
import { refusals } from './refusals.ts';
import { ArmError } from './refusals.ts';
import type { Operations } from './operations.ts';
import type { Target } from './resource-id.ts';
import type { Answer, Resources } from './resources.ts';
import type { Operation } from './store.ts';
import { MACHINE_TYPE } from './virtual-machine-body.ts';
import type { VirtualMachines } from './virtual-machines.ts';

/** A request, apart from its path. */
export interface Asked {
  readonly method: string;
  /** Parses the body. Throws the refusal of one that is not JSON. */
  readonly body: () => Promise<unknown>;
  readonly ifNoneMatch: boolean;
  /** Value of `$expand`. */
  readonly expand: string;
}

export interface Parts {
  readonly resources: Resources;
  readonly machines: VirtualMachines;
  readonly operations: Operations;
}

/** Answers a request, or throws its refusal. */
export async function answerRequest(parts: Parts, target: Target, asked: Asked): Promise<Answer> {
  switch (target.kind) {
    case 'groups':
      return list(parts, target.kind, asked, () => parts.resources.groups(target.subscription));
    case 'contents':
      return list(parts, target.kind, asked, () => parts.resources.contents(target));
    case 'collection':
      return list(parts, target.type, asked, () => parts.resources.contents(target, target.type));
    case 'group':
      return await answerGroup(parts, target, asked);
    case 'resource':
      return await answerResource(parts, target, asked);
    case 'action':
      return answerAction(parts, target, asked);
    case 'operation':
      return answerOperation(parts, target, asked);
  }
}

type TargetOf<K extends Target['kind']> = Extract<Target, { kind: K }>;

function list(
  { resources }: Parts,
  what: string,
  asked: Asked,
  find: () => readonly Parameters<Resources['view']>[0][],
): Answer {
  if (asked.method !== 'GET') throw refusals.methodNotAllowed(asked.method, what);
  return { status: 200, body: { value: find().map(resources.view) } };
}

async function answerGroup({ resources }: Parts, target: TargetOf<'group'>, asked: Asked): Promise<Answer> {
  switch (asked.method) {
    case 'PUT':
      return await resources.putGroup(target, await asked.body());
    case 'GET':
      return { status: 200, body: resources.view(resources.group(target)) };
    case 'DELETE':
      return await resources.deleteGroup(target);
    default:
      throw refusals.methodNotAllowed(asked.method, 'resourceGroups');
  }
}

async function answerResource(parts: Parts, target: TargetOf<'resource'>, asked: Asked): Promise<Answer> {
  const { resources } = parts;
  const kind = resources.kindOf(target.type);
  if (asked.method === 'GET') {
    const found = resources.find(target);
    const body = resources.view(found);
    if (found.type !== MACHINE_TYPE || asked.expand.toLowerCase() !== 'instanceview') return { status: 200, body };
    const instanceView = parts.machines.instanceView(found);
    return { status: 200, body: { ...body, properties: { ...found.properties, instanceView } } };
  }
  if (kind !== undefined && asked.method === 'PUT') {
    return await resources.put(kind, target, { data: await asked.body(), ifNoneMatch: asked.ifNoneMatch });
  }
  if (kind !== undefined && asked.method === 'DELETE') return await resources.remove(kind, target);
  throw refusals.methodNotAllowed(asked.method, target.type);
}

function answerAction({ resources, machines, operations }: Parts, target: TargetOf<'action'>, asked: Asked): Answer {
  const machine = resources.find(target);
  const isView = target.action === 'instanceview';
  if (machine.type !== MACHINE_TYPE || asked.method !== (isView ? 'GET' : 'POST')) {
    throw refusals.methodNotAllowed(asked.method, `${target.type}/${target.action}`);
  }
  if (isView) return { status: 200, body: machines.instanceView(machine) };
  const deallocate = { verb: 'deallocate', resourceId: machine.id } as const;
  return { status: 202, operation: operations.underWay(deallocate) ?? operations.begin(deallocate) };
}

function answerOperation({ operations }: Parts, target: TargetOf<'operation'>, asked: Asked): Answer {
  const operation = operations.get(target.operation);
  if (asked.method !== 'GET' || operation === undefined) {
    throw refusals.resourceNotFound({ type: 'operations', name: target.operation, group: '' });
  }
  const wait = operation.status === 'InProgress';
  if (!target.result) return { status: 200, wait, body: operationView(operation) };
  if (operation.error !== undefined) throw new ArmError(409, operation.error.code, operation.error.message);
  return wait ? { status: 202, wait } : { status: 200 };
}

/** Source: Azure's REST API guidelines, "Asynchronous operations", the status of Azure-AsyncOperation. */
function operationView(operation: Operation): Record<string, unknown> {
  return {
    name: operation.id,
    status: operation.status,
    startTime: new Date(operation.startMs).toISOString(),
    ...(operation.endMs !== undefined && { endTime: new Date(operation.endMs).toISOString() }),
    ...(operation.error && { error: operation.error }),
  };
}
