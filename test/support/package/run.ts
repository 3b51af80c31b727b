/** Runs load.ts, which loads an app in a process of its own, and reads its answer. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';

const bindingSchema = z.looseObject({
  type: z.string(),
  queueName: z.string().optional(),
  connection: z.string().optional(),
  schedule: z.string().optional(),
});

const answerSchema = z.object({
  loadMs: z.number(),
  functions: z.array(z.object({ name: z.string(), bindings: z.record(z.string(), bindingSchema) })),
  /** URLs of the modules that were loaded when the app had registered everything. */
  loadedAtStart: z.array(z.string()),
  /** URLs of all modules that were loaded in the end. */
  loaded: z.array(z.string()),
  /** `returned`, or `threw …`; only after a call. */
  outcome: z.string().optional(),
});
export type LoadAnswer = z.infer<typeof answerSchema>;

const run = promisify(execFile);

/** Loads `main` under `environment` alone and, where `call` is given, calls that function. Rejects if loading fails. */
export async function loadApp(
  main: string,
  options: { environment?: Readonly<Record<string, string>>; call?: { name: string; message: string } } = {},
): Promise<LoadAnswer> {
  const script = join(import.meta.dirname, 'load.ts');
  const call = options.call ? [options.call.name, options.call.message] : [];
  const { stdout } = await run(process.execPath, [script, main, ...call], {
    env: { PATH: process.env['PATH'], ...options.environment },
    maxBuffer: 64 * 2 ** 20,
    timeout: 60_000,
  });
  return answerSchema.parse(JSON.parse(stdout.slice(stdout.lastIndexOf('\n{"loadMs"') + 1)));
}

/** A storage account that nobody answers for: loading the app must not need one. */
const NO_STORAGE =
  'DefaultEndpointsProtocol=http;AccountName=nobody;AccountKey=bm9ib2R5;' +
  'BlobEndpoint=http://127.0.0.1:9/nobody;QueueEndpoint=http://127.0.0.1:9/nobody;';

/** Settings with which the functions load. */
export function loadEnvironment(storage = NO_STORAGE): Record<string, string> {
  return {
    LEEWARD_STORAGE: storage,
    LEEWARD_KEY_SECRET: Buffer.alloc(32, 7).toString('base64'),
    LEEWARD_PUBLIC_URL: 'http://127.0.0.1:9',
    LEEWARD_SUBSCRIPTION_ID: '00000000-0000-0000-0000-000000000000',
    LEEWARD_STORAGE_RESOURCE_GROUP: 'leeward-control',
    LEEWARD_ARM_ENDPOINT: 'http://127.0.0.1:9',
    LEEWARD_MONITOR_SCHEDULE: '*/15 * * * * *',
    LEEWARD_SWEEP_SCHEDULE: '*/30 * * * * *',
    LEEWARD_NOTIFY_SCHEDULE: '*/10 * * * * *',
    LEEWARD_UPKEEP_SCHEDULE: '0 17 * * * *',
  };
}
