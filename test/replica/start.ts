/** The beginning and the end of a test of the data path. */
import assert from 'node:assert/strict';
import { hasWork } from '../../src/documents/volume.ts';
import type { IngestOutcome } from '../../src/replica/intake/ingest.ts';
import { MemoryStorage } from '../support/data-path.ts';
import type { Worker, WorkerOptions } from '../support/data-path.ts';
import { offerProblem, replicaProblem } from '../support/replica-check.ts';
import { ACCOUNT, SiteFixture } from '../support/site-fixture.ts';
import type { SiteOptions } from '../support/site-fixture.ts';

/** Storage in memory with one registered volume and one worker. */
export async function start(
  options: SiteOptions = {},
  workerOptions: WorkerOptions = {},
): Promise<{ storage: MemoryStorage; site: SiteFixture; worker: Worker }> {
  const storage = new MemoryStorage();
  const site = await new SiteFixture(options).register(storage.documents);
  return { storage, site, worker: storage.worker(workerOptions) };
}

/** Nothing is left to do, the replica is the model after `applied`, and what is offered is right. */
export async function sound(
  storage: MemoryStorage,
  site: SiteFixture,
  expected: { readonly applied: number; readonly points?: number },
): Promise<void> {
  const volume = await storage.volume(site);
  const { applied, tip, snapshots } = await storage.generation(site);
  assert.equal(applied.number, expected.applied);
  assert.equal(tip.number, expected.applied);
  assert.equal(hasWork(volume), false);
  assert.equal(volume.trouble, null);
  assert.deepEqual(volume.resend, []);
  assert.equal(snapshots.length, expected.points ?? 0);
  assert.equal(await replicaProblem(storage.replicas, site, { number: expected.applied }), undefined);
  assert.equal(await offerProblem(storage, site), undefined);
}

/** The message was set aside: its reason, after a look at what is kept. */
export async function reasonOf(storage: MemoryStorage, outcome: IngestOutcome): Promise<string> {
  assert.equal(outcome.outcome, 'set-aside');
  assert(!outcome.reason.includes('\n'), `more than one line: ${outcome.reason}`);
  const body = { account: ACCOUNT, container: 'aside', blob: outcome.aside };
  assert(await storage.entries.read(body, 1_000_000), 'the body is not kept');
  const reason = await storage.entries.read({ ...body, blob: outcome.aside.replace(/body$/, 'reason.json') }, 10_000);
  const told: unknown = JSON.parse(Buffer.from(reason ?? '').toString());
  assert(typeof told === 'object' && told !== null && 'reason' in told);
  assert.equal(told.reason, outcome.reason);
  return outcome.reason;
}

/** As the host does it: a message whose function fails is given again, a few times. */
export async function deliver(worker: Worker, message: unknown, triesMax = 5): Promise<IngestOutcome> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await worker.receive(message);
    } catch (error) {
      if (tries >= triesMax) throw error;
    }
  }
}
