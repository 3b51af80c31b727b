/**
 * A crash at every request of an apply, before it took effect and after, with the site gone for ever: whoever sweeps
 * next ends at the tip, and at no moment is anything offered that is not a valid disk of the volume as it once was.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { SignedMessage } from '../../src/protocol/signed.ts';
import { MemoryStorage } from '../support/data-path.ts';
import type { Worker, WorkerOptions } from '../support/data-path.ts';
import { offerProblem, replicaProblem } from '../support/replica-check.ts';
import { SiteFixture } from '../support/site-fixture.ts';
import type { Reference } from '../support/site-fixture.ts';
import { MIB, PAGE_BYTES } from '../../src/kernel/units.ts';
import type { Figures } from '../../src/replica/apply/apply.ts';
import { PAGE_BLOB_COSTS } from '../../src/replica/plan/cost.ts';
import { sound } from './start.ts';

interface Scenario {
  readonly what: string;
  /** What has happened before, without a fault. */
  readonly before: (worker: Worker, site: SiteFixture, storage: MemoryStorage) => Promise<void>;
  /** The messages that the worker that crashes is given, one after the other. */
  readonly messages: (site: SiteFixture, storage: MemoryStorage) => Promise<SignedMessage[]> | SignedMessage[];
  readonly points: number;
  /** For the planner; by the page blob's own it would be two requests, whatever is in so small a delta. */
  readonly figures?: Figures;
}

async function listed(storage: MemoryStorage, site: SiteFixture): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of storage.entries.list(site.journal, '')) names.push(name);
  return names;
}

async function receive(worker: Worker, messages: readonly SignedMessage[]): Promise<void> {
  for (const message of messages) await worker.receive(message);
}

const SCENARIOS: readonly Scenario[] = [
  {
    what: 'the first delta, which brings the footer',
    before: async () => undefined,
    messages: (site) => [site.inline(site.next())],
    points: 0,
  },
  {
    what: 'the first delta with a marker, out of the journal',
    before: async () => undefined,
    messages: async (site, storage) => [await site.put(storage.entries, site.next({ marker: 'm' }))],
    points: 1,
  },
  {
    what: 'a later delta of many requests, reads of gaps among them',
    before: async (worker, site) =>
      receive(worker, [site.inline(site.next({ marker: 'm' })), site.inline(site.next())]),
    messages: (site) => {
      const extents = Array.from({ length: 9 }, (_, index) =>
        index % 3 === 2
          ? { offset: index * 2048, zerosBytes: 1024 }
          : { offset: index * 2048, bytes: Buffer.alloc(1024, index + 1) },
      );
      return [site.inline(site.next({ extents }))];
    },
    points: 1,
    figures: { costs: PAGE_BLOB_COSTS, limits: { writeBytesMax: 14 * PAGE_BYTES, readBytesMax: 8 * PAGE_BYTES } },
  },
  {
    what: 'two deltas with markers, and retention that drops a point',
    before: async (worker, site) =>
      receive(worker, [site.inline(site.next({ marker: 'm1' })), site.inline(site.next({ marker: 'm2' }))]),
    messages: (site) => [site.inline(site.next({ marker: 'm3' })), site.inline(site.next({ marker: 'm4' }))],
    points: 2,
  },
  {
    what: 'early deltas, then the one that was missing',
    before: async (worker, site) => receive(worker, [site.inline(site.next({ marker: 'm' }))]),
    messages: (site) => {
      const [second, third, fourth] = [site.next(), site.next({ marker: 'late' }), site.next()];
      return [fourth, third, second].map((delta) => site.inline(delta));
    },
    points: 2,
  },
  {
    what: 'a delta that grows the disk and writes where its footer stood, then one that shrinks it',
    before: async (worker, site) => receive(worker, [site.inline(site.next({ marker: 'm' }))]),
    messages: (site) => {
      const extents = [{ offset: MIB - PAGE_BYTES, bytes: Buffer.alloc(2 * PAGE_BYTES, 3) }];
      return [
        site.inline(site.next({ extents, volumeBytes: 2 * MIB, marker: 'grown' })),
        site.inline(site.next({ extents: [], volumeBytes: MIB / 2, marker: 'shrunk' })),
      ];
    },
    points: 2,
  },
  {
    what: 'a delta that refers to pages that it overwrites, and to another entry',
    before: async (worker, site) => {
      const extents = [{ offset: 0, bytes: Buffer.concat([Buffer.alloc(4096, 1), Buffer.alloc(4096, 2)]) }];
      return receive(worker, [site.inline(site.next({ extents, marker: 'm' }))]);
    },
    messages: async (site, storage) => {
      const [source] = (await listed(storage, site)).filter((name) => name.endsWith('-literal-1.delta'));
      const swapped = [Buffer.alloc(4096, 2), Buffer.alloc(4096, 1), Buffer.alloc(4096, 2)];
      const delta = site.next({ extents: [{ offset: 0, bytes: Buffer.concat(swapped) }], marker: 'swapped' });
      const refer = ({ offset }: { offset: number }): Reference =>
        offset < 8192 || source === undefined ? { at: 4096 - offset } : { entry: source, at: 4096 };
      return [site.inline(site.referring(delta, refer))];
    },
    points: 2,
  },
  {
    what: 'a backlog that a dead worker left, adopted by one that dies too',
    before: async (_, site, storage) => {
      const dead = storage.worker({ budgetMs: 1000 }, async ({ port, proceed }) => {
        if (port === 'replicas') throw new Error('dead');
        return proceed();
      });
      for (let count = 1; count <= 3; count += 1) {
        await dead.receive(site.inline(site.next({ marker: `m${count}` }))).catch(() => undefined);
      }
      storage.clock.advance(60_000);
    },
    messages: (site) => [site.inline(site.next())],
    points: 2,
  },
];

/** Runs a scenario with a crash at call `at`; false when there are not that many calls. */
async function crash(scenario: Scenario, at: number, when: 'before' | 'after', endsTerm: boolean): Promise<boolean> {
  const storage = new MemoryStorage();
  const site = await new SiteFixture().register(storage.documents);
  const options: WorkerOptions = { snapshotsKept: 2, ...(scenario.figures && { figures: scenario.figures }) };
  await scenario.before(storage.worker(options), site, storage);
  const messages = await scenario.messages(site, storage);
  const where = `${scenario.what}: crash ${when} call ${at}`;

  let calls = 0;
  let dead = false;
  const log: string[] = [];
  const looked = new Set<string>();
  const looking = async ({ port, method, proceed }: Parameters<Parameters<MemoryStorage['worker']>[1] & {}>[0]) => {
    if (dead) throw new Error('dead');
    const mine = calls++ === at;
    if (mine && when === 'before') {
      dead = true;
      throw new Error('dead');
    }
    const answer = await proceed();
    log.push(`${port}.${method}`);
    assert.equal(await offerProblem(storage, site, looked), undefined, `${where}, after ${log.join(' ')}`);
    if (mine) {
      dead = true;
      throw new Error('dead');
    }
    return answer;
  };
  const crashing = storage.worker(options, looking);
  const answered: SignedMessage[] = [];
  for (const message of messages) {
    await crashing.receive(message).then(
      () => answered.push(message),
      () => undefined,
    );
  }
  const died = dead;

  // The site is gone for ever: only the sweep is left, and what had been answered is not sent again.
  dead = false;
  calls = at + 1;
  storage.clock.advance(60_000);
  const rescuer = storage.worker(options, looking);
  if (endsTerm) await rescuer.engine.endTerm(site.ref, 1);
  const { failed } = await rescuer.sweep();
  assert.deepEqual(failed, [], where);
  const { tip, applied, claim } = await storage.generation(site);
  assert.equal(claim, null, where);
  assert.equal(applied.number, tip.number, where);
  if (tip.number > 0)
    assert.equal(await replicaProblem(storage.replicas, site, { number: tip.number }), undefined, where);
  if (endsTerm) return died;

  // The host gives the messages that were not answered once more.
  for (const message of messages.filter((each) => !answered.includes(each))) await rescuer.receive(message);
  await sound(storage, site, { applied: site.last, points: scenario.points });
  return died;
}

describe('a crash at every call', () => {
  for (const scenario of SCENARIOS) {
    for (const endsTerm of [false, true]) {
      test(`${scenario.what}${endsTerm ? ', and then the term ends' : ''}`, async () => {
        let at = 0;
        for (let died = true; died; at += 1) {
          const results = [await crash(scenario, at, 'before', endsTerm), await crash(scenario, at, 'after', endsTerm)];
          died = results.includes(true);
        }
        assert(at > 8, `only ${at} calls were seen`);
      });
    }
  }
});
