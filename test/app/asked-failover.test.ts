/** From a dead site to a run by a person's word: monitor, question, notice, link, answer, monitor. Over a real webhook. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { answerLink } from '../../src/app/answer.ts';
import { peopleKind } from '../../src/documents/people.ts';
import type { PeopleDocument } from '../../src/documents/people.ts';
import { parseSite } from '../../src/kernel/ids.ts';
import { documents as names } from '../../src/kernel/names.ts';
import { CURRENT_VERSION } from '../../src/kernel/versions.ts';
import { deliverNotices } from '../../src/notify/deliver.ts';
import { PlainHttp } from '../../src/system/http.ts';
import { SITE, WINDOW_MS, createWorld } from '../failover/world.ts';
import type { World } from '../failover/world.ts';
import { openWebhook } from '../support/webhook.ts';
import type { Webhook } from '../support/webhook.ts';

const keySecret = new Uint8Array(32).fill(7);
const ANSWER_MS = 600_000;

describe('a person who is asked', () => {
  let webhook: Webhook;
  before(async () => {
    webhook = await openWebhook();
  });
  after(async () => {
    await webhook.close();
  });

  /** A site that has gone silent, and the link that its approver was sent. */
  async function asked(): Promise<{ world: World; answer: (said: 'yes' | 'no') => Promise<number> }> {
    const world = await createWorld({ plan: { mode: 'ask', consents: [], answerMs: ANSWER_MS } });
    const people: PeopleDocument = {
      version: CURRENT_VERSION,
      site: SITE,
      people: [{ name: 'anna', role: 'approver', webhook: 'anna', shape: 'plain' }],
    };
    await world.documents.create(peopleKind, names.people(parseSite(SITE)), people);
    await world.heartbeat();
    await world.live(2 * WINDOW_MS);
    const { documents, clock } = world;
    const webhooks = new Map([['anna', webhook.url('anna')]]);
    const sent = webhook.received.length;
    const ports = { documents, clock, webhooks, keySecret, http: new PlainHttp(), publicUrl: 'https://leeward.test' };
    await deliverNotices(ports);
    const links = webhook.received
      .slice(sent)
      .flatMap(({ body }) => (typeof body['link'] === 'string' ? [body['link']] : []));
    assert.equal(links.length, 1, 'asked once');
    const { pathname, searchParams } = new URL(links[0] ?? '');
    const [, , , tenant = '', site = '', group = '', decision = ''] = pathname.split('/');
    const link = {
      group: `${tenant}/${site}/${group}`,
      decision,
      approver: searchParams.get('as') ?? '',
      token: searchParams.get('token') ?? '',
    };
    const answer = async (said: 'yes' | 'no'): Promise<number> => {
      const fault = (line: string): void => {
        assert.fail(line);
      };
      const request = { link, form: { answer: said, confirmed: 'yes' } };
      return (await answerLink({ documents, keySecret }, request, fault)).status;
    };
    return { world, answer };
  }

  test('says yes, and the run begins', async () => {
    const { world, answer } = await asked();
    assert.deepEqual(await world.runs(), []);
    assert.equal(await answer('yes'), 200);
    await world.live(60_000);
    const [run] = await world.runs();
    assert.match(run?.reason ?? '', /anna said yes/);
  });

  test('says no, and none does', async () => {
    const { world, answer } = await asked();
    assert.equal(await answer('no'), 200);
    await world.live(2 * ANSWER_MS);
    assert.deepEqual(await world.runs(), []);
  });

  test('says yes too late, and none does', async () => {
    const { world, answer } = await asked();
    await world.live(ANSWER_MS + WINDOW_MS);
    assert.equal(await answer('yes'), 409);
    await world.live(60_000);
    assert.deepEqual(await world.runs(), []);
  });

  test('is told by a second yes that the first has begun it', async () => {
    const { world, answer } = await asked();
    assert.equal(await answer('yes'), 200);
    await world.live(60_000);
    assert.equal(await answer('yes'), 200);
    assert.equal((await world.runs()).length, 1);
  });
});
