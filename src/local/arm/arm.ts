/**
 * The local ARM: what Azure Resource Manager answers to Leeward's failover, over HTTP, with resources that are real where
 * this machine can make them so. The real SDK clients talk to it.
 *
 * Invariants: it answers and refuses as Azure does (`refusals.ts`); long operations take time and are asked about by
 * Azure-AsyncOperation or Location; a restart on the same folder knows every resource, and starts again the machines
 * that ran. It listens on the loopback alone and asks nobody who they are: never expose it.
 */
import { join } from 'node:path';
import { Hono } from 'hono';
import { describeError } from '../../kernel/errors.ts';
import type { ArmConfig } from './config.ts';
import { diskKind } from './disks.ts';
import { createMachinePark } from './machine-park.ts';
import { interfaceKind } from './network-interfaces.ts';
import { createOperations } from './operations.ts';
import { ArmError, refusals } from './refusals.ts';
import { answerRequest } from './requests.ts';
import type { Asked } from './requests.ts';
import { keyOf, parseTarget } from './resource-id.ts';
import type { Target } from './resource-id.ts';
import { createResources } from './resources.ts';
import type { Answer } from './resources.ts';
import { GROUP_TYPE, putSeeds } from './seeds.ts';
import { openStorage } from './storage.ts';
import { openStore } from './store.ts';
import type { Operation } from './store.ts';
import { virtualMachineKind } from './virtual-machines.ts';

export interface Arm {
  /** Answers one request. */
  fetch(request: Request): Response | Promise<Response>;
  /** Starts the machines and operations that were under way when the last one on this folder ended. */
  resume(): Promise<void>;
  /** Ends every machine; the state still says that they ran. */
  close(): Promise<void>;
}

/** Opens `folder` and seeds it. Throws USAGE or DOCUMENT_INVALID for a configuration or state that cannot be used. */
export function openArm(of: { config: ArmConfig; folder: string }): Arm {
  const { config } = of;
  const store = openStore(of.folder);
  const documents = store.resources;
  const storage = openStorage(config.storageAccounts);
  const park = createMachinePark(join(of.folder, 'machines'));
  const diskFolder = join(of.folder, 'disks');
  putSeeds(documents, config);

  const machines = virtualMachineKind({ resources: documents, storage, config, park, diskFolder });
  const operations = createOperations({
    documents: store.operations,
    operationMs: config.operationMs,
    work: (operation) => (operation.verb === 'deallocate' ? machines.deallocate(operation) : resources.work(operation)),
  });
  const resources = createResources({
    documents,
    operations,
    kinds: [
      diskKind({ resources: documents, storage, folder: diskFolder }),
      interfaceKind({ resources: documents }),
      machines,
    ],
  });

  const app = new Hono();
  app.all('*', async (context) => {
    const url = new URL(context.req.url);
    const apiVersion = checkApiVersion(url);
    const target = checkTarget(url, config.subscriptionId);
    const asked: Asked = {
      method: context.req.method,
      body: async () => {
        try {
          const body: unknown = await context.req.json();
          return body;
        } catch (error) {
          throw refusals.contentInvalid(describeError(error));
        }
      },
      ifNoneMatch: context.req.header('if-none-match') === '*',
      expand: url.searchParams.get('$expand') ?? '',
    };
    const answer = await answerRequest({ resources, machines, operations }, target, asked);
    const headers = headersOf(answer, { origin: url.origin, apiVersion, config });
    const body = answer.body === undefined ? null : JSON.stringify(answer.body);
    return new Response(body, {
      status: answer.status,
      headers: { ...headers, ...(body !== null && { 'content-type': 'application/json; charset=utf-8' }) },
    });
  });
  app.onError((error, context) => {
    if (error instanceof ArmError) {
      return context.json({ error: { code: error.armCode, message: error.message } }, error.status);
    }
    const message = describeError(error).replaceAll(/\?[^\s"']*/g, '?…');
    return context.json({ error: { code: 'InternalServerError', message } }, 500);
  });

  return {
    fetch: (request) => app.fetch(request),
    async resume() {
      await machines.resume();
      operations.resume();
    },
    async close() {
      await operations.close();
      await park.stopAll();
    },
  };
}

const API_VERSION_FORM = /^\d{4}-\d{2}-\d{2}(-preview)?$/;

function checkApiVersion(url: URL): string {
  const version = url.searchParams.get('api-version');
  if (version === null || version === '') throw refusals.apiVersionMissing();
  if (!API_VERSION_FORM.test(version)) throw refusals.apiVersionInvalid(version);
  return version;
}

function checkTarget(url: URL, subscriptionId: string): Target {
  const target = parseTarget(url.pathname);
  if (target === undefined) throw refusals.pathInvalid(url.pathname);
  if (keyOf(target.subscription) !== keyOf(subscriptionId)) throw refusals.subscriptionUnknown(target.subscription);
  return target;
}

/** Where and when to ask about an operation. A group's deletion is asked about by Location alone, as in Azure. */
function headersOf(
  answer: Answer,
  of: { origin: string; apiVersion: string; config: ArmConfig },
): Record<string, string> {
  const retryAfter = { 'retry-after': String(of.config.retryAfterSeconds) };
  if (answer.operation === undefined) return answer.wait === true ? retryAfter : {};
  const { operation } = answer;
  const at = (what: string): string => {
    const path = `/subscriptions/${of.config.subscriptionId}/providers/${namespaceOf(operation)}/locations/local`;
    return `${of.origin}${path}/${what}/${operation.id}?api-version=${of.apiVersion}`;
  };
  const location = { location: at('operationResults'), ...retryAfter };
  if (namespaceOf(operation) === namespaceOf({ resourceId: GROUP_TYPE })) return location;
  return { ...location, 'azure-asyncoperation': at('operations') };
}

/** `Microsoft.Compute` of an operation on a disk; that of resource groups is not in their ids. */
function namespaceOf(operation: Pick<Operation, 'resourceId'>): string {
  return /\/providers\/([^/]+)/i.exec(operation.resourceId)?.[1] ?? 'Microsoft.Resources';
}
