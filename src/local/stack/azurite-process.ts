/**
 * Azurite as a process of its own, its requests logged without credentials:
 *
 *     node azurite-process.ts --blob-port N --queue-port N --data DIR --requests FILE --ready-file FILE
 *
 * The account and its key come in AZURITE_ACCOUNTS, as Azurite itself wants it. `--requests` gets one line of JSON for each
 * request that was answered (`access-log.ts`), whatever else is said goes to standard output. The ready file is there from
 * the moment that every service listens.
 *
 * Azurite runs inside this process, its standard output taken over before it is loaded: there is one process to end, which
 * saves what it holds on SIGTERM, and none that lives on when this one is killed.
 */
import { createWriteStream, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Writable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { LeewardError } from '../../kernel/errors.ts';
import { parseAccessLine, withoutCredentials } from './access-log.ts';

/** Its services start one after the other, and this one is the last. */
const READY = 'Azurite Table service is successfully listening';

const text = { type: 'string' } as const;
const { values } = parseArgs({
  options: { 'blob-port': text, 'queue-port': text, data: text, requests: text, 'ready-file': text },
});

function needed(name: keyof typeof values): string {
  const value = values[name];
  if (value === undefined) throw new LeewardError('USAGE', `azurite-process.ts needs --${name}`);
  return value;
}

const readyFile = needed('ready-file');
const requests = createWriteStream(needed('requests'), { flags: 'a', mode: 0o600 });
const talk = process.stdout;

function take(line: string): void {
  const request = parseAccessLine(line, new Date());
  if (request) {
    requests.write(`${JSON.stringify(request)}\n`);
    return;
  }
  talk.write(`${withoutCredentials(line)}\n`);
  if (line.startsWith(READY)) writeFileSync(readyFile, '');
}

let rest = '';
const lines = new Writable({
  write(chunk: Buffer, _encoding, done) {
    const parts = (rest + chunk.toString('utf8')).split('\n');
    rest = parts.pop() ?? '';
    parts.forEach(take);
    done();
  },
});
Object.defineProperty(process, 'stdout', { value: lines });

const script = createRequire(import.meta.url).resolve('azurite/dist/src/azurite.js');
const ports = ['--blobPort', needed('blob-port'), '--queuePort', needed('queue-port'), '--tablePort', '0'];
const options = ['--location', needed('data'), '--skipApiVersionCheck', '--disableTelemetry'];
process.argv = [process.execPath, script, ...ports, ...options];
await import(pathToFileURL(script).href);
