/** The queue listener against a real queue, with an invisibility short enough to watch it. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { QueueServiceClient } from '@azure/storage-queue';
import type { QueueClient } from '@azure/storage-queue';
import type { QueueSettings } from '../../../src/local/host/host-json.ts';
import { createLog } from '../../../src/local/host/log.ts';
import { QueueListener } from '../../../src/local/host/queue-listener.ts';
import { startAzurite } from '../../support/azurite.ts';
import type { Azurite } from '../../support/azurite.ts';

const SETTINGS: QueueSettings = {
  batchSize: 4,
  newBatchThreshold: 2,
  maxDequeueCount: 3,
  maxPollingIntervalMs: 100,
  visibilityTimeoutMs: 0,
  messageEncoding: 'base64',
};

/** Shortest that leaves a renewal at half time in whole seconds. */
const INVISIBILITY_MS = 2000;

describe('QueueListener', () => {
  let azurite: Azurite;
  let service: QueueServiceClient;
  let number = 0;

  before(async () => {
    azurite = await startAzurite();
    service = QueueServiceClient.fromConnectionString(azurite.connectionString);
  });
  after(async () => {
    await azurite.stop();
  });

  /** A listener on a queue of its own; `run` is the function. */
  async function listen(
    run: (text: string, dequeueCount: number) => Promise<boolean>,
    settings: Partial<QueueSettings> = {},
  ): Promise<{ queue: QueueClient; poison: QueueClient; listener: QueueListener; lines: string[] }> {
    number += 1;
    const queue = service.getQueueClient(`listened-${number}`);
    const lines: string[] = [];
    const log = createLog((line) => lines.push(line));
    log.limit(new Map([['default', 'trace']]));
    const listener = new QueueListener(
      {
        queue,
        queueNamed: (name) => service.getQueueClient(name),
        settings: { ...SETTINGS, ...settings },
        run: (text, properties) => run(text, properties.dequeueCount),
        log,
      },
      INVISIBILITY_MS,
    );
    await listener.start();
    return { queue, poison: service.getQueueClient(`${queue.name}-poison`), listener, lines };
  }

  const body = (text: string): string => Buffer.from(text).toString('base64');

  test('holds a message for as long as its function works, and deletes it by the renewed receipt', async () => {
    const calls: number[] = [];
    const { queue, listener, lines } = await listen(async (_, dequeueCount) => {
      calls.push(dequeueCount);
      await sleep(INVISIBILITY_MS * 1.6);
      return true;
    });
    await queue.sendMessage(body('long'));
    await sleep(INVISIBILITY_MS * 1.5);
    await listener.stop();
    assert.deepEqual(calls, [1]);
    assert.equal((await queue.getProperties()).approximateMessagesCount, 0, lines.join('\n'));
  });

  test('a message that killed hosts as often as it may be tried goes to poison without another try', async () => {
    const { queue, poison, listener, lines } = await listen(() => Promise.resolve(true));
    await listener.stop();
    await queue.sendMessage(body('killer'));
    for (let kill = 0; kill < SETTINGS.maxDequeueCount; kill += 1) {
      await queue.receiveMessages({ visibilityTimeout: 1 });
      await sleep(1100);
    }
    const calls: string[] = [];
    const again = new QueueListener(
      {
        queue,
        queueNamed: (name) => service.getQueueClient(name),
        settings: SETTINGS,
        run: (text) => {
          calls.push(text);
          return Promise.resolve(true);
        },
        log: createLog((line) => lines.push(line)),
      },
      INVISIBILITY_MS,
    );
    await again.start();
    await soon(() => lines.some((line) => line.includes('fetched too often')));
    await again.stop();
    assert.deepEqual(calls, []);
    assert.equal((await poison.peekMessages()).peekedMessageItems[0]?.messageText, body('killer'));
  });

  test('what is not UTF-8 counts as failed tries; plain text needs no base64 under "none"', async () => {
    const calls: string[] = [];
    const run = (text: string): Promise<boolean> => {
      calls.push(text);
      return Promise.resolve(true);
    };
    const strict = await listen(run);
    await strict.queue.sendMessage(Buffer.from([0xff, 0xfe, 0x80]).toString('base64'));
    await soon(() => strict.lines.some((line) => line.includes('moved to')));
    await strict.listener.stop();
    assert.equal(strict.lines.filter((line) => line.includes('is not UTF-8')).length, SETTINGS.maxDequeueCount);

    const plain = await listen(run, { messageEncoding: 'none' });
    await plain.queue.sendMessage('plain text');
    await soon(() => calls.length === 1);
    await plain.listener.stop();
    assert.deepEqual(calls, ['plain text']);
  });

  test('a message that somebody else took over is left to them', async () => {
    const { queue, listener, lines } = await listen(async () => {
      await queue.clearMessages();
      return false;
    });
    await queue.sendMessage(body('taken'));
    await soon(() => lines.some((line) => line.includes('no longer ours')));
    await listener.stop();
    assert.ok(!lines.some((line) => / error /.test(line)));
  });

  test('a failed message in a poison queue is not moved on', async () => {
    const poison = service.getQueueClient('some-poison');
    const lines: string[] = [];
    let calls = 0;
    const listener = new QueueListener(
      {
        queue: poison,
        queueNamed: (name) => service.getQueueClient(name),
        settings: { ...SETTINGS, maxDequeueCount: 1 },
        run: () => {
          calls += 1;
          return Promise.resolve(false);
        },
        log: createLog((line) => lines.push(line)),
      },
      INVISIBILITY_MS,
    );
    await listener.start();
    await poison.sendMessage(body('twice dead'));
    await soon(() => calls === 1);
    await listener.stop();
    assert.equal((await poison.getProperties()).approximateMessagesCount, 1);
    assert.equal(await service.getQueueClient('some-poison-poison').exists(), false);
  });

  test('messages that cannot be fetched are tried again', async () => {
    const calls: string[] = [];
    const { queue, listener, lines } = await listen((text) => {
      calls.push(text);
      return Promise.resolve(true);
    });
    await queue.delete();
    await soon(() => lines.some((line) => line.includes('cannot be fetched')));
    await queue.createIfNotExists();
    await queue.sendMessage(body('back'));
    await soon(() => calls.length === 1);
    await listener.stop();
    assert.deepEqual(calls, ['back']);
  });
});

async function soon(look: () => boolean): Promise<void> {
  for (const begun = performance.now(); performance.now() - begun < 15_000;) {
    if (look()) return;
    await sleep(20);
  }
  assert.fail('did not happen');
}
