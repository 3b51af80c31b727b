/**
 * The local functions host as a process: `node src/local/host/main.ts --app DIR --port N [--port-file FILE]
 * [--settings FILE]`.
 *
 * Invariants: settings are its environment variables, to which `--settings`, a local.settings.json, only adds; the port
 * file appears whole and only once the host is ready; SIGTERM and SIGINT end it with 0 after what is in work; an uncaught
 * exception or unhandled rejection ends it with 1 at once, and every invocation with it, as it ends Azure's worker.
 */
import { rename, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { LeewardError, describeError } from '../../kernel/errors.ts';
import { startHost } from './host.ts';
import { createLog } from './log.ts';
import { loadSettings } from './settings.ts';

const USAGE = 'usage: node src/local/host/main.ts --app DIR --port N [--port-file FILE] [--settings FILE]';

const log = createLog();

function die(what: string, error: unknown): never {
  log.write('critical', { category: 'Host' }, `${what}: ${describeError(error)}`);
  process.exit(1);
}

function readArguments(): { app: string; port: number; portFile: string | undefined; settings: string | undefined } {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({ options: { app: text, port: text, 'port-file': text, settings: text } });
  const port = Number(values.port);
  if (values.app === undefined || !/^\d{1,5}$/.test(values.port ?? '') || port > 65_535) {
    throw new LeewardError('USAGE', USAGE);
  }
  return { app: resolve(values.app), port, portFile: values['port-file'], settings: values.settings };
}

process.on('uncaughtException', (error) => {
  die('ended by an error that nothing caught', error);
});

try {
  const { app, port, portFile, settings } = readArguments();
  if (settings !== undefined) await loadSettings(settings, process.env);
  const host = await startHost({ app, port, environment: process.env, log });
  const end = (): void => {
    process.removeListener('SIGTERM', end);
    process.removeListener('SIGINT', end);
    host.stop().then(
      () => process.exit(0),
      (error: unknown) => die('the host could not end properly', error),
    );
  };
  process.on('SIGTERM', end);
  process.on('SIGINT', end);
  if (portFile !== undefined) {
    await writeFile(`${portFile}.new`, `${host.port}\n`);
    await rename(`${portFile}.new`, portFile);
  }
} catch (error) {
  die('the host cannot start', error);
}
