/**
 * The failover put together. It alone needs the clients of Azure Resource Manager, which weigh a hundred megabytes: this
 * file is imported when a failover message arrives, never before.
 */
import { DefaultAzureCredential } from '@azure/identity';
import { AzureRecoveryCloud } from '../azure/recovery-cloud.ts';
import { receiveOrder } from '../failover/orders.ts';
import type { OrderOutcome } from '../failover/orders.ts';
import { isLeewardError } from '../kernel/errors.ts';
import { QUEUES } from '../kernel/names.ts';
import { TOO_NEW_DELAY_MS } from '../kernel/versions.ts';
import { setAside } from '../replica/intake/aside.ts';
import { PlainHttp } from '../system/http.ts';
import type { App } from './app.ts';
import type { Settings } from './settings.ts';

export type FailoverOutcome =
  | OrderOutcome
  /** Too new for this program: back in its queue. */
  | { readonly kind: 'waits'; readonly reason: string }
  /** It can never be worked on; kept aside under this name, unless a person typed it and sees the reason. */
  | { readonly kind: 'refused'; readonly reason: string; readonly aside: string | undefined };

/**
 * Works on one message of the failover queue, or on what a person typed. Errors: only those for which the same message
 * may succeed later.
 */
export async function receiveFailoverMessage(app: App, message: unknown, byHand: boolean): Promise<FailoverOutcome> {
  const { storage, settings, engine } = app;
  const ports = {
    ...storage,
    http: new PlainHttp(),
    volumes: engine,
    cloud: cloudOf(settings),
    storageAccountId: (account: string) => storageAccountId(settings, account),
  };
  const text = typeof message === 'string' ? message : JSON.stringify(message);
  try {
    return await receiveOrder(ports, message, { byHand });
  } catch (error) {
    if (!isLeewardError(error)) throw error;
    const { code, message: reason } = error;
    if (code === 'VERSION_TOO_NEW' && !byHand) {
      await storage.queues.send(QUEUES.failover, text, { delayMs: TOO_NEW_DELAY_MS });
      return { kind: 'waits', reason };
    }
    if (byHand) return { kind: 'refused', reason, aside: undefined };
    if (error.retryHelps) throw error;
    const refusal = { site: undefined, body: Buffer.from(text), code, reason, atMs: storage.clock.wallMs() };
    return { kind: 'refused', reason, aside: await setAside(storage.entries, storage.account, refusal) };
  }
}

function storageAccountId(settings: Settings, account: string): string {
  const { LEEWARD_SUBSCRIPTION_ID: subscription, LEEWARD_STORAGE_RESOURCE_GROUP: resourceGroup } = settings;
  return `/subscriptions/${subscription}/resourceGroups/${resourceGroup}/providers/Microsoft.Storage/storageAccounts/${account}`;
}

let cloud: AzureRecoveryCloud | undefined;

function cloudOf(settings: Settings): AzureRecoveryCloud {
  cloud ??= new AzureRecoveryCloud({
    endpoint: settings.LEEWARD_ARM_ENDPOINT,
    subscriptionId: settings.LEEWARD_SUBSCRIPTION_ID,
    credential: new DefaultAzureCredential(),
  });
  return cloud;
}
