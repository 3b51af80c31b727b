/** Limits that somebody lowered hold for what is taken in, and name themselves; what the chain has already is applied. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DELTA_LIMITS } from '../../src/delta/limits.ts';
import { LeewardError } from '../../src/kernel/errors.ts';
import { failsWith } from '../support/fails-with.ts';
import { reasonOf, sound, start } from './start.ts';

const LOWERED = { ...DELTA_LIMITS, contentBytesMax: 4096 };
/** Twice what is allowed then. */
const LARGE = { extents: [{ offset: 0, bytes: Buffer.alloc(8192, 7) }] };

test('a delta beyond a lowered limit is set aside with the name of the limit, inline and in the journal', async () => {
  const { storage, site, worker } = await start({}, { limits: LOWERED });
  await worker.receive(site.inline(site.next()));
  const large = site.next(LARGE);
  const inline = await reasonOf(storage, await worker.receive(site.inline(large)));
  assert.match(inline, /8192 raw bytes .* above the limit of 4096 \(contentBytesMax\)/);
  const entry = await reasonOf(storage, await worker.receive(await site.put(storage.entries, large)));
  assert.match(entry, /above the limit of 4096 \(contentBytesMax\)/);
  await worker.engine.advance(site.ref);
  assert.equal((await storage.generation(site)).tip.number, 1);
});

test('an entry is not even read beyond the lowered limit of its bytes', async () => {
  const { storage, site, worker } = await start({}, { limits: { ...DELTA_LIMITS, encodedBytesMax: 100 } });
  const reason = await reasonOf(storage, await worker.receive(await site.put(storage.entries, site.next())));
  assert.match(reason, /\(encodedBytesMax\)/);
});

test('what is too large is told by the volume, asked for never, and taken once the limit is raised', async () => {
  const { storage, site, worker } = await start({}, { limits: LOWERED });
  const large = await site.put(storage.entries, site.next(LARGE));
  for (let count = 0; count < 3; count += 1) await reasonOf(storage, await worker.receive(large));
  const { resend, trouble } = await storage.volume(site);
  assert.deepEqual(resend, []);
  assert.equal(trouble?.code, 'LIMIT_EXCEEDED');
  assert.match(
    trouble.message,
    /^delta 1 cannot be taken: .* limit of 4096 \(contentBytesMax\); raise that limit, or reseed/,
  );
  const raised = storage.worker();
  assert.equal((await raised.receive(large)).outcome, 'applied');
  await sound(storage, site, { applied: 1 });
});

test('a fork stays what is told, whatever is too large after it', async () => {
  const { storage, site, worker } = await start({}, { limits: LOWERED });
  const rival = site.forkAt(0);
  await worker.receive(site.inline(site.next()));
  await worker.receive(rival.inline(rival.next({ marker: 'other' })));
  assert.equal((await storage.volume(site)).trouble?.code, 'DELTA_FORKED');
  await reasonOf(storage, await worker.receive(site.inline(site.next(LARGE))));
  assert.equal((await storage.volume(site)).trouble?.code, 'DELTA_FORKED');
});

test('what the chain has already is applied, whatever has been lowered since', async () => {
  const { storage, site } = await start();
  const dying = storage.worker({}, async ({ method, proceed }) => {
    if (method === 'writePages') throw new LeewardError('UNAVAILABLE', 'no answer');
    return proceed();
  });
  await assert.rejects(dying.receive(await site.put(storage.entries, site.next(LARGE))), failsWith('UNAVAILABLE'));
  assert.equal((await storage.generation(site)).tip.number, 1);
  await storage.worker({ limits: LOWERED }).engine.advance(site.ref);
  await sound(storage, site, { applied: 1 });
});
