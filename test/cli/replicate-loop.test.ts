/** `leeward replicate --every`: heartbeats do not wait for an interval, and a site whose term has ended hears of it. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { Leeward } from '../support/command.ts';

const VOLUME = 'acme/paris/shop/data';
const GROUP = 'acme/paris/shop';
const decisions = z.array(z.looseObject({ verdict: z.string(), reason: z.string() }));
/** Looks, a second and a command apart: much longer than the window, the lease and a run take together. */
const LOOKS_MAX = 120;
const runs = z.array(z.looseObject({ state: z.string() }));

suite('replication that goes on', () => {
  let folder = '';
  let leeward: Leeward;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'leeward-loop-'));
    leeward = new Leeward(folder);
    await writeFile(join(folder, 'disk.img'), Buffer.alloc(1024 * 1024, 'a'));
    assert.equal((await leeward.run('local', 'up')).code, 0);
    const limits = ['--automatic', '--window', '10', '--lease', '6', '--stop', '1'];
    assert.equal((await leeward.run('volume', 'add', VOLUME, '--source', 'disk.img', ...limits)).code, 0);
  });
  after(async () => {
    await leeward.run('local', 'down', '--wipe');
    await rm(folder, { recursive: true, force: true });
  });

  test('is not taken for silence between its intervals', async () => {
    const loop = leeward.start('replicate', '--every', '600');
    await loop.said(/deltas 1 acknowledged/);
    // Longer than the plan's window.
    await sleep(14_000);
    assert.deepEqual(JSON.parse((await leeward.run('--json', 'decisions', GROUP)).stdout), []);
    loop.signal('SIGTERM');
    assert.equal((await loop.ended).code, 0);
  });

  test('ends in silence once it was stopped: without a guard that is reported, and a person orders the failover', async () => {
    let told = '';
    for (let looks = 0; !told.includes('report'); looks += 1) {
      assert(looks < LOOKS_MAX, told);
      await sleep(1000);
      const decided = decisions.parse(JSON.parse((await leeward.run('--json', 'decisions', GROUP)).stdout));
      told = decided.map(({ verdict, reason }) => `${verdict}: ${reason}`).join();
    }
    assert.equal((await leeward.run('failover', 'start', GROUP)).code, 0);
    let state = '';
    for (let looks = 0; state !== 'done'; looks += 1) {
      assert(looks < LOOKS_MAX, state);
      await sleep(1000);
      const [run] = runs.parse(JSON.parse((await leeward.run('--json', 'failover', 'status', GROUP)).stdout));
      state = run?.state ?? '';
    }
    const word = await leeward.run('failover', 'confirm-stopped', GROUP, '--run', 't1-unplanned-1');
    assert.equal(word.code, 4);
    assert.match(word.stderr, /not being closed by run t1-unplanned-1/);
    const { code, stderr } = await leeward.run('replicate');
    assert.equal(code, 4);
    assert.match(stderr, /may not write|term/);
  });
});
