/**
 * Five kills of one message: whoever takes it dies, until the queue has given it up as poison. The site is gone for ever.
 * It must still be applied, and nothing may be left behind.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Documents } from '../../../src/documents/store.ts';
import { currentGeneration, hasWork, volumeKind } from '../../../src/documents/volume.ts';
import { QUEUES } from '../../../src/kernel/names.ts';
import { SimulatedQueues } from '../../simulation/queues.ts';
import { SeededRandom } from '../../simulation/random.ts';
import { Scheduler } from '../../simulation/scheduler.ts';
import { Worker } from '../../support/data-path.ts';
import { MemoryEntries } from '../../support/memory/entries.ts';
import { intercept } from '../../support/memory/intercept.ts';
import { MemoryReplicaStore } from '../../support/memory/replica-store.ts';
import { MemoryState } from '../../support/memory/state.ts';
import { replicaProblem } from '../../support/replica-check.ts';
import { SiteFixture } from '../../support/site-fixture.ts';

const KILLS = 5;
const HIDDEN_MS = 600_000;

class World {
  readonly scheduler = new Scheduler();
  readonly queues = new SimulatedQueues(this.scheduler, new SeededRandom(1));
  readonly state = new MemoryState(this.scheduler);
  readonly documents = new Documents(this.state);
  readonly replicas = new MemoryReplicaStore();
  readonly entries = new MemoryEntries();

  /** A worker that gets no answer any more once it has made `callsMax` calls. */
  worker(callsMax = Infinity): Worker {
    let calls = 0;
    const wrap = <T extends object>(port: T): T =>
      intercept(port, async ({ proceed }) => {
        calls += 1;
        return calls > callsMax ? new Promise(() => undefined) : proceed();
      });
    const { state, replicas, entries, queues, scheduler: clock } = this;
    const ports = { state: wrap(state), replicas: wrap(replicas), entries: wrap(entries), queues };
    return new Worker({ ...ports, clock });
  }

  /** What comes of `work`, which begins as the first thing that happens, while time passes. */
  async whilePassing<T>(work: () => Promise<T>, ms: number): Promise<T | 'never'> {
    const outcomes: T[] = [];
    this.scheduler.after(0, () => void work().then((outcome) => outcomes.push(outcome)));
    await this.scheduler.pass(ms);
    return outcomes[0] ?? 'never';
  }
}

const CASES = [
  { what: 'each before anything is kept', callsOf: (): number => 2 },
  { what: 'each one call later than the one before', callsOf: (kill: number): number => 2 + kill },
  { what: 'each three calls later than the one before', callsOf: (kill: number): number => 2 + 3 * kill },
];

describe('five kills of one message', () => {
  for (const { what, callsOf } of CASES) {
    test(what, async () => {
      const world = new World();
      const site = await new SiteFixture().register(world.documents);
      await world.queues.send(QUEUES.deltas, JSON.stringify(site.inline(site.next({ marker: 'm' }))));
      for (let kill = 1; kill <= KILLS; kill += 1) {
        const message = world.queues.work(QUEUES.deltas, HIDDEN_MS);
        assert.equal(message?.attempts, kill);
        const outcome = await world.whilePassing(
          async () => world.worker(callsOf(kill)).receive(message.text),
          HIDDEN_MS,
        );
        // The last ones may find the work done by then; they die before they have said so to the queue.
        if (callsOf(kill) === 2) assert.equal(outcome, 'never');
      }
      assert.equal(world.queues.work(QUEUES.deltas, HIDDEN_MS), undefined, 'the queue has given it up');
      assert.equal(world.queues.count(QUEUES.deltas), 1);

      const rescuer = world.worker();
      const swept = await world.whilePassing(async () => rescuer.sweep(), 60_000);
      assert(swept !== 'never');
      assert.deepEqual({ ...swept, advanced: [] }, { advanced: [], failed: [], requeued: 1, setAside: 0 });
      const again = world.queues.work(QUEUES.deltas, HIDDEN_MS);
      assert(again);
      const outcome = await world.whilePassing(async () => rescuer.receive(again.text), 60_000);
      assert(outcome !== 'never');
      assert.match(outcome.outcome, /^(applied|repeated)$/);
      again.done();

      const { value } = await world.documents.need(volumeKind, site.documentName);
      const { applied, snapshots } = currentGeneration(value);
      assert.deepEqual([applied.number, snapshots.length, hasWork(value)], [1, 1, false]);
      assert.equal(await replicaProblem(world.replicas, site, { number: 1 }), undefined);
      assert.equal(world.queues.count(QUEUES.deltas), 0);
    });
  }
});
