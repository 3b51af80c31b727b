/** A guard at work, against the cloud's own side of the lease: time, network and what it starts are played. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { suite, test } from 'node:test';
import type { z } from 'zod';
import { groupKind } from '../../../src/documents/group.ts';
import type { GroupDocument } from '../../../src/documents/group.ts';
import { siteKind } from '../../../src/documents/site.ts';
import { Documents } from '../../../src/documents/store.ts';
import { renewLeases } from '../../../src/health/doors/lease.ts';
import { receiveStopped } from '../../../src/health/doors/stopped.ts';
import { closed, openedForSite, wonBySite } from '../../../src/health/term/term.ts';
import { LeewardError } from '../../../src/kernel/errors.ts';
import { parseGroup, parseSite } from '../../../src/kernel/ids.ts';
import { documents as names } from '../../../src/kernel/names.ts';
import { leaseAnswerSchema, stoppedAnswerSchema } from '../../../src/protocol/lease.ts';
import { deriveKey, guardKey } from '../../../src/protocol/signed.ts';
import { whyNotStarted } from '../../../src/site/guard/core.ts';
import { Guard } from '../../../src/site/guard/guard.ts';
import type { GuardNews } from '../../../src/site/guard/news.ts';
import { GROUP, LEASE_MS, SITE, createWorld } from '../../failover/world.ts';
import type { World } from '../../failover/world.ts';
import { intercept } from '../../support/memory/intercept.ts';
import { MemoryNode } from '../../support/memory/node.ts';
import { WakingClock } from '../../support/memory/waking-clock.ts';

const NODE = 'north';
const RUN = 't1-unplanned-1';
const TIMES = { stopMs: 3000, killMs: 1000, answerMs: 2000 };

class GuardedSite {
  readonly world: World;
  readonly clock: WakingClock;
  readonly node: MemoryNode;
  isCut = false;
  /** The cloud answers, and cannot read or write its documents. */
  isStorageOut = false;
  /** For how long the whole machine was held still: its own clocks stood. */
  heldMs = 0;
  /** What carries an answer may do this to it. */
  tamper: (text: string) => string = (text) => text;
  readonly #stopping: AbortController[] = [];
  readonly lines: string[] = [];
  readonly news: GuardNews[] = [];

  private constructor(world: World) {
    this.world = world;
    this.clock = new WakingClock(world.clock);
    this.node = new MemoryNode(this.clock);
    this.clock.hardwareMs = () => Math.floor((this.clock.wallMs() + this.heldMs) / 1000) * 1000;
  }

  static async make(): Promise<GuardedSite> {
    const site = new GuardedSite(await createWorld());
    await site.change((group) => ({ ...group, guards: [{ node: NODE }] }));
    await site.world.documents.update(siteKind, names.site(parseSite(SITE)), (found) => ({
      ...found,
      keys: [...found.keys, { name: guardKey(NODE), state: 'active' as const }],
    }));
    return site;
  }

  async change(edit: (group: GroupDocument, lastModifiedMs: number) => GroupDocument | undefined): Promise<void> {
    await this.world.documents.update(groupKind, names.group(parseGroup(GROUP)), (found, { lastModifiedMs }) =>
      edit(found, lastModifiedMs),
    );
  }

  /** Closes the term, as a run does it. */
  async close(): Promise<void> {
    await this.change((group, lastModifiedMs) =>
      closed({ ...group, run: RUN }, { run: RUN, actor: { kind: 'by-hand' }, lastModifiedMs }),
    );
  }

  /** A guard begins, which is one process; it ends with {@link end}. */
  async begin(times = TIMES): Promise<Guard> {
    const { world, clock, node } = this;
    const through = async <T>(schema: z.ZodType<T>, work: () => Promise<T>): Promise<T> => {
      if (this.isCut) throw new LeewardError('UNAVAILABLE', 'no answer');
      return schema.parse(JSON.parse(this.tamper(JSON.stringify(await work()))));
    };
    const guard = await Guard.open({
      group: GROUP,
      node: NODE,
      key: deriveKey(world.heartbeats.keySecret, { signer: SITE, name: guardKey(NODE) }),
      clock,
      random: { bytes: randomBytes },
      link: {
        lease: async (message) => through(leaseAnswerSchema, async () => renewLeases(this.#doors(), message)),
        stopped: async (message) => through(stoppedAnswerSchema, async () => receiveStopped(world.heartbeats, message)),
      },
      applications: node,
      armedStop: node,
      record: node,
      times,
      tell: (line, news) => {
        this.lines.push(line);
        if (news) this.news.push(news);
      },
    });
    const stopping = new AbortController();
    this.#stopping.push(stopping);
    void guard.run(stopping.signal);
    return guard;
  }

  #doors(): Parameters<typeof renewLeases>[0] {
    if (!this.isStorageOut) return this.world.heartbeats;
    const state = intercept(this.world.state, async () => {
      throw new LeewardError('UNAVAILABLE', 'the storage is busy');
    });
    return { ...this.world.heartbeats, documents: new Documents(state) };
  }

  end(): void {
    for (const stopping of this.#stopping.splice(0)) stopping.abort(new Error('ended'));
  }

  async pass(ms: number): Promise<void> {
    await this.clock.passUntil(this.clock.sleep(ms));
  }
}

suite('a guard', () => {
  test('arms the stop outside, starts, and goes on under one lease after the other', async () => {
    const site = await GuardedSite.make();
    await site.begin();
    await site.pass(4 * LEASE_MS);
    assert.equal(site.node.runs, true);
    const happened = site.node.happened();
    assert.deepEqual(happened.slice(0, 3), ['recorded 0/1', 'armed', 'started']);
    assert.deepEqual(new Set(happened.slice(3)), new Set(['armed']));
    assert.ok((await site.world.group()).renewals >= 12, 'a third of the lease lies between two questions');
    site.end();
  });

  test('stops in order before its lease is over when no answer comes any more, and starts again when one does', async () => {
    const site = await GuardedSite.make();
    const guard = await site.begin();
    await site.pass(LEASE_MS / 2);
    site.isCut = true;
    await site.pass(LEASE_MS);
    const gone = site.node.events.find(({ what }) => what === 'gone');
    assert(gone);
    assert.ok(gone.atBootMs < guard.state.lease.untilBootMs);
    assert.equal(site.node.happened().includes('killed'), false);
    site.isCut = false;
    await site.pass(5000);
    assert.equal(site.node.runs, true);
    assert.deepEqual(
      site.news,
      ['starting', 'stopping', 'gone', 'starting'].map((guard) => ({ guard, term: 1 })),
      'whoever reads its log can tell without its words',
    );
    site.end();
  });

  test('asks once more where an answer was lost, or it does not know what was granted before it began', async () => {
    const site = await GuardedSite.make();
    await site.begin();
    await site.pass(5000);
    let lost = 1;
    site.tamper = (text) => {
      lost -= 1;
      if (lost === 0) throw new LeewardError('UNAVAILABLE', 'lost');
      return text;
    };
    const before = await site.world.group();
    await site.pass(LEASE_MS / 3);
    assert.equal((await site.world.group()).renewals, before.renewals + 2, 'the lost one, and that after it');
    site.end();
    const guard = await site.begin();
    const beganMs = site.clock.bootMs();
    await site.pass(10);
    assert.equal((await site.world.group()).renewals, before.renewals + 3);
    assert.ok(guard.state.lease.untilBootMs >= beganMs + LEASE_MS, 'renewed at once');
    assert.ok(!site.lines.some((line) => line.includes('no lease')), site.lines.join('\n'));
    site.end();
  });

  test('says once that no answer comes, that one does again, and why there is no lease', async () => {
    const site = await GuardedSite.make();
    await site.begin();
    await site.pass(5000);
    site.isCut = true;
    await site.pass(3 * LEASE_MS);
    assert.equal(site.lines.filter((line) => line.startsWith(`${GROUP}: the lease: `)).length, 1);
    site.isCut = false;
    await site.pass(5000);
    assert.equal(site.lines.filter((line) => line === `${GROUP}: the lease: well again`).length, 1);
    await site.close();
    await site.pass(2 * LEASE_MS);
    assert.equal(site.lines.filter((line) => /no lease: term 1 is closing/.test(line)).length, 1);
    assert.deepEqual(
      site.news.filter(({ guard }) => guard === 'refused'),
      [{ guard: 'refused', term: 1 }],
    );
    site.end();
  });

  test('says once that its lease is too short for what a stop takes, with the numbers and what to do, and starts nothing', async () => {
    const site = await GuardedSite.make();
    const guard = await site.begin({ ...TIMES, stopMs: LEASE_MS });
    await site.pass(5 * LEASE_MS);
    const words = /stop \+ kill < lease − lease\/3 does not hold: 30 s \+ 1 s < 30 s − 10 s: shorten stopMs/;
    assert.equal(site.lines.filter((line) => words.test(line)).length, 1, site.lines.join('\n'));
    assert.equal(site.node.happened().includes('started'), false);
    const state = { ...guard.state, application: 'running' } as const;
    const refusal = whyNotStarted(state, site.clock.bootMs(), { ...TIMES, stopMs: LEASE_MS });
    assert.match(refusal ?? '', words, 'the desk says the same');
    site.end();
  });

  test('kills what does not stop in order, early enough for that to be over too', async () => {
    const site = await GuardedSite.make();
    site.node.isObedient = false;
    const guard = await site.begin();
    await site.pass(LEASE_MS / 2);
    site.isCut = true;
    const { untilBootMs } = guard.state.lease;
    await site.pass(LEASE_MS);
    const killed = site.node.events.find(({ what }) => what === 'killed');
    assert(killed);
    assert.ok(killed.atBootMs <= untilBootMs - TIMES.killMs + 250, `${killed.atBootMs} of ${untilBootMs}`);
    site.end();
  });

  test('stops at a closing, records its promise before the cloud hears of it, and keeps it over a restart', async () => {
    const site = await GuardedSite.make();
    await site.begin();
    await site.pass(2000);
    await site.close();
    await site.pass(LEASE_MS / 3 + 5000);
    assert.equal(site.node.runs, false);
    assert.deepEqual((await site.world.group()).closing?.stopped, [NODE]);
    assert.equal(site.node.facts.promisedTerm, 1);
    site.end();
    // The store is set back to an open term: what was promised is kept all the same.
    await site.change((group) => ({ ...group, phase: 'open', closing: null }));
    await site.begin();
    await site.pass(LEASE_MS);
    assert.equal(site.node.runs, false);
    site.end();
  });

  test("starts again in the site's next term, after an abort", async () => {
    const site = await GuardedSite.make();
    await site.begin();
    await site.pass(2000);
    await site.close();
    await site.pass(LEASE_MS / 3 + 5000);
    await site.change((group) => wonBySite(group, RUN));
    await site.pass(5000);
    assert.equal(site.node.runs, false, 'won is not open');
    await site.change((group) => openedForSite(group, RUN));
    await site.pass(5000);
    assert.equal(site.node.runs, true);
    assert.equal(site.node.facts.seenTerm, 2);
    site.end();
  });

  test('leaves everything as it is when its process ends, and takes it over in the next one', async () => {
    const site = await GuardedSite.make();
    await site.begin();
    await site.pass(2000);
    site.end();
    await site.pass(LEASE_MS / 3);
    assert.equal(site.node.runs, true);
    await site.begin();
    await site.pass(2 * LEASE_MS);
    assert.equal(site.node.runs, true);
    assert.deepEqual(
      site.node.happened().filter((what) => what !== 'armed'),
      ['recorded 0/1', 'started'],
      'it was neither stopped nor started again',
    );
    site.end();
  });

  test('goes by nothing that the cloud has not sealed for it', async () => {
    const site = await GuardedSite.make();
    site.tamper = (text) => text.replaceAll('\\"term\\":1', '\\"term\\":9');
    await site.begin();
    await site.pass(LEASE_MS);
    assert.equal(site.node.runs, false);
    assert.deepEqual(site.node.facts, { promisedTerm: 0, seenTerm: 0, keptTerm: 0 });
    assert.match(site.lines.join('\n'), /not signed with key "guard-north"/);
    site.tamper = (text) => text;
    await site.pass(3000);
    assert.equal(site.node.runs, true);
    site.end();
  });

  test('loses nothing of its record when a term is seen while a promise is being written', async () => {
    const site = await GuardedSite.make();
    await site.begin();
    await site.pass(5000);
    site.node.writeMs = 1500;
    await site.close();
    while (!site.node.happened().includes('gone')) await site.pass(100);
    // The promise is on its way to the disk, and the next term opens.
    await site.change((group) => wonBySite(group, RUN));
    await site.change((group) => openedForSite(group, RUN));
    await site.pass(LEASE_MS);
    const records = site.node.happened().filter((what) => what.startsWith('recorded'));
    assert.deepEqual(records, ['recorded 0/1', 'recorded 1/1', 'recorded 1/2']);
    site.end();
  });

  test('does not take it for a jump that it was held up between its reads of two clocks', async () => {
    const site = await GuardedSite.make();
    await site.begin();
    await site.pass(5000);
    site.isCut = true;
    const wallMs = site.clock.wallMs.bind(site.clock);
    const bootMs = site.clock.bootMs.bind(site.clock);
    let heldMs = 0;
    site.clock.wallMs = () => {
      const nowMs = wallMs() + heldMs;
      if (heldMs === 0) heldMs = 3000;
      return nowMs;
    };
    site.clock.bootMs = () => bootMs() + heldMs;
    await site.pass(5000);
    assert.equal(heldMs, 3000, 'it was held up once');
    assert.ok(!site.lines.some((line) => line.includes('went apart')), site.lines.join('\n'));
    assert.equal(site.node.runs, true);
    site.end();
  });

  test('asks anew when the wall clock jumps, and nothing stops that is answered', async () => {
    const site = await GuardedSite.make();
    await site.begin();
    await site.pass(2000);
    for (const jumpMs of [3_600_000, -3_600_000]) {
      site.clock.wallMs = () => site.world.clock.wallMs() + jumpMs;
      await site.pass(LEASE_MS);
      assert.equal(site.node.runs, true);
    }
    assert.match(site.lines.join('\n'), /the clocks went apart by 3600000 ms/);
    assert.equal(site.node.happened().includes('asked to stop'), false);
    site.end();
  });

  test('asks anew when the whole machine was held still, which its own clocks do not tell, and stops where nobody answers', async () => {
    const site = await GuardedSite.make();
    await site.begin();
    await site.pass(LEASE_MS);
    assert.deepEqual(
      site.lines.filter((line) => line.includes('clock')),
      [],
      'whole seconds are no jump',
    );
    site.heldMs = LEASE_MS;
    await site.pass(LEASE_MS);
    assert.equal(site.node.happened().includes('asked to stop'), false, 'it was answered');
    site.isCut = true;
    site.heldMs += LEASE_MS;
    await site.pass(TIMES.answerMs + 1000);
    assert.equal(site.node.happened().includes('asked to stop'), true);
    assert.match(site.lines.join('\n'), /the hardware's clock went apart from boot time by \d+ ms/);
    site.end();
  });

  test('trusts nothing after a standstill that it was only refused: what runs stops as if no answer came', async () => {
    const refused: [string, (site: GuardedSite) => Promise<void>][] = [
      ['the storage is out', async (site) => Promise.resolve(void (site.isStorageOut = true))],
      [
        'the answer before was lost, and none comes after the first',
        async (site) => {
          const granted = { [NODE]: 'ab'.repeat(16) };
          await site.change((group) => ({ ...group, renewals: group.renewals + 1, granted }));
          let answers = 0;
          site.tamper = (text) => {
            answers += 1;
            if (answers > 1) throw new LeewardError('UNAVAILABLE', 'lost');
            return text;
          };
        },
      ],
    ];
    for (const [what, happens] of refused) {
      const site = await GuardedSite.make();
      await site.begin();
      await site.pass(LEASE_MS + 1000);
      await happens(site);
      site.heldMs = 20_000;
      const before = site.node.events.length;
      await site.pass(TIMES.answerMs + 1000);
      assert.ok(site.node.happened().slice(before).includes('asked to stop'), what);
      site.end();
    }
  });

  test('counts a lease anew after a standstill, and asks again soon where the first answer is lost', async () => {
    const site = await GuardedSite.make();
    const guard = await site.begin();
    await site.pass(LEASE_MS + 1000);
    const { lease } = guard.state;
    let lost = 1;
    site.tamper = (text) => {
      lost -= 1;
      if (lost === 0) throw new LeewardError('UNAVAILABLE', 'the connection was reset');
      return text;
    };
    await site.change((group) => ({ ...group, leaseMs: LEASE_MS / 2 }));
    site.heldMs = 20_000;
    await site.pass(TIMES.answerMs);
    assert.equal(site.node.happened().includes('asked to stop'), false);
    assert.equal(guard.state.doubtedBootMs, undefined);
    assert.ok(guard.state.lease.untilBootMs < lease.untilBootMs, 'what was granted before counts no more');
    site.end();
  });

  test('adds up standstills that are each too short to be seen', async () => {
    const site = await GuardedSite.make();
    await site.begin();
    await site.pass(LEASE_MS + 1000);
    site.isCut = true;
    const before = site.node.events.length;
    for (let holds = 0; holds < 3; holds += 1) {
      site.heldMs += 1900;
      await site.pass(1000);
    }
    await site.pass(TIMES.answerMs);
    assert.ok(site.node.happened().slice(before).includes('asked to stop'));
    site.end();
  });

  test('ends what somebody starts past it, before it promises anything', async () => {
    const site = await GuardedSite.make();
    await site.begin();
    await site.pass(2000);
    await site.close();
    site.node.isObedient = false;
    await site.pass(LEASE_MS / 3 + 5000);
    assert.deepEqual((await site.world.group()).closing?.stopped, [NODE]);
    const before = site.node.events.length;
    await site.node.beginStart();
    await site.pass(2000);
    assert.equal(site.node.runs, false);
    assert.deepEqual(site.node.happened().slice(before), ['started', 'asked to stop', 'killed', 'gone']);
    assert.match(site.lines.join('\n'), /was not started by this guard/);
    site.end();
  });

  test('under a lease that keeps, what runs outlives a cut and the guard, and ends at the closing', async () => {
    const site = await GuardedSite.make();
    await site.change((group) => ({ ...group, lease: 'keep' }));
    await site.begin();
    await site.pass(2000);
    assert.deepEqual(site.node.happened(), ['recorded 0/1', 'recorded 0/1', 'started']);
    assert.equal(site.node.facts.keptTerm, 1);
    site.isCut = true;
    await site.pass(3 * LEASE_MS);
    site.end();
    await site.begin();
    await site.pass(3 * LEASE_MS);
    assert.equal(site.node.runs, true);
    assert.equal(site.node.happened().includes('armed'), false);
    site.isCut = false;
    await site.close();
    await site.pass(LEASE_MS / 3 + 5000);
    assert.equal(site.node.runs, false);
    assert.deepEqual((await site.world.group()).closing?.stopped, [NODE]);
    site.end();
  });
});
