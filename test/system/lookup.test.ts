/** Names of the hosts file, of real name servers, one of which never answers, and of neither. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { LookupAddress, LookupOptions } from 'node:dns';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { Names } from '../../src/system/lookup.ts';
import { DnsServer } from '../support/dns-server.ts';
import type { Said } from '../support/dns-server.ts';
import { needs, needsThat } from '../support/tools.ts';

const AMONG_SILENT_NAMES = join(import.meta.dirname, '../support/network/among-silent-names.ts');

const V4 = { address: '192.0.2.7', family: 4 };
const V6 = { address: '2001:db8::7', family: 6 };

const words: Readonly<Record<string, Said>> = {
  'A app.example': [V4.address],
  'AAAA app.example': [V6.address],
  'A old.example': [V4.address],
  'AAAA old.example': [],
  'A half.example': [V4.address],
  ...notFound('nowhere.example', 'gone.example', 'db', 'db.lan.example', 'db.prod'),
  'A failed.example': 'failed',
  'AAAA failed.example': 'failed',
  'A db.corp.example': [V4.address],
  'AAAA db.corp.example': [],
};

function notFound(...names: string[]): Record<string, Said> {
  return Object.fromEntries(names.flatMap((name) => ['A', 'AAAA'].map((type) => [`${type} ${name}`, 'not found'])));
}

let folder: string;
let server: DnsServer;
let names: Names;
/** What was asked beyond hosts file and DNS, and what it says. */
let others: string[];
let otherWord: () => Promise<LookupAddress[]>;

async function begin(given: { hosts?: string; resolver?: string; laterMs?: number } = {}): Promise<void> {
  const [hostsFile, resolverFile] = [join(folder, 'hosts'), join(folder, 'resolv.conf')];
  if (given.hosts !== undefined) await writeFile(hostsFile, given.hosts);
  if (given.resolver !== undefined) await writeFile(resolverFile, given.resolver);
  server = await DnsServer.open(words, { laterMs: given.laterMs ?? 0 });
  const sources = { hostsFile, resolverFile, servers: [server.address] };
  names = new Names({
    ...sources,
    others: async (name) => {
      others.push(name);
      return await otherWord();
    },
  });
}

/** What a connection is given that asks for all addresses, or for one. */
async function addresses(
  name: string,
  options: LookupOptions = {},
  signal = AbortSignal.timeout(20_000),
): Promise<unknown> {
  return await new Promise((resolve, reject) => {
    names.until(signal)(name, { all: true, ...options }, (error, found, family) => {
      if (error) reject(error);
      else resolve(typeof found === 'string' ? { address: found, family } : found);
    });
  });
}

describe('a name', () => {
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'leeward-names-'));
    others = [];
    otherWord = async () => Promise.reject(Object.assign(new Error('unknown'), { code: 'ENOTFOUND' }));
  });
  afterEach(async () => {
    await server.close();
    await rm(folder, { recursive: true });
  });

  test('that is an address, or in the hosts file, or localhost, is asked for nowhere', async () => {
    const hosts = `# 192.0.2.1 app.example
127.0.1.1\tRecorder recorder.example # its own
${V6.address} recorder
not-an-address recorder`;
    await begin({ hosts });
    assert.deepEqual(await addresses('192.0.2.1'), [{ address: '192.0.2.1', family: 4 }]);
    assert.deepEqual(await addresses('::1', { all: false }), { address: '::1', family: 6 });
    assert.deepEqual(await addresses('recorder'), [{ address: '127.0.1.1', family: 4 }, V6]);
    assert.deepEqual(await addresses('recorder', { family: 6 }), [V6]);
    assert.deepEqual(await addresses('Recorder.Example', { all: false }), { address: '127.0.1.1', family: 4 });
    const loopbacks = [
      { address: '127.0.0.1', family: 4 },
      { address: '::1', family: 6 },
    ];
    for (const local of ['localhost', 'LOCALHOST.', 'app.localhost']) {
      assert.deepEqual(await addresses(local), loopbacks);
    }
    assert.deepEqual([server.asked, others], [[], []]);
  });

  test('has the addresses of both families, the one that is wanted, or one alone', async () => {
    await begin();
    assert.deepEqual(await addresses('app.example'), [V4, V6]);
    assert.deepEqual(await addresses('app.example', { all: false }), V4);
    assert.deepEqual(await addresses('app.example', { family: 6, all: false }), V6);
    assert.deepEqual(await addresses('app.example', { family: 4 }), [V4]);
    assert.deepEqual(await addresses('old.example'), [V4]);
    assert.deepEqual(others, []);
  });

  test('does not wait long for a family about which the server is silent', async () => {
    await begin();
    // It would be asked three times, for seven seconds.
    assert.deepEqual(await Promise.race([addresses('half.example'), wait(4000, 'late', { ref: false })]), [V4]);
  });

  test('is looked for in the domains of resolv.conf, in their order', async () => {
    await begin({ resolver: 'domain old.example\nsearch lan.example corp.example.\noptions rotate ndots:2\n' });
    assert.deepEqual(await addresses('db'), [V4]);
    const withoutType = server.asked.map((question) => question.split(' ')[1]);
    assert.deepEqual([...new Set(withoutType)], ['db.lan.example', 'db.corp.example']);
  });

  test('with dots enough is asked for as it is first, and with a last dot as it is alone', async () => {
    await begin({ resolver: 'search corp.example\n' });
    assert.deepEqual(await addresses('app.example'), [V4, V6]);
    await assert.rejects(addresses('db.'), { code: 'ENOTFOUND' });
    assert.deepEqual(new Set(server.asked), new Set(['A app.example', 'AAAA app.example', 'A db', 'AAAA db']));
  });

  test('about which the server is silent is given up with its request, and nobody else is asked', async () => {
    await begin();
    const stop = new AbortController();
    const asking = addresses('silent.example', {}, stop.signal);
    const failing = assert.rejects(asking, { code: 'ECANCELLED' });
    while (server.asked.length < 2) await wait(5);
    assert.deepEqual(await addresses('app.example'), [V4, V6]);
    stop.abort();
    await failing;
    await assert.rejects(addresses('silent.example', {}, stop.signal), { name: 'AbortError' });
    assert.deepEqual(others, []);
  });

  for (const name of ['nowhere.example', 'failed.example'])
    test(`that DNS does not have is asked for elsewhere, once for all who want it: ${name}`, async () => {
      await begin();
      const known = Promise.withResolvers<LookupAddress[]>();
      otherWord = async () => known.promise;
      const all = [addresses(name), addresses(name, { family: 6, all: false }), addresses('gone.example')];
      while (others.length < 2) await wait(5);
      // Whoever else would ask has had its answer from DNS by then.
      assert.deepEqual(await addresses('app.example'), [V4, V6]);
      known.resolve([V4, V6]);
      assert.deepEqual(await Promise.all(all), [[V4, V6], V6, [V4, V6]]);
      assert.deepEqual(others.toSorted(), ['gone.example', name].toSorted());
      otherWord = async () => Promise.resolve([V4]);
      assert.deepEqual(await addresses(name), [V4]);
      await assert.rejects(addresses(name, { family: 6 }), { code: 'ENOTFOUND', message: `${name} has no address` });
    });

  test('that nobody has is not found', async () => {
    await begin();
    await assert.rejects(addresses('nowhere.example'), { code: 'ENOTFOUND' });
  });

  test('that DNS does not have, but says so late, is asked for nowhere else', async () => {
    await begin({ laterMs: 1100 });
    await assert.rejects(addresses('nowhere.example'), { code: 'ENOTFOUND' });
    assert.deepEqual(others, []);
  });
});

const isRoot = needsThat(process.getuid?.() === 0, 'needs root for namespaces');
const namespaces = isRoot.skip === false ? needs('ip', 'mount', 'unshare') : isRoot;

test(
  'ten names about which the server is silent hold up neither localhost nor a name that it knows',
  namespaces,
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'leeward-silent-'));
    try {
      const resolver = join(folder, 'resolv.conf');
      await writeFile(resolver, 'nameserver 127.0.0.1\n');
      const inside = 'ip link set lo up && mount --bind "$1" /etc/resolv.conf && exec "$2" "$3"';
      const args = ['--mount', '--net', 'sh', '-c', inside, 'sh', resolver, process.execPath, AMONG_SILENT_NAMES];
      const child = spawn('unshare', args, { stdio: ['ignore', 'pipe', 'inherit'] });
      let said = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
      await once(child, 'close');
      assert.deepEqual(said.trim().split('\n'), [
        'tcp localhost: well',
        'http localhost: well',
        'http alive.corp.example: well',
        'heartbeat to localhost: 200',
        ...Array.from({ length: 10 }, (_, index) => `tcp silent${index}.corp.example: enough`),
        // Nothing is left under way that would keep the program.
        'over',
      ]);
    } finally {
      await rm(folder, { recursive: true });
    }
  },
);
