/**
 * A delta that comes damaged many times over: each ask names a form that no entry has, whatever the order in which storage
 * lists them (`literal-10` before `literal-2`), and the first sound one is found.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sound, start } from '../start.ts';

const DAMAGED = 40;

test('every ask is for a form that is free, and what comes in it is taken', async () => {
  const { storage, site, worker } = await start();
  await worker.receive(site.inline(site.next()));
  const lost = site.next({ marker: 'm' });
  await storage.entries.create(site.entryPlace(lost, 'literal-1'), Buffer.from('damaged'));
  await worker.receive(site.naming(lost, 'literal-1'));
  const asked: string[] = [];
  for (let count = 0; count < DAMAGED; count += 1) {
    const [ask, ...others] = (await storage.volume(site)).resend;
    assert(ask && others.length === 0);
    assert.deepEqual([ask.number, asked.includes(ask.form)], [2, false], `${ask.form} is asked for twice`);
    asked.push(ask.form);
    const form = `literal-${Number(ask.form.slice('literal-'.length))}` as const;
    assert.equal(await storage.entries.create(site.entryPlace(lost, form), Buffer.from('damaged')), 'created', form);
    await worker.receive(site.naming(lost, form));
  }
  const last = (await storage.volume(site)).resend[0]?.form ?? '';
  const message = await site.put(storage.entries, lost, `literal-${Number(last.slice('literal-'.length))}`);
  await worker.receive(message);
  await sound(storage, site, { applied: 2, points: 1 });
});

test('one that is acknowledged and rots, over and over, is found in whichever entry is sound', async () => {
  const { storage, site, worker } = await start();
  const lost = site.next({ marker: 'm' });
  const dying = storage.worker({}, async ({ port, proceed }) => {
    if (port === 'replicas') throw new Error('dead');
    return proceed();
  });
  await dying.receive(await site.put(storage.entries, lost, 'literal-1')).catch(() => undefined);
  assert.deepEqual((await storage.generation(site)).tip.number, 1);
  storage.entries.overwrite(site.entryPlace(lost, 'literal-1'), Buffer.from('damaged'));
  storage.clock.advance(60_000);
  for (let attempt = 2; attempt <= DAMAGED; attempt += 1) {
    await storage.entries.create(site.entryPlace(lost, `literal-${attempt}`), Buffer.from('damaged'));
  }
  await worker.sweep();
  const [ask] = (await storage.volume(site)).resend;
  assert.equal(ask?.form, `literal-${DAMAGED + 1}`);
  await worker.receive(await site.put(storage.entries, lost, `literal-${DAMAGED + 1}`));
  await worker.sweep();
  await sound(storage, site, { applied: 1, points: 1 });
});

test('where the highest form is taken, a lower one is asked for', async () => {
  const { storage, site, worker } = await start();
  const lost = site.next({ marker: 'm' });
  for (const form of ['literal-1', 'literal-9999'] as const) {
    await storage.entries.create(site.entryPlace(lost, form), Buffer.from('damaged'));
  }
  await worker.receive(site.naming(lost, 'literal-9999'));
  assert.equal((await storage.volume(site)).resend[0]?.form, 'literal-2');
  await worker.receive(await site.put(storage.entries, lost, 'literal-2'));
  await sound(storage, site, { applied: 1, points: 1 });
});
