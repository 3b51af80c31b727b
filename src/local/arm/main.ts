/**
 * Starts the local ARM as a process of its own:
 *
 *     node src/local/arm/main.ts --state DIR --config FILE [--port N] [--port-file FILE]
 *
 * `--state` is a folder of its own, kept over restarts. `--config` is a JSON file, `config.ts`. `--port` 0, the default,
 * lets the system choose one. `--port-file` gets the port, as text, when requests are answered; it is also said on
 * stderr. Pollers that were stored name the port: give the same one after a restart.
 *
 * SIGTERM or SIGINT ends it with all of its machines, and it exits with 0. A machine that ran is started again by the next
 * one on the same folder.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { serve } from '@hono/node-server';
import { LeewardError, describeError } from '../../kernel/errors.ts';
import { openArm } from './arm.ts';
import { armConfigSchema } from './config.ts';
import type { ArmConfig } from './config.ts';

const USAGE = 'main.ts --state DIR --config FILE [--port N] [--port-file FILE]';

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      state: { type: 'string' },
      config: { type: 'string' },
      port: { type: 'string', default: '0' },
      'port-file': { type: 'string' },
    },
  });
  const { state, config, port, 'port-file': portFile } = values;
  if (state === undefined || config === undefined || !/^\d{1,5}$/.test(port)) throw new LeewardError('USAGE', USAGE);

  const arm = openArm({ config: readConfig(config), folder: state });
  // Machines first: whoever reaches the ARM finds them as they were.
  await arm.resume();
  const server = serve({ fetch: (request) => arm.fetch(request), hostname: '127.0.0.1', port: Number(port) }, (at) => {
    if (portFile !== undefined) {
      writeFileSync(`${portFile}.new`, String(at.port));
      renameSync(`${portFile}.new`, portFile);
    }
    process.stderr.write(`local ARM: http://127.0.0.1:${at.port}\n`);
  });
  server.once('error', fail);

  const end = (): void => {
    server.close();
    arm.close().then(() => process.exit(0), fail);
  };
  process.once('SIGTERM', end);
  process.once('SIGINT', end);
}

function readConfig(file: string): ArmConfig {
  const parsed = armConfigSchema.safeParse(JSON.parse(readFileSync(file, 'utf8')));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new LeewardError('USAGE', `${file}: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`);
}

function fail(error: unknown): void {
  process.stderr.write(`local ARM: ${describeError(error)}\n`);
  process.exit(1);
}

await main().catch(fail);
