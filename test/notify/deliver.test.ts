/** The outbox against a real HTTP server that fails in every way, by the real client; state and time are a test's. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { noticeKind } from '../../src/documents/notice.ts';
import { peopleKind } from '../../src/documents/people.ts';
import type { PeopleDocument, Person } from '../../src/documents/people.ts';
import { Documents } from '../../src/documents/store.ts';
import { LeewardError } from '../../src/kernel/errors.ts';
import { documents as names } from '../../src/kernel/names.ts';
import { CURRENT_VERSION } from '../../src/kernel/versions.ts';
import { TRIED_MS, deliverNotices } from '../../src/notify/deliver.ts';
import type { DeliveryPorts } from '../../src/notify/deliver.ts';
import { noticesStatus, removeOldNotices } from '../../src/notify/kept.ts';
import { noteNotice } from '../../src/notify/notices.ts';
import type { Notice } from '../../src/notify/notices.ts';
import { answerUrl } from '../../src/protocol/answer-link.ts';
import { PlainHttp } from '../../src/system/http.ts';
import { failsWith } from '../support/fails-with.ts';
import { ManualClock } from '../support/memory/clock.ts';
import { MemoryState } from '../support/memory/state.ts';
import { openWebhook } from '../support/webhook.ts';
import type { Webhook } from '../support/webhook.ts';

const SITE = { tenant: 'acme', site: 'berlin' };
const GROUP = { ...SITE, group: 'erp' };
const DAY_MS = 86_400_000;
const keySecret = new Uint8Array(32).fill(7);

const PEOPLE: readonly Person[] = [
  { name: 'anna', role: 'approver', webhook: 'anna', shape: 'plain' },
  { name: 'board', role: 'reader', webhook: 'board', shape: 'plain' },
];

const NOTICE: Notice = {
  id: 'report-1',
  severity: 'warning',
  site: 'acme/berlin',
  group: 'acme/berlin/erp',
  title: 'The site is down',
  text: 'two of three say so',
};
const ID = 'acme/berlin/erp/report-1';

/** The real client, only less patient with what hangs: on a busy machine any other answer may take its time. */
class Impatient extends PlainHttp {
  readonly #webhook: Webhook;

  constructor(webhook: Webhook) {
    super();
    this.#webhook = webhook;
  }

  override async post(url: string, options: Parameters<PlainHttp['post']>[1]) {
    return await super.post(url, this.#webhook.hangs(url) ? { ...options, timeoutMs: 200 } : options);
  }
}

async function world(webhook: Webhook, people: readonly Person[] = PEOPLE) {
  const clock = new ManualClock();
  const state = new MemoryState(clock);
  const documents = new Documents(state);
  const document: PeopleDocument = { version: CURRENT_VERSION, site: 'acme/berlin', people: [...people] };
  await documents.create(peopleKind, names.people(SITE), document);
  const ports: DeliveryPorts = {
    documents,
    http: new Impatient(webhook),
    clock,
    webhooks: new Map(people.map(({ webhook: name }) => [name, webhook.url(name)])),
    keySecret,
    publicUrl: 'https://leeward.test',
  };
  const pass = async (more: Partial<DeliveryPorts> = {}) => await deliverNotices({ ...ports, ...more });
  const stored = async (id = 'report-1') =>
    (await documents.need(noticeKind, names.notice({ site: 'acme/berlin', group: 'acme/berlin/erp', id }))).value;
  return { clock, state, documents, pass, stored };
}

describe('the outbox', () => {
  let webhook: Webhook;
  before(async () => {
    webhook = await openWebhook();
  });
  after(async () => {
    await webhook.close();
  });
  const fresh = async (people?: readonly Person[]) => {
    await webhook.close();
    webhook = await openWebhook();
    return await world(webhook, people);
  };

  test('everybody is told, once, under one id, however often the notice is noted and passes run', async () => {
    const { clock, documents, pass } = await fresh();
    await noteNotice(documents, NOTICE);
    const first = await pass();
    assert.deepEqual([first.delivered, first.troubles], [2, []]);
    assert.deepEqual(first.made, [`${ID} (warning): The site is down`]);
    for (let passes = 0; passes < 5; passes += 1) {
      await noteNotice(documents, NOTICE);
      clock.advance(3_600_000);
      assert.deepEqual((await pass()).made, []);
    }
    assert.deepEqual(webhook.received.map(({ path, id, body }) => [path, id, body['id'], body['text']]).sort(), [
      ['/anna', ID, ID, 'two of three say so'],
      ['/board', ID, ID, 'two of three say so'],
    ]);
  });

  for (const [what, behaviour] of [
    ['500', 500],
    ['a redirect', 302],
    ['404', 404],
    ['a reset connection', 'reset'],
    ['no answer', 'hang'],
  ] as const) {
    test(`after ${what} it is tried again with growing pauses, under the same id, and not after the 2xx`, async () => {
      const { clock, documents, pass, stored } = await fresh();
      webhook.behaves('anna', behaviour, behaviour, behaviour, 202);
      await noteNotice(documents, NOTICE);
      const triedAtMs: number[] = [];
      const beganMs = clock.wallMs();
      for (let waitedMs = 0; waitedMs < 600_000; waitedMs += 5000) {
        const before = webhook.of('anna').length;
        await pass();
        if (webhook.of('anna').length > before) triedAtMs.push(clock.wallMs() - beganMs);
        clock.advance(5000);
      }
      assert.equal(triedAtMs.length, 4);
      const pauses = triedAtMs.slice(1).map((atMs, index) => atMs - (triedAtMs[index] ?? 0));
      assert.ok(
        pauses.every((pauseMs, index) => pauseMs >= (pauses[index - 1] ?? 10_000)),
        pauses.join(),
      );
      assert.deepEqual(new Set(webhook.of('anna').map(({ id }) => id)), new Set([ID]));
      assert.equal(webhook.of('board').length, 1, 'who had it is not told again');
      assert.equal((await stored()).deliveries?.find(({ to }) => to.name === 'anna')?.attempts, 4);
    });
  }

  test('a hanging webhook holds up no other', async () => {
    const { documents, pass } = await fresh();
    webhook.behaves('anna', 'hang');
    for (let index = 0; index < 40; index += 1) await noteNotice(documents, { ...NOTICE, id: `n-${index}` });
    const began = performance.now();
    const report = await pass();
    assert.equal(webhook.of('board').length, 40);
    assert.equal(report.delivered, 40);
    assert.ok(webhook.of('anna').length <= 4, 'it is left alone for the rest of the pass');
    assert.ok(performance.now() - began < 5000, 'one time-out for all, not one for each');
  });

  test('who dies between the answer and the mark has it sent again, under the same id', async () => {
    const { clock, state, documents, pass } = await fresh();
    await noteNotice(documents, NOTICE);
    const dead = new Documents(
      new Proxy(state, {
        get(target, key) {
          const value: unknown = Reflect.get(target, key);
          if (typeof value !== 'function') return value;
          return (...args: unknown[]): unknown => {
            if (key === 'replace' && webhook.received.length > 0) throw new LeewardError('UNAVAILABLE', 'killed');
            return Reflect.apply(value, target, args);
          };
        },
      }),
    );
    assert.equal((await pass({ documents: dead })).delivered, 0);
    assert.equal(webhook.received.length, 2);
    await pass();
    assert.equal(webhook.received.length, 2, 'while the claim holds nobody else sends it');
    clock.advance(31_000);
    assert.equal((await pass()).delivered, 2);
    assert.deepEqual(
      webhook.received.map(({ id }) => id),
      [ID, ID, ID, ID],
    );
    clock.advance(DAY_MS);
    await pass();
    assert.equal(webhook.received.length, 4);
  });

  test('many passes at once send it once', async () => {
    const { documents, pass } = await fresh();
    await noteNotice(documents, NOTICE);
    await Promise.all(Array.from({ length: 6 }, async () => pass()));
    assert.equal(webhook.received.length, 2);
  });

  test('it is given up after days, told, and shown by the status', async () => {
    const { clock, documents, pass, stored } = await fresh();
    webhook.behaves('anna', 500);
    await noteNotice(documents, NOTICE);
    const given: string[] = [];
    for (let hours = 0; hours < 100; hours += 1) {
      given.push(...(await pass()).undeliverable);
      clock.advance(3_600_001);
    }
    assert.deepEqual(given, [`${ID} did not reach anna: it answered 500`]);
    const tries = webhook.of('anna').length;
    assert.ok(tries > 40 && tries < 90, `${tries} tries in ${TRIED_MS} ms`);
    assert.equal((await stored()).deliveries?.find(({ to }) => to.name === 'anna')?.state, 'undeliverable');
    assert.deepEqual(await noticesStatus(documents, SITE), {
      waiting: 0,
      undeliverable: 1,
      undeliverableIds: [ID],
    });
  });

  test('a webhook that has no address is a trouble, and is told once it has one', async () => {
    const { clock, documents, pass } = await fresh();
    await noteNotice(documents, NOTICE);
    const { troubles } = await pass({ webhooks: new Map() });
    assert.match(troubles.join('\n'), /no webhook "anna" is set in LEEWARD_WEBHOOKS/);
    assert.equal((await noticesStatus(documents, SITE)).waiting, 1);
    clock.advance(60_000);
    assert.equal((await pass()).delivered, 2);
  });

  test('no line and no document has an address', async () => {
    const { state, documents, pass } = await fresh();
    webhook.behaves('anna', 500);
    webhook.behaves('board', 'reset');
    await noteNotice(documents, { ...NOTICE, question: { decision: 't1-ask-1', untilMs: 1 } });
    const report = await pass();
    assert.equal(report.troubles.length, 2);
    const texts = [JSON.stringify(report)];
    for await (const { name } of state.list('')) texts.push((await state.read(name)).document?.text ?? '');
    for (const text of texts) assert.ok(!/127\.0\.0\.1|http|token/.test(text), text);
  });

  test('a thousand notices to a dead webhook and a live one: the live one has them all, and each pass is bounded', async () => {
    const { clock, documents, pass } = await fresh();
    webhook.behaves('anna', 500);
    for (let index = 0; index < 1000; index += 1) await noteNotice(documents, { ...NOTICE, id: `n-${index}` });
    for (let passes = 0; passes < 4; passes += 1) {
      const [board, anna] = [webhook.of('board').length, webhook.of('anna').length];
      await pass();
      assert.ok(webhook.of('board').length - board <= 256);
      assert.ok(webhook.of('anna').length - anna <= 4);
      clock.advance(10_000);
    }
    assert.equal(new Set(webhook.of('board').map(({ id }) => id)).size, 1000);
    assert.equal(webhook.of('board').length, 1000);
    // What is new goes before what waits.
    await noteNotice(documents, { ...NOTICE, id: 'new' });
    await pass();
    assert.equal(webhook.of('board').at(-1)?.id, 'acme/berlin/erp/new');
  });

  test('who was removed is sent nothing that still waits, nor is who is added again under the same name', async () => {
    const { documents, clock, pass, stored } = await fresh();
    const change = async (people: readonly Person[]): Promise<void> => {
      await documents.update(peopleKind, names.people(SITE), (document) => ({ ...document, people: [...people] }));
    };
    for (const { webhook: name } of PEOPLE) webhook.behaves(name, 503, 200);
    await noteNotice(documents, NOTICE);
    await pass();
    const states = async () => (await stored()).deliveries?.map(({ to, state }) => `${to.name} ${to.role} ${state}`);
    assert.deepEqual(await states(), ['anna approver waiting', 'board reader waiting']);
    const [anna, board] = PEOPLE;
    assert.ok(anna && board);
    await change([
      { ...anna, addedAfter: 1 },
      { ...board, role: 'approver' },
    ]);
    clock.advance(DAY_MS);
    await pass();
    assert.deepEqual(await states(), ['board approver delivered'], 'who is there yet is told, as they are now');
    assert.deepEqual([webhook.of('anna').length, webhook.of('board').length], [1, 2]);
  });

  test('an approver has a link of their own, a reader has none', async () => {
    const { documents, pass } = await fresh([
      ...PEOPLE,
      { name: 'ben', role: 'approver', webhook: 'ben', shape: 'teams' },
      { name: 'cleo', role: 'approver', webhook: 'cleo', shape: 'slack' },
    ]);
    await noteNotice(documents, { ...NOTICE, question: { decision: 't1-ask-1', untilMs: 1 } });
    await pass();
    const link = (approver: string) =>
      answerUrl('https://leeward.test', keySecret, { group: GROUP, decision: 't1-ask-1', approver });
    assert.equal(webhook.of('anna')[0]?.body['link'], link('anna'));
    assert.equal('link' in (webhook.of('board')[0]?.body ?? {}), false);
    const [teams, slack] = [JSON.stringify(webhook.of('ben')[0]?.body), JSON.stringify(webhook.of('cleo')[0]?.body)];
    assert.ok(
      teams.includes(JSON.stringify({ type: 'Action.OpenUrl', title: 'Look at it and answer', url: link('ben') })),
    );
    assert.ok(slack.includes(`<${link('cleo').replaceAll('&', '&amp;')}|Look at it and answer>`));
    for (const text of [teams, slack]) assert.ok(text.includes(ID) && !text.includes(link('anna')));
  });

  test('where nobody is to be told it is done at once, and said', async () => {
    const { documents, pass, stored } = await fresh([]);
    await noteNotice(documents, NOTICE);
    assert.equal((await pass()).made.length, 1);
    assert.deepEqual((await stored()).deliveries, []);
  });

  test('upkeep removes what is old and done, never what waits', async () => {
    const { clock, documents, pass } = await fresh();
    await noteNotice(documents, NOTICE);
    await pass();
    webhook.behaves('anna', 500);
    clock.advance(29 * DAY_MS);
    await noteNotice(documents, { ...NOTICE, id: 'later' });
    await pass();
    const keptMs = 30 * DAY_MS;
    assert.equal(await removeOldNotices(documents, { keptMs }), 0);
    clock.advance(2 * DAY_MS);
    assert.equal(await removeOldNotices(documents, { keptMs }), 1);
    assert.equal(await removeOldNotices(documents, { keptMs: 1 }), 0, 'what still waits stays, however old');
  });

  test('an id or a group that is none is refused', async () => {
    const { documents } = await fresh();
    await assert.rejects(noteNotice(documents, { ...NOTICE, id: '../x' }), failsWith('IDENTIFIER_INVALID'));
    await assert.rejects(noteNotice(documents, { ...NOTICE, site: 'x' }), failsWith('IDENTIFIER_INVALID'));
    await assert.rejects(
      noteNotice(documents, { ...NOTICE, group: 'acme/paris/erp' }),
      failsWith('IDENTIFIER_INVALID'),
    );
  });
});
