/**
 * A stack whose storage is reached through fault proxies, by its functions and, since they give out the addresses, by its
 * sites. What the test itself asks of the storage goes straight there.
 *
 * The host's own blobs, such as the leases of its timers, are reached directly: they are the platform's in Azure.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { stopPart } from '../../../src/local/stack/stack.ts';
import { writePrivateFile } from '../../../src/system/private-file.ts';
import { Chance } from './chance.ts';
import { FaultProxy } from './fault-proxy.ts';
import type { FaultRates } from './fault-proxy.ts';
import type { LiveStack } from './live-stack.ts';

const settingsFileSchema = z.looseObject({ Values: z.record(z.string(), z.string()) });

export class ProxiedStorage {
  readonly blobs: FaultProxy;
  readonly queues: FaultProxy;
  /** Settings for further hosts. */
  readonly settings: Readonly<Record<string, string>>;

  private constructor(of: { blobs: FaultProxy; queues: FaultProxy; settings: Readonly<Record<string, string>> }) {
    this.blobs = of.blobs;
    this.queues = of.queues;
    this.settings = of.settings;
  }

  /** Puts the proxies before the stack's storage, and starts its host anew behind them. */
  static async before(stack: LiveStack, seed: number): Promise<ProxiedStorage> {
    const { blobEndpoint, queueEndpoint, settingsFile, stateDir } = stack.facts;
    const blobs = await FaultProxy.open({ target: blobEndpoint, chance: new Chance(seed, 'blobs') });
    const queues = await FaultProxy.open({ target: queueEndpoint, chance: new Chance(seed, 'queues') });
    const file = settingsFileSchema.parse(JSON.parse(await readFile(settingsFile, 'utf8')));
    const { AzureWebJobsStorage: connection } = file.Values;
    assert.ok(connection !== undefined, 'the stack has a connection string');
    const byProxy = connection.replace(new URL(queueEndpoint).origin, queues.url);
    const settings = {
      ...file.Values,
      AzureWebJobsStorage: byProxy,
      LEEWARD_STORAGE: byProxy.replace(new URL(blobEndpoint).origin, blobs.url),
    };
    await writePrivateFile(settingsFile, JSON.stringify({ ...file, Values: settings }));
    // In order, so that the leases of its timers are given back.
    await stopPart(stateDir, 'host');
    await stack.startHost();
    return new ProxiedStorage({ blobs, queues, settings });
  }

  setRates(rates: FaultRates): void {
    this.blobs.setRates(rates);
    this.queues.setRates(rates);
  }

  async settled(): Promise<void> {
    await Promise.all([this.blobs.settled(), this.queues.settled()]);
  }

  /** What was done, for people. */
  tale(): string {
    return ['blobs:', ...this.blobs.log, 'queues:', ...this.queues.log].join('\n');
  }

  async close(): Promise<void> {
    await Promise.all([this.blobs.close(), this.queues.close()]);
  }
}
