/** The monitor and those who say whether a site is up: probes, observers, the site itself, and the person who is asked. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { planKind, STRICT_LEASE_CONSENT } from '../../../src/documents/plan.ts';
import { questionKind } from '../../../src/documents/question.ts';
import { siteKind } from '../../../src/documents/site.ts';
import { siteNotesKind } from '../../../src/documents/site-notes.ts';
import { witnessRecordKind } from '../../../src/documents/witness.ts';
import type { Witness } from '../../../src/documents/witness.ts';
import { receiveWitness } from '../../../src/health/doors/witness-word.ts';
import { parseGroup, parseSite } from '../../../src/kernel/ids.ts';
import { documents as names } from '../../../src/kernel/names.ts';
import { witnessKey } from '../../../src/protocol/signed.ts';
import { GROUP, HEARTBEAT_EVERY_MS, MONITOR_EVERY_MS, SITE, WINDOW_MS, createWorld } from '../../failover/world.ts';
import type { World } from '../../failover/world.ts';

const URL = 'https://shop.example/';
const WITNESSES: readonly Witness[] = [
  { name: 'heartbeat', kind: 'heartbeat', domain: 'monitor', everyMs: 15_000 },
  { name: 'shop', kind: 'probe', domain: 'west', everyMs: MONITOR_EVERY_MS, url: URL },
  { name: 'oslo', kind: 'observer', domain: 'oslo', everyMs: MONITOR_EVERY_MS },
];
const AUTOMATIC = { consents: [STRICT_LEASE_CONSENT] };
const LONG_MS = WINDOW_MS + 3 * MONITOR_EVERY_MS;

let counter = 0;
const says = async (world: World, verdict: 'up' | 'down' | 'none', name = 'oslo') => {
  counter += 1;
  const signer = { signer: SITE, name: witnessKey(name) };
  return await receiveWitness(world.heartbeats, world.signed('witness', { counter, verdict }, signer));
};

/** Time passes while heartbeats and witnesses go on as they are told to. */
async function passes(
  world: World,
  ms: number,
  of: { heartbeat?: boolean; renew?: boolean; oslo?: 'up' | 'down' | 'none' } = {},
): Promise<void> {
  for (let passedMs = 0; passedMs < ms; passedMs += HEARTBEAT_EVERY_MS) {
    if (of.heartbeat) await world.heartbeat();
    if (of.renew) await world.renew();
    if (of.oslo) await says(world, of.oslo);
    await world.live(HEARTBEAT_EVERY_MS);
  }
}

const verdictsOf = async (world: World): Promise<string[]> => {
  const found: string[] = [];
  for await (const { name } of world.documents.list(names.decisionsOf(parseGroup(GROUP)))) {
    found.push(/t1-([a-z-]+?)-(?:down|some|silent|unwatched|wish)-/.exec(name)?.[1] ?? name);
  }
  return found.sort();
};
/** How many questions there are; each is answered so. */
const answers = async (world: World, is: 'yes' | 'no'): Promise<number> => {
  let asked = 0;
  for await (const { name } of world.documents.list('questions/')) {
    if (!name.includes('/t1-')) continue;
    asked += 1;
    await world.documents.update(questionKind, name, (found) => ({
      ...found,
      answer: { is, by: 'Ada', atMs: world.clock.wallMs() },
    }));
  }
  return asked;
};
const noticesOf = async (world: World): Promise<string[]> => {
  const found: string[] = [];
  for await (const { name } of world.documents.list(names.allNotices)) found.push(name);
  return found;
};

async function watchedWorld(of: Parameters<typeof createWorld>[0] = {}): Promise<World> {
  const world = await createWorld({ witnesses: WITNESSES, plan: AUTOMATIC, ...of });
  await world.tick();
  await passes(world, LONG_MS, { heartbeat: true, renew: true, oslo: 'up' });
  assert.deepEqual(await verdictsOf(world), []);
  return world;
}

suite('witnesses of a site', () => {
  test('a majority of failure domains fails it over, though nobody consented to fewer', async () => {
    const world = await watchedWorld();
    world.seen.set(URL, 503);
    await passes(world, LONG_MS, { oslo: 'up' });
    await world.live(MONITOR_EVERY_MS);
    // The first of them to have seen it down for the window is an alert; the second is a majority.
    assert.deepEqual(await verdictsOf(world), ['alert', 'fail-over']);
    assert.equal((await world.runs()).length, 1);
  });

  test('a site that its users cannot reach is failed over though it sends heartbeats and renews', async () => {
    const world = await watchedWorld();
    world.seen.set(URL, 500);
    await passes(world, 2 * LONG_MS, { heartbeat: true, renew: true, oslo: 'down' });
    assert.deepEqual(await verdictsOf(world), ['alert', 'fail-over']);
    const [run] = await world.runs();
    assert.notEqual(run?.state, 'failed', run?.failure?.message);
  });

  test('one alone is an alert, told once, and what it says next is folded in without a tick', async () => {
    const world = await watchedWorld();
    await passes(world, LONG_MS, { heartbeat: true, renew: true, oslo: 'down' });
    assert.deepEqual(await verdictsOf(world), ['alert']);
    assert.equal((await noticesOf(world)).length, 1);
    await says(world, 'up');
    await passes(world, WINDOW_MS - MONITOR_EVERY_MS, { heartbeat: true, renew: true, oslo: 'down' });
    assert.deepEqual(await verdictsOf(world), ['alert']);
    assert.deepEqual(await world.runs(), []);
  });

  test('one that hangs holds up nobody: the other sites of the tick are decided on meanwhile', async () => {
    const world = await watchedWorld();
    const { promise, resolve } = Promise.withResolvers<undefined>();
    world.seen.set(URL, promise);
    const other = parseSite('acme/other');
    const { value: site } = await world.documents.need(siteKind, names.site(parseSite(SITE)));
    await world.documents.create(siteKind, names.site(other), { ...site, site: 'acme/other', witnesses: undefined });
    for (const kind of ['groups', 'plans']) {
      const { document } = await world.state.read(`${kind}/${GROUP}.json`);
      await world.state.create(
        `${kind}/acme/other/shop.json`,
        (document?.text ?? '').replace(GROUP, 'acme/other/shop'),
      );
    }
    const ticking = world.tick();
    while ((await world.documents.read(siteNotesKind, names.siteNotes(other))) === undefined)
      await setImmediatePromise();
    assert.equal(world.hanging, 1);
    resolve(undefined);
    assert.equal((await ticking)?.groups.length, 2);
  });

  test('one that is not configured any more says nothing, and its record goes', async () => {
    const world = await watchedWorld();
    const watch = async () => (await world.documents.need(siteNotesKind, names.siteNotes(parseSite(SITE)))).value;
    assert.deepEqual(
      (await watch()).probes.map(({ name }) => name),
      ['shop'],
    );
    await world.documents.update(siteKind, names.site(parseSite(SITE)), (site) => ({
      ...site,
      witnesses: WITNESSES.filter(({ kind }) => kind === 'heartbeat'),
    }));
    world.seen.set(URL, 500);
    await passes(world, LONG_MS, { heartbeat: true, renew: true });
    assert.deepEqual((await watch()).probes, []);
    assert.deepEqual(await verdictsOf(world), []);
    await assert.rejects(says(world, 'down'), { code: 'REFUSED', message: /no witness "oslo"/ });
  });
});

const setImmediatePromise = async (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

suite("a witness's word", () => {
  const record = async (world: World) =>
    (await world.documents.read(witnessRecordKind, names.witness(parseSite(SITE), 'oslo')))?.value;

  test('is folded in at the time when it comes, and answered with how often it is wanted', async () => {
    const world = await createWorld({ witnesses: WITNESSES });
    const startMs = world.clock.wallMs();
    assert.partialDeepStrictEqual(await says(world, 'up'), { everyMs: MONITOR_EVERY_MS });
    world.clock.advance(30_000);
    await says(world, 'down');
    world.clock.advance(30_000);
    await says(world, 'down');
    assert.deepEqual((await record(world))?.spoken, {
      verdict: 'down',
      sinceMs: startMs + 30_000,
      lastSeenMs: startMs + 60_000,
      lastUpMs: startMs,
    });
  });

  test('changes nothing when it is forged, sent again, far ahead of the time, of another, or malformed', async () => {
    const world = await createWorld({ witnesses: WITNESSES });
    await says(world, 'up');
    const before = await record(world);
    const own = { signer: SITE, name: witnessKey('oslo') };
    const word = { counter: counter + 1, verdict: 'down' };
    const ahead = world.clock.wallMs() + 2 * 86_400_000;
    const cases: [unknown, string][] = [
      [{ ...world.signed('witness', word, own), mac: '0'.repeat(64) }, 'SIGNATURE_INVALID'],
      [world.signed('witness', { ...word, counter }, own), 'REFUSED'],
      [world.signed('witness', { ...word, counter: ahead }, own), 'REFUSED'],
      [world.signed('witness', word, { signer: SITE, name: 'k1' }), 'SIGNATURE_INVALID'],
      [world.signed('witness', word, { signer: SITE, name: witnessKey('shop') }), 'REFUSED'],
      [world.signed('witness', word, { signer: SITE, name: witnessKey('rome') }), 'SIGNATURE_INVALID'],
      [world.signed('heartbeat', { counter: 9 }, own), 'MESSAGE_INVALID'],
      [world.signed('witness', { ...word, verdict: 'dead' }, own), 'MESSAGE_INVALID'],
      ['{', 'MESSAGE_INVALID'],
    ];
    for (const [message, code] of cases) {
      await assert.rejects(receiveWitness(world.heartbeats, message), { code }, JSON.stringify(message));
    }
    assert.deepEqual(await record(world), before);
  });
});

suite('a person', () => {
  const asking = { plan: { mode: 'ask' as const, consents: [], answerMs: 600_000 } };

  test('is asked once, and a yes fails the site over', async () => {
    const world = await watchedWorld(asking);
    world.seen.set(URL, 500);
    await world.live(2 * LONG_MS);
    assert.deepEqual(await verdictsOf(world), ['alert', 'ask']);
    // The question reaches everybody: a notice that it was asked would only say it again.
    const ids = (await noticesOf(world)).map((name) => name.split('/').at(-1) ?? '');
    assert.deepEqual([ids.filter((id) => id.includes('-ask-')).length, ids.length], [1, 2]);
    assert(ids.some((id) => id.startsWith('question-t1-ask-')));
    assert.deepEqual(await world.runs(), []);
    assert.equal(await answers(world, 'yes'), 1);
    await world.live(MONITOR_EVERY_MS);
    assert.deepEqual(await verdictsOf(world), ['alert', 'ask', 'fail-over']);
    assert.equal((await world.runs()).length, 1);
  });

  test('who says no, or nothing in time, is heeded', async () => {
    for (const answer of ['no', undefined] as const) {
      const world = await watchedWorld(asking);
      world.seen.set(URL, 500);
      await world.live(LONG_MS);
      if (answer) await answers(world, answer);
      await world.live(900_000);
      assert.deepEqual(
        (await verdictsOf(world)).filter((verdict) => verdict !== 'alert'),
        ['ask', 'report'],
      );
      assert.deepEqual(await world.runs(), []);
    }
  });
});

suite('what the site itself says', () => {
  const wants = { wants: { decision: 'm-7', reason: 'db-1 fails' } };

  test('its own wish is carried out by the plan, with the site alive', async () => {
    for (const [mode, expected] of [
      ['automatic', 'fail-over'],
      ['ask', 'ask'],
      ['report', 'report'],
    ] as const) {
      const world = await createWorld({ witnesses: WITNESSES, plan: { ...AUTOMATIC, mode }, says: wants });
      await world.tick();
      await passes(world, MONITOR_EVERY_MS, { heartbeat: true, renew: true, oslo: 'up' });
      assert.deepEqual(await verdictsOf(world), [expected]);
      await passes(world, 90_000, { heartbeat: true, renew: true, oslo: 'up' });
      const [run] = await world.runs();
      assert.equal(run === undefined, mode !== 'automatic');
      assert.equal(run?.failure ?? null, null);
    }
  });

  test('a wish that was not there for a heartbeat is the one that was asked about, and the yes to it counts', async () => {
    const world = await createWorld({ witnesses: WITNESSES, plan: { mode: 'ask' } });
    await world.tick();
    const hear = async (says: object) => {
      await world.heartbeat({ says });
      await world.renew();
      await world.live(MONITOR_EVERY_MS);
    };
    for (const says of [wants, {}, wants]) await hear(says);
    assert.equal(await answers(world, 'yes'), 1, 'one question');
    await hear(wants);
    assert.equal((await world.runs()).length, 1);
  });

  test('what is offline on purpose is left alone until then', async () => {
    const start = (await createWorld()).clock.wallMs();
    const offlineUntilMs = start + 3 * LONG_MS;
    const world = await watchedWorld({ says: { offlineUntilMs } });
    world.seen.set(URL, 500);
    await world.live(LONG_MS + 60_000);
    assert.deepEqual(await verdictsOf(world), []);
    assert.match((await world.tick())?.groups[0]?.reason ?? '', /offline on purpose until/);
    await world.live(LONG_MS);
    assert.deepEqual(await verdictsOf(world), ['fail-over']);
  });
});

suite('the work of a tick', () => {
  test('is one write of the watch for an idle site, a minute at the most; nothing more for one that is reported', async () => {
    const world = await createWorld();
    await world.tick();
    await passes(world, LONG_MS, { heartbeat: true, renew: true });
    world.dieAt(0, 'before');
    const ticks = 20;
    for (let done = 0; done < ticks; done += 1) {
      await world.heartbeat();
      await world.renew();
      await world.live(MONITOR_EVERY_MS);
    }
    // The monitor's own watch at each, and the site's at every second one.
    assert.equal(world.writes(), ticks + ticks / 2);

    await world.documents.update(planKind, names.plan(parseGroup(GROUP)), (plan) => ({
      ...plan,
      mode: 'report' as const,
    }));
    await world.live(LONG_MS);
    assert.deepEqual(await verdictsOf(world), ['report']);
    world.dieAt(0, 'before');
    await world.live(ticks * MONITOR_EVERY_MS);
    assert.ok(world.writes() <= ticks + ticks / 2 + 2, `${world.writes()} writes`);
    assert.deepEqual(await verdictsOf(world), ['report']);
    assert.equal((await noticesOf(world)).length, 1);
  });

  test('tells people once that nobody watches, whatever the number of groups', async () => {
    const world = await watchedWorld({ plan: { ...AUTOMATIC, alertAfterMs: 300_000 } });
    for (let times = 0; times < 12; times += 1) {
      await world.live(3 * MONITOR_EVERY_MS, { monitor: false });
      await world.heartbeat();
      await world.renew();
      await world.tick();
    }
    assert.deepEqual(await verdictsOf(world), ['alert']);
    const notices = await noticesOf(world);
    assert.equal(notices.length, 1);
    assert.match(notices[0] ?? '', /^notices\/leeward\/canary\/unwatched-/);
  });
});
