/** A delta that takes longer to write than a claim lasts: its worker renews, and the others wait instead of rewriting it. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Documents } from '../../src/documents/store.ts';
import { currentGeneration, volumeKind } from '../../src/documents/volume.ts';
import type { Figures } from '../../src/replica/apply/apply.ts';
import { PAGE_BLOB_LIMITS } from '../../src/replica/plan/cost.ts';
import { SystemClock } from '../../src/system/clock.ts';
import { Worker } from '../support/data-path.ts';
import { MemoryEntries } from '../support/memory/entries.ts';
import { intercept } from '../support/memory/intercept.ts';
import { MemoryQueues } from '../support/memory/queues.ts';
import { MemoryReplicaStore } from '../support/memory/replica-store.ts';
import { MemoryState } from '../support/memory/state.ts';
import { SiteFixture } from '../support/site-fixture.ts';

const EXTENTS = 1000;
const REQUEST_MS = 5;
/** Well below what the writes take: EXTENTS × REQUEST_MS / 4 in flight. */
const CLAIM_MS = 600;

/** Bytes are so dear that no gap is bridged: each extent is a request. */
const FIGURES: Figures = { costs: { requestsPerS: 1000, bytesPerS: 1 }, limits: PAGE_BLOB_LIMITS };

interface World {
  readonly workers: readonly Worker[];
  readonly message: unknown;
  readonly writes: () => number;
  readonly applied: () => Promise<number>;
  /** From this write on, the first worker's requests hang. */
  stallAfter: number;
}

async function slowWorld(): Promise<World> {
  const clock = new SystemClock();
  const state = new MemoryState(clock);
  const replicas = new MemoryReplicaStore();
  const documents = new Documents(state);
  const site = await new SiteFixture({ volumeBytes: 4 * 1024 * 1024 }).register(documents);
  const entries = new MemoryEntries();
  const shared = { state, entries, queues: new MemoryQueues(clock), clock };
  let writes = 0;
  const world: { stallAfter: number } = { stallAfter: Infinity };
  const workers = [0, 1].map((index) => {
    const slow = intercept(replicas, async ({ method, proceed }) => {
      await sleep(REQUEST_MS);
      if (method === 'writePages') writes += 1;
      if (index === 0 && writes > world.stallAfter) await sleep(4 * CLAIM_MS);
      return proceed();
    });
    return new Worker({ ...shared, replicas: slow }, { claimMs: CLAIM_MS, budgetMs: 30_000, figures: FIGURES });
  });
  const extents = Array.from({ length: EXTENTS }, (_, at) => ({
    offset: at * 2048,
    bytes: Buffer.alloc(512, 1 + (at % 255)),
  }));
  const message = await site.put(entries, site.next({ extents, marker: 'm' }), 'literal-1');
  return Object.assign(world, {
    workers,
    message,
    writes: () => writes,
    applied: async () => currentGeneration((await documents.need(volumeKind, site.documentName)).value).applied.number,
  });
}

suite('a delta that is written longer than its claim lasts', () => {
  test('is written once, whoever else has its message', async () => {
    const world = await slowWorld();
    const outcomes = await Promise.all(world.workers.map((worker) => worker.receive(world.message)));
    assert.equal(await world.applied(), 1);
    // The footer, and each extent once: nobody adopted a claim whose worker lives.
    assert.equal(world.writes(), EXTENTS + 1, JSON.stringify(outcomes));
  });

  test('is finished by another once its worker stalls, and that worker gives up', async () => {
    const world = await slowWorld();
    world.stallAfter = 100;
    await Promise.all(world.workers.map((worker) => worker.receive(world.message)));
    assert.equal(await world.applied(), 1);
    assert.ok(world.writes() < 2 * EXTENTS, `${world.writes()} writes`);
  });
});
