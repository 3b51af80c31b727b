import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { openSiteStore } from '../../src/system/site-store.ts';

const folder = mkdtempSync(join(tmpdir(), 'leeward-store-'));
after(() => {
  rmSync(folder, { recursive: true });
});

test('what a crash left half written is gone at the next start', async () => {
  const at = join(folder, 'torn');
  const store = await openSiteStore(at);
  await store.putDelta(1, Buffer.from('whole'));
  await store.close();
  writeFileSync(join(at, 'outbox', '0000000002.delta.tmp'), 'ha');
  writeFileSync(join(at, 'state.json.tmp'), 'ha');
  const again = await openSiteStore(at);
  assert.deepEqual(await again.listDeltas(), [{ number: 1, sizeBytes: 5 }]);
  assert.equal(await again.readState(), undefined);
  assert.deepEqual(readdirSync(join(at, 'outbox')), ['0000000001.delta']);
  await again.close();
});

test('one process has a folder at a time; one that is gone has none', async () => {
  const at = join(folder, 'locked');
  const store = await openSiteStore(at);
  await assert.rejects(openSiteStore(at), { code: 'CONFLICT', message: new RegExp(`process ${process.pid}`) });
  const lock = readFileSync(join(at, 'lock'), 'ascii');
  await store.close();

  const child = spawn(process.execPath, ['--eval', ''], { stdio: 'ignore' });
  await once(child, 'exit');
  writeFileSync(join(at, 'lock'), lock.replace(/^\d+/, String(child.pid)));
  await (await openSiteStore(at)).close();

  // The same number, as a container's first process has it each time, and another start.
  const later = lock.replace(/\d+$/, (tick) => String(Number(tick) + 1));
  assert.notEqual(later, lock);
  writeFileSync(join(at, 'lock'), later);
  await (await openSiteStore(at)).close();
  // The lock as it was before it named a start, and the same number in an earlier life of the machine.
  writeFileSync(join(at, 'lock'), lock.replace(/\/\d+$/, ''));
  await (await openSiteStore(at)).close();
  writeFileSync(join(at, 'lock'), `${process.pid} 00000000-0000-0000-0000-000000000000`);
  await (await openSiteStore(at)).close();
});

test('of many that find a stale lock at once, one takes it over', async () => {
  const at = join(folder, 'raced');
  for (let round = 0; round < 20; round += 1) {
    await (await openSiteStore(at)).close();
    writeFileSync(join(at, 'lock'), '1 00000000-0000-0000-0000-000000000000/1');
    const opened = await Promise.allSettled(Array.from({ length: 6 }, () => openSiteStore(at)));
    const stores = opened.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    assert.equal(stores.length, 1);
    for (const store of stores) await store.close();
    assert.deepEqual(readdirSync(at).sort(), ['index', 'outbox']);
  }
});

test('nobody else may read what is kept', async () => {
  const at = join(folder, 'private');
  const store = await openSiteStore(at);
  await store.writeState('{}');
  await store.putDelta(1, Buffer.from('x'));
  for (const name of ['', 'outbox']) assert.equal(statSync(join(at, name)).mode & 0o777, 0o700);
  for (const name of ['state.json', 'index', 'outbox/0000000001.delta']) {
    assert.equal(statSync(join(at, name)).mode & 0o777, 0o600, name);
  }
  await store.close();
});
