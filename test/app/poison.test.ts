/** The failover's poison queue: an operator's order is not lost, whatever kept the host from working on it. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { CONTAINERS, QUEUES, poisonQueue } from '../../src/kernel/names.ts';
import { deriveKey, sign } from '../../src/protocol/signed.ts';
import { MemoryStorage } from '../support/data-path.ts';
import { ACCOUNT, KEY_SECRET } from '../support/site-fixture.ts';

const order = { start: { group: 'acme/paris/shop', kind: 'unplanned', term: 1 } };
const signed = sign(deriveKey(KEY_SECRET, { signer: 'operator/alice', name: 'k1' }), 'order', order);
const poison = poisonQueue(QUEUES.failover);

async function swept(put: (storage: MemoryStorage) => void | Promise<void>): Promise<MemoryStorage> {
  const storage = new MemoryStorage();
  await put(storage);
  await storage.worker().sweep();
  return storage;
}

async function asideOf(storage: MemoryStorage): Promise<string[]> {
  const names: string[] = [];
  const place = { account: ACCOUNT, container: CONTAINERS.aside };
  for await (const { name } of storage.entries.list(place, '')) names.push(name);
  return names;
}

suite('what failed too often in the failover queue', () => {
  const ticket = { group: 'acme/paris/shop', run: 't1-unplanned-0', ticket: 3 };
  for (const [what, message] of [
    ['a signed order', signed],
    ['a ticket', ticket],
  ] as const) {
    test(`goes back when it is ${what}`, async () => {
      const storage = await swept(({ queues }) => queues.send(poison, JSON.stringify(message)));
      assert.deepEqual(storage.queues.texts(QUEUES.failover), [JSON.stringify(message)]);
      assert.deepEqual(storage.queues.texts(poison), []);
    });
  }

  for (const [what, text] of [
    ['an order whose signature is wrong', JSON.stringify({ ...signed, mac: '0'.repeat(64) })],
    ['an unsigned order', JSON.stringify(order)],
    ['rubbish', 'rubbish'],
  ] as const) {
    test(`is set aside when it is ${what}`, async () => {
      const storage = await swept(({ queues }) => queues.send(poison, text));
      assert.deepEqual(storage.queues.texts(QUEUES.failover), []);
      assert.equal((await asideOf(storage)).length, 2);
    });
  }

  test('is set aside when it is not even base64', async () => {
    const storage = await swept(({ queues }) => {
      queues.put(poison, '%%%');
    });
    assert.equal((await asideOf(storage)).length, 2);
    assert.deepEqual(storage.queues.texts(poison), []);
  });
});
