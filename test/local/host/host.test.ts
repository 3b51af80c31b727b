/** The local functions host as a process, against a real Azurite: what a function and its callers see. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { QueueServiceClient } from '@azure/storage-queue';
import { readKeys } from '../../../src/local/host/keys.ts';
import type { HostKeys } from '../../../src/local/host/keys.ts';
import { startAzurite } from '../../support/azurite.ts';
import type { Azurite } from '../../support/azurite.ts';
import { fixture, spawnHost } from './host-process.ts';
import type { HostProcess } from './host-process.ts';

const HOST_ID = 'fixture-host';

function environment(azurite: Azurite): Record<string, string> {
  return {
    AzureWebJobsStorage: azurite.connectionString,
    AzureFunctionsWebHost__hostid: HOST_ID,
    ECHO_QUEUE: 'echo-in',
    EACH_SECOND: '* * * * * *',
  };
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

describe('the host', () => {
  let azurite: Azurite;
  let host: HostProcess;
  let url: string;
  let keys: HostKeys;
  let queues: QueueServiceClient;

  before(async () => {
    azurite = await startAzurite();
    host = await spawnHost(fixture('app'), environment(azurite));
    url = await host.ready();
    const found = await readKeys(azurite.connectionString, HOST_ID);
    assert.ok(found);
    keys = found;
    queues = QueueServiceClient.fromConnectionString(azurite.connectionString);
  });

  after(async () => {
    await host.dispose();
    await azurite.stop();
  });

  async function send(queue: string, body: string): Promise<void> {
    await queues.getQueueClient(queue).sendMessage(body);
  }

  /** What `echo` logged after the message that holds `mark`. */
  async function echoed(mark: string): Promise<{ message: unknown; metadata: Record<string, unknown> }> {
    const line = await host.line(new RegExp(`echo \\{"message":.*${mark}`));
    return JSON.parse(line.slice(line.indexOf('echo {') + 5)) as never;
  }

  /** The one message of a queue, without taking it out. */
  async function peek(queue: string): Promise<string> {
    const { peekedMessageItems: items } = await queues.getQueueClient(queue).peekMessages({ numberOfMessages: 32 });
    assert.equal(items.length, 1);
    return items[0]?.messageText ?? '';
  }

  describe('queue functions', () => {
    test('a JSON object arrives parsed, with the message in the metadata', async () => {
      await send('echo-in', base64('{"mark":"object-1","n":5}'));
      const { message, metadata } = await echoed('object-1');
      assert.deepEqual(message, { mark: 'object-1', n: 5 });
      assert.equal(metadata['dequeueCount'], 1);
      assert.match(String(metadata['id']), /^[0-9a-f-]{36}$/);
      assert.equal(typeof metadata['popReceipt'], 'string');
      for (const name of ['insertionTime', 'expirationTime', 'nextVisibleTime']) {
        assert.ok(!Number.isNaN(Date.parse(String(metadata[name]))), name);
      }
      assert.deepEqual(metadata['queueTrigger'], message);
      const heldMs = Date.parse(String(metadata['nextVisibleTime'])) - Date.parse(String(metadata['insertionTime']));
      assert.ok(heldMs >= 599_000 && heldMs < 660_000, `held for ${heldMs} ms`);
    });

    test("a JSON object's properties win over the message's own", async () => {
      await send('echo-in', base64('{"mark":"wins-1","id":"mine","DequeueCount":"seven","list":[1],"flag":true}'));
      const { metadata } = await echoed('wins-1');
      assert.equal(metadata['id'], 'mine');
      assert.equal(metadata['dequeueCount'], 'seven');
      assert.equal(metadata['list'], undefined);
      assert.equal(metadata['flag'], 'True');
    });

    for (const [text, kind] of [
      ['123456', 'number'],
      ['true', 'boolean'],
      ['"quoted"', 'string'],
    ] as const) {
      test(`the text ${text} arrives as a ${kind}`, async () => {
        await send('echo-in', base64(text));
        const { message, metadata } = await echoed(`"kind":"${kind}"`);
        assert.equal(typeof message, kind);
        assert.equal(String(message), text.replaceAll('"', ''));
        assert.deepEqual(metadata['queueTrigger'], message);
      });
    }

    test('text that is no JSON arrives as it is', async () => {
      await send('echo-in', base64('{no json: ünicode'));
      assert.equal((await echoed('no json')).message, '{no json: ünicode');
    });

    test('a message that fails is tried three times, then put into the poison queue unchanged', async () => {
      const body = base64('{"doomed": 1 }');
      await send('failing', body);
      await host.line(/moved to failing-poison/);
      const tries = host.lines.filter((line) => / failing \d$/.test(line)).map((line) => line.slice(-1));
      assert.deepEqual(tries, ['1', '2', '3']);
      const times = host.lines.filter((line) => / failing \d$/.test(line)).map((line) => Date.parse(line.slice(0, 24)));
      assert.ok((times[1] ?? 0) - (times[0] ?? 0) >= 900, 'the second try waits for visibilityTimeout');
      await host.line(/moved to failing-poison/);
      assert.equal(await peek('failing-poison'), body);
      assert.ok(host.lines.some((line) => line.includes('sig=***')));
      assert.ok(!host.lines.some((line) => line.includes('c2VjcmV0')), 'a signature in an error is masked');
    });

    test('a body that is not base64 goes to the poison queue at once, and the function never runs', async () => {
      await send('echo-in', 'not base64 &amp;');
      await host.line(/is not base64 .*moved to echo-in-poison/);
      assert.equal(await peek('echo-in-poison'), 'not base64 &amp;');
      assert.ok(!host.lines.some((line) => line.includes('not base64 &')));
    });

    test('at most batchSize + newBatchThreshold messages are in work at once; what they return is sent', async () => {
      await Promise.all(Array.from({ length: 14 }, (_, n) => send('slow', base64(`work ${n}`))));
      const done = queues.getQueueClient('slow-done');
      const counts = (): number[] =>
        host.lines.flatMap((line) => /slow begins, (\d+) at once/.exec(line)?.slice(1).map(Number) ?? []);
      await assertSoon(async () => counts().length === 14 && (await done.exists()));
      assert.equal(Math.max(...counts()), 6);
      await assertSoon(async () => (await done.getProperties()).approximateMessagesCount === 14);
      const { receivedMessageItems: items } = await done.receiveMessages({ numberOfMessages: 1 });
      assert.match(Buffer.from(items[0]?.messageText ?? '', 'base64').toString(), /^done work \d+$/);
    });
  });

  describe('timer functions', () => {
    test('fire each second, one host alone, with the timer object', async () => {
      await host.line(/each-second .*ticked/);
      await assertSoon(() => Promise.resolve(host.lines.filter((line) => line.includes('ticked')).length >= 3));
      const line = await host.line(/ticked/);
      assert.deepEqual(JSON.parse(line.slice(line.indexOf('ticked ') + 7)), {
        timer: { schedule: { adjustForDST: true }, scheduleStatus: null, isPastDue: false },
        metadata: null,
      });
    });

    test('a failing timer is not retried before its next occurrence', async () => {
      const failures = (): number[] =>
        host.lines.filter((line) => line.endsWith('failing tick')).map((line) => Date.parse(line.slice(0, 24)));
      await assertSoon(() => Promise.resolve(failures().length >= 3));
      for (const [index, time] of failures().entries()) {
        const previous = failures()[index - 1];
        if (previous !== undefined) assert.ok(time - previous >= 800, `${time - previous} ms apart`);
      }
    });

    test('a timer runs once at a time, however long it takes', async () => {
      await assertSoon(() => Promise.resolve(host.lines.filter((line) => line.includes('long runs')).length >= 2));
      assert.ok(host.lines.every((line) => !line.includes('long runs 2')));
    });

    test('runOnStartup runs it at once, and a watched timer has a status', async () => {
      const line = await host.line(/yearly \{/);
      const timer = JSON.parse(line.slice(line.indexOf('yearly {') + 7)) as { scheduleStatus: { next: string } };
      assert.match(timer.scheduleStatus.next, /^\d{4}-01-01T00:00:00.000Z$/);
    });
  });

  describe('HTTP functions', () => {
    test('route, query, headers and body reach the handler; status, headers and jsonBody come back', async () => {
      const response = await fetch(`${url}/v1/Things/disk/a%20b?x=1&y=2&x=3`, {
        method: 'POST',
        headers: { 'x-test': 'yes' },
        body: 'the body',
      });
      assert.equal(response.status, 201);
      assert.equal(response.headers.get('x-kind'), 'disk');
      assert.equal(response.headers.get('content-type'), 'application/json');
      assert.deepEqual(await response.json(), {
        params: { kind: 'disk', id: 'a b' },
        query: [
          ['x', '1,3'],
          ['y', '2'],
        ],
        header: 'yes',
        method: 'POST',
        body: 'the body',
      });
    });

    test('an optional parameter may be left out; a literal route wins', async () => {
      const optional = await fetch(`${url}/v1/things/disk`);
      assert.deepEqual(((await optional.json()) as { params: unknown }).params, { kind: 'disk' });
      assert.equal(await (await fetch(`${url}/v1/things/fixed`)).text(), 'fixed');
    });

    test('a catch-all takes the rest of the path, and bytes pass unchanged', async () => {
      const bytes = Uint8Array.from({ length: 70_000 }, (_, index) => (index * 7) % 256);
      const response = await fetch(`${url}/v1/files/a/b.bin`, { method: 'PUT', body: bytes });
      assert.equal(response.headers.get('x-path'), 'a/b.bin');
      assert.deepEqual(new Uint8Array(await response.arrayBuffer()), bytes);
    });

    test('unknown routes, wrong methods and the wrong prefix are 404', async () => {
      assert.equal((await fetch(`${url}/v1/unknown`)).status, 404);
      assert.equal((await fetch(`${url}/v1/things/disk`, { method: 'DELETE' })).status, 404);
      assert.equal((await fetch(`${url}/api/things/disk`)).status, 404);
    });

    test('keys: none is 401, the function key opens functions, the master key opens everything', async () => {
      const status = async (path: string, headers: Record<string, string> = {}): Promise<number> =>
        (await fetch(`${url}/v1/${path}`, { headers })).status;
      assert.equal(await status('locked'), 401);
      assert.equal(await status('locked', { 'x-functions-key': 'wrong' }), 401);
      assert.equal(await status('locked', { 'x-functions-key': keys.functions }), 200);
      assert.equal(await status(`locked?code=${keys.functions}`), 200);
      assert.equal(await status('locked', { 'x-functions-key': keys.master }), 200);
      assert.equal(await status('owner', { 'x-functions-key': keys.functions }), 401);
      assert.equal(await status('owner', { 'x-functions-key': keys.master }), 200);
      for (const key of [keys.master, keys.functions]) assert.ok(!host.lines.some((line) => line.includes(key)));
    });

    test('nothing returned is 200 without a body; a failure is 500 and tells nothing', async () => {
      const nothing = await fetch(`${url}/v1/nothing`);
      assert.deepEqual([nothing.status, await nothing.text()], [200, '']);
      const broken = await fetch(`${url}/v1/broken`);
      assert.deepEqual([broken.status, await broken.text()], [500, '']);
      await host.line(/broken .*AccountKey=\*\*\* must not be seen/);
    });
  });

  describe('the admin endpoint', () => {
    async function admin(path: string, options: RequestInit = {}, key = keys.master): Promise<Response> {
      const headers = { 'x-functions-key': key, 'content-type': 'application/json' };
      return await fetch(`${url}/admin/${path}`, { ...options, headers });
    }
    const input = (text: unknown): RequestInit => ({ method: 'POST', body: JSON.stringify({ input: text }) });

    test('needs the master key, but for ping', async () => {
      assert.equal((await admin('functions', {}, keys.functions)).status, 401);
      assert.equal((await admin('functions/echo', input('x'), '')).status, 401);
      assert.equal((await admin('host/ping', {}, '')).status, 200);
    });

    test('says that the host runs, and lists the functions', async () => {
      const status = (await (await admin('host/status')).json()) as { state: string };
      assert.equal(status.state, 'Running');
      const list = (await (await admin('functions')).json()) as { name: string }[];
      assert.ok(list.some(({ name }) => name === 'echo') && list.some(({ name }) => name === 'locked'));
    });

    test('runs a queue function with the text as typed, without id and receipt', async () => {
      assert.equal((await admin('functions/Echo', input('{"mark":"by-hand"}'))).status, 202);
      const { message, metadata } = await echoed('by-hand');
      assert.deepEqual(message, { mark: 'by-hand' });
      assert.equal(metadata['id'], undefined);
      assert.equal(metadata['popReceipt'], undefined);
      assert.equal(metadata['dequeueCount'], 0);
    });

    test('runs a timer with an ordinary timer object, whatever was typed', async () => {
      const from = host.lines.length;
      assert.equal((await admin('functions/yearly', input('{"nonsense":1}'))).status, 202);
      const line = await host.line(/yearly \{/, from);
      assert.match(line, /"isPastDue":false/);
    });

    test('unknown names are 404, HTTP functions and other bodies 400', async () => {
      assert.equal((await admin('functions/unknown', input('x'))).status, 404);
      assert.equal((await admin('functions/open', input('x'))).status, 400);
      assert.equal((await admin('functions/echo', input({ no: 'text' }))).status, 400);
      assert.equal((await admin('functions/echo', { method: 'POST', body: 'not json' })).status, 400);
    });
  });

  async function assertSoon(look: () => Promise<boolean>): Promise<void> {
    for (const begun = performance.now(); performance.now() - begun < 20_000;) {
      if (await look()) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.fail(`did not happen; the host said:\n${host.lines.join('\n')}`);
  }
});

describe("the host's end", () => {
  let azurite: Azurite;
  before(async () => {
    azurite = await startAzurite();
  });
  after(async () => {
    await azurite.stop();
  });

  async function inWork(host: HostProcess): Promise<QueueServiceClient> {
    await host.ready();
    const queues = QueueServiceClient.fromConnectionString(azurite.connectionString);
    await queues.getQueueClient('slow').sendMessage(base64('the work'));
    await host.line(/slow begins/);
    return queues;
  }

  test('SIGTERM: a message in work is finished, its output written, then the host ends with 0', async () => {
    const host = await spawnHost(fixture('app'), environment(azurite));
    try {
      const queues = await inWork(host);
      host.signal('SIGTERM');
      assert.equal(await host.ended(), 0);
      await host.line(/slow ends/);
      assert.equal((await queues.getQueueClient('slow').getProperties()).approximateMessagesCount, 0);
      const { peekedMessageItems: items } = await queues.getQueueClient('slow-done').peekMessages();
      assert.equal(items[0]?.messageText, base64('done the work'));
    } finally {
      await host.dispose();
    }
  });

  test('SIGKILL: the message in work stays invisible for about ten minutes', async () => {
    const host = await spawnHost(fixture('app'), environment(azurite));
    try {
      const queues = await inWork(host);
      host.signal('SIGKILL');
      assert.equal(await host.ended(), 'SIGKILL');
      const queue = queues.getQueueClient('slow');
      assert.equal((await queue.getProperties()).approximateMessagesCount, 1);
      assert.equal((await queue.receiveMessages()).receivedMessageItems.length, 0);
      assert.deepEqual((await queue.peekMessages()).peekedMessageItems, []);
    } finally {
      await host.dispose();
    }
  });

  test('keys stay the same from start to start', async () => {
    const before = await readKeys(azurite.connectionString, HOST_ID);
    const host = await spawnHost(fixture('app'), environment(azurite));
    try {
      await host.ready();
      assert.deepEqual(await readKeys(azurite.connectionString, HOST_ID), before);
      assert.ok(before);
    } finally {
      await host.dispose();
    }
  });

  test('an unhandled rejection ends the process with 1, and every invocation with it', async () => {
    const host = await spawnHost(fixture('app'), environment(azurite));
    try {
      const url = await host.ready();
      await assert.rejects(fetch(`${url}/v1/rejecting`));
      assert.equal(await host.ended(), 1);
      await host.line(/critical .*nobody waits for this/);
    } finally {
      await host.dispose();
    }
  });
});

describe('an app that cannot run', () => {
  const storage = {
    AzureWebJobsStorage: 'UseDevelopmentStorage=true',
    ECHO_QUEUE: 'echo-in',
    EACH_SECOND: '* * * * * *',
  };
  const cases: { name: string; app: string; environment: Record<string, string>; says: RegExp }[] = [
    {
      name: 'its entry point throws',
      app: 'throws',
      environment: storage,
      says: /main\.ts failed to load, so no function runs: the entry point gave up/,
    },
    {
      name: 'a name is taken twice',
      app: 'duplicate',
      environment: storage,
      says: /named "twice" is registered already/,
    },
    {
      name: 'a setting that a binding names is missing',
      app: 'app',
      environment: { AzureWebJobsStorage: storage.AzureWebJobsStorage, EACH_SECOND: '* * * * * *' },
      says: /echo: queueName is "%ECHO_QUEUE%", but the setting ECHO_QUEUE is missing/,
    },
    {
      name: 'the storage connection is missing',
      app: 'app',
      environment: { ECHO_QUEUE: 'echo-in', EACH_SECOND: '* * * * * *' },
      says: /connection AzureWebJobsStorage is missing/,
    },
    { name: 'there is no app', app: 'nowhere', environment: storage, says: /host\.json is missing/ },
  ];
  for (const { name, app, environment, says } of cases) {
    test(`${name}: one clear line, exit code 1`, async () => {
      const host = await spawnHost(fixture(app), environment);
      try {
        assert.equal(await host.ended(), 1);
        assert.match(host.lines.at(-1) ?? '', says);
      } finally {
        await host.dispose();
      }
    });
  }
});
