/**
 * Every function called by hand, as from the portal's Test/Run pane: it either does its work or says clearly what it needs,
 * and leaves nothing in a queue. What is allowed there, because the platform asked for its key, is refused from a queue.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { runKind } from '../../src/documents/run.ts';
import { parseGroup } from '../../src/kernel/ids.ts';
import { QUEUES, documents as names, poisonQueue } from '../../src/kernel/names.ts';
import { sign } from '../../src/protocol/signed.ts';
import { resigned } from '../support/resigned.ts';
import { SiteFixture } from '../support/site-fixture.ts';
import { Doors, QUIET } from '../support/integration/doors.ts';
import { register } from '../support/integration/live-site.ts';
import { LiveStack, until } from '../support/integration/live-stack.ts';

const GROUP = 'acme/berlin/erp';
const ORDER = { start: { group: GROUP, kind: 'unplanned', reason: 'by hand' } };

/** What a person types, or leaves. */
const TYPED: readonly (readonly [string, string | undefined])[] = [
  ['nothing', undefined],
  ['an empty text', ''],
  ['rubbish', 'please fail over now'],
  ['half of JSON', '{"start":'],
  ['a number', '123'],
  ['null', 'null'],
  ['a list', '[1, 2]'],
  ["somebody else's JSON", '{"id": "7", "name": "test", "popReceipt": null}'],
];

const NEEDS = {
  ingest: /this function takes a signed delta or ranges message, which `leeward replicate` .*run the function "sweep"/,
  'ingest-bulk':
    /this function takes a signed delta or ranges message, which `leeward replicate` .*run the function "sweep"/,
  failover: /refused: neither a ticket of a run nor an order; .* type for example \{"start":\{"group":/,
} as const;

describe('by hand', () => {
  let stack: LiveStack;
  let doors: Doors;
  let site: SiteFixture;

  before(async () => {
    stack = await LiveStack.up(QUIET);
    doors = await Doors.open(stack);
    site = new SiteFixture({ account: stack.storage.account });
    await register(stack, site.id, { volumeBytes: site.volumeBytes });
    // Any site's first message: the cloud makes the site's journal then.
    const answer = await doors.post('heartbeat', JSON.stringify(sign(site.key, 'heartbeat', { counter: 1 })));
    assert.equal(answer.status, 200, answer.text);
  });

  after(async () => {
    await stack.close();
  });

  for (const [name, needs] of Object.entries(NEEDS)) {
    test(`${name} says what it needs, whatever was typed`, async () => {
      const [etags, lengths] = [await doors.etags(), await doors.queueLengths()];
      for (const [what, text] of TYPED) {
        const said = await doors.callByHand(name, text);
        const [executing, told, verdict, ...more] = said;
        assert.deepEqual([executing?.text, more], ['executing (by hand)', []], what);
        assert.match(told?.text ?? '', needs, what);
        assert.match(told?.level ?? '', /^(warning|error)$/, what);
        assert.match(verdict?.text ?? '', /^succeeded after/, what);
      }
      assert.deepEqual(await doors.queueLengths(), lengths);
      assert.deepEqual(await doors.etags(), etags);
    });
  }

  test('ingest works on a sound message that was typed', async () => {
    const said = await doors.callByHand('ingest', JSON.stringify(site.inline(site.next({ marker: 'm1' }))));
    assert.deepEqual(said[1], { level: 'information', text: `${site.id}: delta 1 applied` });
  });

  test('what only a newer program can read is told, and does not go into a queue', async () => {
    const version = { format: 2, oldestReader: 2, oldestWriter: 2 };
    const lengths = await doors.queueLengths();
    for (const name of Object.keys(NEEDS)) {
      const typed =
        name === 'failover' ? { version, payload: '' } : resigned(site.key, { ...site.inline(site.next()), version });
      const said = await doors.callByHand(name, JSON.stringify(typed));
      assert.match(said.map(({ text }) => text).join('\n'), /needs format 2 to read it and this program knows 1/, name);
    }
    assert.deepEqual(await doors.queueLengths(), lengths);
  });

  test('monitor, sweep and upkeep do their work, whatever was typed', async () => {
    await doors.put(poisonQueue(QUEUES.deltas), 'rubbish').catch(async () => {
      // The host makes a poison queue when it first needs it.
      await doors.put(QUEUES.deltas, '%%%', true);
    });
    await until(
      () => 'a poison message',
      20_000,
      async () => ((await doors.queueLengths())[poisonQueue(QUEUES.deltas)] === 1 ? true : undefined),
    );
    assert.equal((await doors.etags())[names.monitor], undefined);
    for (const text of [undefined, 'rubbish']) {
      const monitor = await doors.callByHand('monitor', text);
      assert.match(monitor.at(-1)?.text ?? '', /^succeeded/);
      const sweep = await doors.callByHand('sweep', text);
      assert.match(sweep.at(-1)?.text ?? '', /^succeeded/);
      assert.match((await doors.callByHand('upkeep', text)).at(-1)?.text ?? '', /^succeeded/);
      if (text === undefined) assert.match(sweep[1]?.text ?? '', /set 1 aside/);
    }
    assert.ok((await doors.etags())[names.monitor]);
    await doors.queuesEmpty();
  });

  test('HTTP functions are called by their route, and say so', async () => {
    for (const [path, body, status] of [
      ['heartbeat', '', 400],
      ['lease', 'rubbish', 400],
    ] as const) {
      const answer = await doors.post(path, body);
      assert.equal(answer.status, status);
      assert.match(answer.text, /"code":"MESSAGE_INVALID","message":"the body is (empty|not JSON)"/);
    }
  });

  for (const [what, text, form] of [
    ['a group that is none', { start: { ...ORDER.start, group: 'erp' } }, /order: start\.group: .*tenant\/site\/group/],
    ['a group that is not known', { start: { ...ORDER.start, group: 'a/b/c' } }, /there is no group "groups\/a\/b\/c/],
    ['another kind', { start: { ...ORDER.start, kind: 'drill' } }, /order: start\.kind: .*; for example \{"start"/],
    ['a ticket of no run', { group: GROUP, run: 'nix', ticket: 0 }, /there is no run "nix" of acme\/berlin\/erp/],
  ] as const) {
    test(`failover: ${what}`, async () => {
      const [etags, lengths] = [await doors.etags(), await doors.queueLengths()];
      const said = await doors.callByHand('failover', JSON.stringify(text));
      const [, told] = said;
      assert.equal(told?.level, 'error');
      assert.match(told.text, form);
      assert.deepEqual([await doors.etags(), await doors.queueLengths()], [etags, lengths]);
    });
  }

  test('an unsigned order through the queue is refused and set aside, however it is dressed', async () => {
    const etags = await doors.etags();
    const dresses = [{}, { id: null, popReceipt: null }, { Id: '', PopReceipt: '' }, { dequeueCount: null, id: {} }];
    const texts = dresses.map((dress) => JSON.stringify({ ...ORDER, ...dress }));
    for (const text of texts) await doors.put(QUEUES.failover, text);
    for (const text of texts) {
      const { body, reason } = await doors.aside('unverified', text);
      assert.deepEqual(JSON.parse(body), JSON.parse(text));
      assert.match(reason, /an unsigned order through the queue: sign it, as `leeward failover start` does/);
    }
    await doors.queuesEmpty();
    assert.deepEqual(await doors.etags(), etags);
  });

  test('the same order typed by hand starts a run, and the record says so', async () => {
    const said = await doors.callByHand('failover', JSON.stringify(ORDER));
    const [, run] = /^run (\S+) of acme\/berlin\/erp: running$/.exec(said[1]?.text ?? '') ?? [];
    assert.ok(run, said[1]?.text);
    const { value } = await stack.storage.documents.need(runKind, names.run(parseGroup(GROUP), run));
    assert.partialDeepStrictEqual(value, { actor: { kind: 'by-hand' }, reason: 'by hand', group: GROUP });
    // Within one second of the service's it would be the same order, and meet the same run.
    await sleep(1100);
    const again = await doors.callByHand('failover', JSON.stringify(ORDER));
    assert.match(again[1]?.text ?? '', new RegExp(`refused: .*run ${run} moves it already`));
    // No step is skipped because a person asked: the run waits for the last lease like any other.
    const ended = await until(
      () => `the end of run ${run}`,
      60_000,
      async () => {
        const held = await stack.storage.documents.need(runKind, names.run(parseGroup(GROUP), run));
        return held.value.state === 'running' ? undefined : held.value;
      },
    );
    assert.equal(ended.state, 'done');
    assert.deepEqual(
      ended.steps.map(({ step }) => step),
      ['reserve', 'close', 'wait', 'end', 'drain', 'point', 'disk', 'machine', 'health'],
    );
    await doors.queuesEmpty();
  });

  test('no log holds a credential', async () => {
    await doors.assertNoCredentialLogged([Buffer.from(site.key.secret).toString('base64')]);
  });
});
