/**
 * The local functions host: it runs exactly the registrations that Azure would run and treats them as Azure's host does.
 *
 * Invariants: nothing runs before the whole app is loaded and every binding is understood; it is ready when `startHost`
 * resolves; `stop` begins nothing new, lets what is in work come to its end, outputs included, and then resolves.
 * docs/limits.md says where it differs from Azure.
 */
import { QueueServiceClient } from '@azure/storage-queue';
import type { QueueClient } from '@azure/storage-queue';
import { LeewardError } from '../../kernel/errors.ts';
import { createAdmin } from './admin.ts';
import { hasTrigger, hostedFunction } from './bindings.ts';
import type { HostedFunction } from './bindings.ts';
import { HOSTS_CONTAINER, openContainer } from './host-blobs.ts';
import { createHttpDispatch } from './http-functions.ts';
import { startHttpServer } from './http-server.ts';
import { createInvoke, runHooks } from './invocation.ts';
import { ensureKeys, hostIdOf } from './keys.ts';
import { loadApp } from './load-app.ts';
import type { App } from './load-app.ts';
import type { Log } from './log.ts';
import { createOutputWriter } from './outputs.ts';
import { QueueListener } from './queue-listener.ts';
import { messageMetadata } from './queue-message.ts';
import { registry } from './registry.ts';
import { parseSchedule } from './schedule.ts';
import { connectionString } from './settings.ts';
import type { Environment } from './settings.ts';
import { TimerListener } from './timer-listener.ts';

/** A running host. */
export interface Host {
  /** Port of its HTTP endpoints on 127.0.0.1. */
  readonly port: number;
  stop(): Promise<void>;
}

/** Loads the app in the folder `app` and runs it; once in a process. Throws USAGE, or what the storage SDK throws. */
export async function startHost(options: {
  app: string;
  port: number;
  environment: Environment;
  log: Log;
}): Promise<Host> {
  const { environment, log } = options;
  hideSecrets(environment, log);
  registry.setSystemLog((level, category, message) => {
    log.write(level, { category: `Worker.${category}` }, message);
  });
  const development = environment['AZURE_FUNCTIONS_ENVIRONMENT'] === 'Development';
  const app = await loadApp(options.app, { development });
  log.limit(app.settings.logLevels);
  if (!app.model) throw new LeewardError('USAGE', `the app in ${options.app} registers no function`);
  const functions = app.registrations.map((registration) => hostedFunction(registration, environment));

  const storage = connectionString(undefined, environment);
  const hostId = hostIdOf(options.app, environment);
  const keys = await ensureKeys(storage, hostId);
  log.hide(keys.master);
  log.hide(keys.functions);

  const queueNamed = createQueues(environment);
  const outputs = createOutputWriter({
    queue: (output) => queueNamed(output.connection, output.queueName),
    encoding: app.settings.queues.messageEncoding,
  });
  const invoke = createInvoke({ model: app.model, outputs, log });

  const timers = await createTimers({ app, functions, storage, hostId, log, invoke });
  const queues = functions
    .filter((hosted) => hasTrigger(hosted, 'queue'))
    .map((hosted) => {
      const { connection, queueName } = hosted.trigger;
      return new QueueListener({
        queue: queueNamed(connection, queueName),
        queueNamed: (name) => queueNamed(connection, name),
        settings: app.settings.queues,
        log,
        async run(text, properties) {
          const triggerMetadata = messageMetadata(text, properties);
          const reason = `message ${properties.id ?? ''}, fetched ${properties.dequeueCount} times, from ${queueName}`;
          return (await invoke(hosted, { input: { string: text }, triggerMetadata, reason })).succeeded;
        },
      });
    });

  const callsByHand = new Set<Promise<unknown>>();
  async function callByHand(hosted: HostedFunction, text: string): Promise<void> {
    const timer = timers.get(hosted.name);
    if (timer) {
      await invoke(hosted, { input: { json: JSON.stringify(await timer.info()) }, reason: 'by hand' });
      return;
    }
    const triggerMetadata = messageMetadata(text, { dequeueCount: 0, insertedOn: new Date() });
    await invoke(hosted, { input: { string: text }, triggerMetadata, reason: 'by hand' });
  }

  await runHooks('appStart', { hookData: {} });
  const server = await startHttpServer({
    port: options.port,
    log,
    admin: createAdmin({
      functions,
      keys,
      hostId,
      run(hosted, text) {
        const call: Promise<unknown> = callByHand(hosted, text).finally(() => callsByHand.delete(call));
        callsByHand.add(call);
      },
    }),
    dispatch: createHttpDispatch({ functions, routePrefix: app.settings.routePrefix, keys, invoke }),
  });
  for (const queue of queues) await queue.start();
  for (const timer of timers.values()) timer.start();
  const names = functions.map(({ name, trigger }) => `${name} (${trigger.kind})`);
  log.write('information', { category: 'Host.Startup' }, `running ${names.join(', ')} on port ${server.port}`);

  return {
    port: server.port,
    async stop() {
      log.write('information', { category: 'Host.Shutdown' }, 'ending: what is in work is finished first');
      const listeners = [...queues, ...timers.values()];
      await Promise.all([server.stop(), ...listeners.map((listener) => listener.stop())]);
      await Promise.all(callsByHand);
      await runHooks('appTerminate', { hookData: {} });
      log.write('information', { category: 'Host.Shutdown' }, 'ended');
    },
  };
}

async function createTimers(parts: {
  app: App;
  functions: readonly HostedFunction[];
  storage: string;
  hostId: string;
  log: Log;
  invoke: ReturnType<typeof createInvoke>;
}): Promise<Map<string, TimerListener>> {
  const { app, functions, storage, hostId, log, invoke } = parts;
  const timers = new Map<string, TimerListener>();
  const blob = await openContainer(storage, HOSTS_CONTAINER);
  for (const hosted of functions.filter((candidate) => hasTrigger(candidate, 'timer'))) {
    const { name, trigger } = hosted;
    const listener = new TimerListener({
      name,
      trigger,
      schedule: parseSchedule(trigger.schedule, name),
      settings: app.settings.singleton,
      lockBlob: blob(`locks/${hostId}/Host.Functions.${name}.Listener`),
      statusBlob: blob(`timers/${hostId}/Host.Functions.${name}/status`),
      log,
      async run(info, reason) {
        await invoke(hosted, { input: { json: JSON.stringify(info) }, reason });
      },
    });
    timers.set(name, listener);
  }
  return timers;
}

/** One client for each account, whatever the number of queues. */
function createQueues(environment: Environment): (connection: string | undefined, name: string) => QueueClient {
  const services = new Map<string, QueueServiceClient>();
  return (connection, name) => {
    const text = connectionString(connection, environment);
    const service = services.get(text) ?? QueueServiceClient.fromConnectionString(text);
    services.set(text, service);
    return service.getQueueClient(name);
  };
}

function hideSecrets(environment: Environment, log: Log): void {
  for (const value of Object.values(environment)) {
    for (const [, secret = ''] of (value ?? '').matchAll(/(?:AccountKey|SharedAccessSignature)=([^;]+)/g)) {
      log.hide(secret);
    }
  }
}
