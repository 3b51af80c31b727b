/** What every Queues adapter must do: the promises of src/ports/queue.ts, one test each. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Queues, TakenMessage } from '../../src/ports/queue.ts';
import { failsWith } from '../support/fails-with.ts';
import type { Subject } from './subject.ts';

const HOUR_MS = 3_600_000;

export interface QueuesSubject extends Subject<Queues> {
  /** Makes a queue that nobody else uses. */
  readonly queue: () => Promise<string>;
  /** Lets that much time pass: the clock's, or real. */
  readonly pass: (ms: number) => Promise<void>;
}

export function queuesContract({ open, queue, pass, fresh }: QueuesSubject): void {
  const text = ({ body }: TakenMessage): string => Buffer.from(body, 'base64').toString('utf8');

  describe('Queues', () => {
    test('a text arrives as base64 of its UTF-8', async () => {
      const [queues, name] = [open(), await queue()];
      await queues.send(name, '{"größe": "10 €"}');
      const [taken] = await queues.take(name, { countMax: 1, hiddenMs: HOUR_MS });
      assert.equal(taken?.body, Buffer.from('{"größe": "10 €"}').toString('base64'));
    });

    test('a taken message is hidden, comes back after its time, and is gone once it is done', async () => {
      const [queues, name] = [open(), await queue()];
      await queues.send(name, 'once');
      assert.equal((await queues.take(name, { countMax: 32, hiddenMs: 1000 })).length, 1);
      assert.equal((await queues.take(name, { countMax: 32, hiddenMs: 1000 })).length, 0);
      await pass(1500);
      const [again] = await queues.take(name, { countMax: 32, hiddenMs: 1000 });
      assert(again);
      await again.done();
      await pass(1500);
      assert.equal((await queues.take(name, { countMax: 32, hiddenMs: 1000 })).length, 0);
    });

    test('who lost a message to another taker cannot delete it', async () => {
      const [queues, name] = [open(), await queue()];
      await queues.send(name, 'contested');
      const [slow] = await queues.take(name, { countMax: 1, hiddenMs: 1000 });
      await pass(1500);
      const [quick] = await queues.take(name, { countMax: 1, hiddenMs: HOUR_MS });
      assert(slow && quick);
      await assert.rejects(slow.done(), failsWith('NOT_FOUND'));
      await quick.done();
    });

    test('a message is there after its delay, not before', async () => {
      const [queues, name] = [open(), await queue()];
      await queues.send(name, 'later', { delayMs: 1000 });
      assert.equal((await queues.take(name, { countMax: 1, hiddenMs: 1000 })).length, 0);
      await pass(1500);
      assert.equal((await queues.take(name, { countMax: 1, hiddenMs: 1000 })).map(text)[0], 'later');
    });

    test('no more are taken than asked for, 32 at most are asked for, and none twice', async () => {
      const [queues, name] = [open(), await queue()];
      for (let index = 0; index < 40; index += 1) await queues.send(name, String(index));
      const first = await queues.take(name, { countMax: 32, hiddenMs: HOUR_MS });
      const second = await queues.take(name, { countMax: 5, hiddenMs: HOUR_MS });
      const third = await queues.take(name, { countMax: 32, hiddenMs: HOUR_MS });
      assert.deepEqual([first.length, second.length, third.length], [32, 5, 3]);
      assert.equal(new Set([...first, ...second, ...third].map(text)).size, 40);
    });

    test('a queue that does not exist has no messages', async () => {
      assert.deepEqual(await open().take(fresh('nowhere'), { countMax: 1, hiddenMs: 1000 }), []);
    });

    test('a text too long for a message is refused before it is sent', async () => {
      const [queues, name] = [open(), await queue()];
      await queues.send(name, 'x'.repeat(48 * 1024));
      await assert.rejects(queues.send(name, 'x'.repeat(48 * 1024 + 1)), failsWith('MESSAGE_INVALID'));
      assert.equal((await queues.take(name, { countMax: 32, hiddenMs: 1000 })).length, 1);
    });
  });
}
