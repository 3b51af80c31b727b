/**
 * The lease under which one host alone runs a timer, however many hosts share the storage account.
 *
 * Invariants: work begins only under a lease and is told when the lease is lost; a host that ends properly gives it back
 * at once, a killed host's runs out. Source: azure-webjobs-sdk, SingletonManager: a blob in azure-webjobs-hosts/locks.
 */
import type { BlockBlobClient } from '@azure/storage-blob';
import { describeError } from '../../kernel/errors.ts';
import { createJson } from './host-blobs.ts';
import type { SingletonSettings } from './host-json.ts';
import type { Log } from './log.ts';
import { pause } from './pause.ts';
import { isStorageError } from './storage-error.ts';

/**
 * Runs `work` whenever this host holds the lease on `blob`, until `stop` is aborted. The signal that `work` gets is
 * aborted when the host stops or the lease is lost; `work` then has to come to its end.
 */
export async function underLease(
  blob: BlockBlobClient,
  parts: { settings: SingletonSettings; log: Log; name: string; stop: AbortSignal },
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const { settings, log, name, stop } = parts;
  const write = (level: 'information' | 'warning', text: string): void => {
    log.write(level, { category: 'Host.Singleton' }, `${name}: ${text}`);
  };
  const lease = blob.getBlobLeaseClient();
  while (!stop.aborted) {
    let held = false;
    try {
      await createJson(blob, {});
      await lease.acquireLease(settings.lockPeriodMs / 1000);
      held = true;
    } catch (error) {
      if (isStorageError(error, 409)) write('information', 'another host holds the lease; asking again later');
      else write('warning', `the lease cannot be had, trying again later: ${describeError(error)}`);
    }
    if (!held) {
      await pause(settings.recoveryPollingMs, stop);
      continue;
    }
    const lost = new AbortController();
    const renewing = renew();
    await work(AbortSignal.any([stop, lost.signal]));
    lost.abort();
    await renewing;
    await lease.releaseLease().catch(() => undefined);

    async function renew(): Promise<void> {
      for (;;) {
        await pause(settings.lockPeriodMs / 2, lost.signal);
        if (lost.signal.aborted) return;
        try {
          await lease.renewLease();
        } catch (error) {
          write('warning', `the lease is lost: ${describeError(error)}`);
          lost.abort();
        }
      }
    }
  }
}
