/**
 * A program for a network namespace of its own, whose resolv.conf names 127.0.0.1: it probes ten names about which the server
 * there is silent, and localhost and a name that the server knows meanwhile, and tells what came of it.
 */
import { createServer } from 'node:http';
import { once } from 'node:events';
import { PlainHttp } from '../../../src/system/http.ts';
import { SystemProber } from '../../../src/system/probes/prober.ts';
import type { Check } from '../../../src/ports/probe.ts';
import { DnsServer } from '../dns-server.ts';

/** Long enough for a slow machine, and shorter than the platform's own lookup tries. */
const PATIENCE_MS = 3000;

const dns = await DnsServer.open(
  { 'A alive.corp.example': ['127.0.0.1'], 'AAAA alive.corp.example': [] },
  { port: 53 },
);
const server = createServer((_request, response) => response.end()).listen(0, '127.0.0.1');
await once(server, 'listening');
const address = server.address();
const port = typeof address === 'object' && address !== null ? address.port : 0;

const tell = (line: string): void => void process.stdout.write(`${line}\n`);
const prober = new SystemProber();
async function look(check: Check, signal: AbortSignal): Promise<string> {
  return await prober
    .probe(check, { timeoutMs: 60_000, signal })
    .then(({ isWell, reason }) => (isWell ? 'well' : reason))
    .catch((error: unknown) => (error instanceof Error ? error.message : String(error)));
}

const stop = new AbortController();
const silent = Array.from({ length: 10 }, (_, index) => `silent${index}.corp.example`);
const looks = silent.map(async (host) => `tcp ${host}: ${await look({ kind: 'tcp', host, port }, stop.signal)}`);

const soon = (): AbortSignal => AbortSignal.timeout(PATIENCE_MS);
tell(`tcp localhost: ${await look({ kind: 'tcp', host: 'localhost', port }, soon())}`);
for (const host of ['localhost', 'alive.corp.example']) {
  const check: Check = { kind: 'http', url: `http://${host}:${port}/`, expectStatus: [200] };
  tell(`http ${host}: ${await look(check, soon())}`);
}
const heartbeat = new PlainHttp().post(`http://localhost:${port}/api/heartbeat`, {
  body: '{}',
  timeoutMs: PATIENCE_MS,
});
tell(`heartbeat to localhost: ${await heartbeat.then(({ status }) => status).catch(String)}`);

stop.abort(new Error('enough'));
for (const line of await Promise.all(looks)) tell(line);
const closing = AbortSignal.timeout(PATIENCE_MS);
closing.addEventListener('abort', () => {
  tell('still under way');
  process.exit(1);
});
process.on('beforeExit', () => {
  tell('over');
  process.exit();
});
server.closeAllConnections();
server.close();
await dns.close();
