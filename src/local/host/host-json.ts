/**
 * host.json: how the host treats what the app registered.
 *
 * Invariants: what is left out has the default that Azure documents; a setting that this host reads and that has a
 * wrong value is refused before anything runs. Sections that it does not read (extension bundle, telemetry) are left to
 * Azure. Source: "host.json reference for Azure Functions 2.x and later", "Azure Queue storage bindings", host.json.
 */
import { z } from 'zod';
import { LeewardError } from '../../kernel/errors.ts';
import { LOG_LEVELS } from './log.ts';
import type { LogLevel } from './log.ts';
import { parseTimeSpan } from './timespan.ts';

/** Section `extensions.queues`. */
export interface QueueSettings {
  /** Messages fetched at once, 1 to 32. */
  readonly batchSize: number;
  /** The next batch is fetched when no more messages than this are in work. */
  readonly newBatchThreshold: number;
  readonly maxDequeueCount: number;
  /** The longest pause between two looks at an empty queue. */
  readonly maxPollingIntervalMs: number;
  /** How long a message stays invisible after its function failed. */
  readonly visibilityTimeoutMs: number;
  readonly messageEncoding: 'base64' | 'none';
}

/** Section `singleton`, as far as timers use it. */
export interface SingletonSettings {
  /** Length of the lease under which one host alone runs a timer. */
  readonly lockPeriodMs: number;
  /** How often a host that did not get the lease asks again. */
  readonly recoveryPollingMs: number;
}

/** What this host takes from host.json. */
export interface HostSettings {
  readonly routePrefix: string;
  readonly queues: QueueSettings;
  readonly singleton: SingletonSettings;
  /** Lowest level that is written, by category; the longest matching category counts. */
  readonly logLevels: ReadonlyMap<string, LogLevel>;
}

/** Default of maxPollingInterval, and its value under AZURE_FUNCTIONS_ENVIRONMENT=Development. */
const MAX_POLLING = { default: '00:01:00', development: '00:00:02' };

/** Default of listenerLockPeriod, and its value under AZURE_FUNCTIONS_ENVIRONMENT=Development. */
const LOCK_PERIOD = { default: '00:01:00', development: '00:00:15' };

const timeSpan = z.string().transform((text, context) => {
  const ms = parseTimeSpan(text);
  if (ms !== undefined) return ms;
  context.addIssue({ code: 'custom', message: 'use the form hh:mm:ss' });
  return z.NEVER;
});

const level = z.string().transform((text, context): LogLevel => {
  const found = LOG_LEVELS.find((known) => known === text.toLowerCase());
  if (found) return found;
  context.addIssue({ code: 'custom', message: `use one of ${LOG_LEVELS.join(', ')}` });
  return z.NEVER;
});

function schema(development: boolean) {
  const place = development ? 'development' : 'default';
  const queues = z.looseObject({
    batchSize: z.int().min(1).max(32).default(16),
    newBatchThreshold: z.int().min(0).optional(),
    maxDequeueCount: z.int().min(1).default(5),
    maxPollingInterval: timeSpan.pipe(z.number().min(100, 'at least 00:00:00.1')).prefault(MAX_POLLING[place]),
    visibilityTimeout: timeSpan.prefault('00:00:00'),
    messageEncoding: z.enum(['base64', 'none']).default('base64'),
  });
  const singleton = z.looseObject({
    // A blob lease lasts 15 to 60 seconds. Source: Azure Storage REST, "Lease Blob".
    listenerLockPeriod: timeSpan.pipe(z.number().min(15_000).max(60_000)).prefault(LOCK_PERIOD[place]),
    listenerLockRecoveryPollingInterval: timeSpan.pipe(z.number().min(15_000)).prefault('00:01:00'),
  });
  return z.looseObject({
    version: z.literal('2.0'),
    extensions: z
      .looseObject({
        http: z.looseObject({ routePrefix: z.string().default('api') }).prefault({}),
        queues: queues.prefault({}),
      })
      .prefault({}),
    singleton: singleton.prefault({}),
    logging: z.looseObject({ logLevel: z.record(z.string(), level).default({}) }).prefault({}),
  });
}

/** Reads the text of a host.json. Throws USAGE that names the setting. */
export function parseHostJson(text: string, options: { development: boolean }): HostSettings {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch (error) {
    throw new LeewardError('USAGE', 'host.json is not JSON', { cause: error });
  }
  const parsed = schema(options.development).safeParse(data);
  if (!parsed.success) {
    const issues = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw new LeewardError('USAGE', `host.json: ${issues.join('; ')}`);
  }
  const { extensions, singleton, logging } = parsed.data;
  const { queues } = extensions;
  return {
    routePrefix: extensions.http.routePrefix.replaceAll(/^\/+|\/+$/g, ''),
    queues: {
      batchSize: queues.batchSize,
      // Azure multiplies by the number of processors on the plans that have several; Flex Consumption counts as one.
      newBatchThreshold: queues.newBatchThreshold ?? Math.floor(queues.batchSize / 2),
      maxDequeueCount: queues.maxDequeueCount,
      maxPollingIntervalMs: queues.maxPollingInterval,
      visibilityTimeoutMs: queues.visibilityTimeout,
      messageEncoding: queues.messageEncoding,
    },
    singleton: {
      lockPeriodMs: singleton.listenerLockPeriod,
      recoveryPollingMs: singleton.listenerLockRecoveryPollingInterval,
    },
    logLevels: new Map(Object.entries(logging.logLevel)),
  };
}
