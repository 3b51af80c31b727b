/**
 * Asking and telling over a real stack: the real functions on the local host, real webhooks, and a real browser that opens
 * the links which were sent.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { z } from 'zod';
import { questionKind } from '../../src/documents/question.ts';
import { askPerson, newestQuestion } from '../../src/health/asking/question.ts';
import { noticeKind } from '../../src/documents/notice.ts';
import { noteNotice } from '../../src/notify/notices.ts';
import { documents as names } from '../../src/kernel/names.ts';
import { readFunctionKeys } from '../../src/local/stack/stack.ts';
import { DECISION, GROUP, PEOPLE, storeAsking } from '../support/asked.ts';
import { openBrowser } from '../support/browser.ts';
import { Doors, QUIET } from '../support/integration/doors.ts';
import { LiveStack, until } from '../support/integration/live-stack.ts';
import { needs } from '../support/tools.ts';
import { openWebhook } from '../support/webhook.ts';
import type { Webhook } from '../support/webhook.ts';

const ANSWER_MS = 600_000;

describe('asking and telling', () => {
  let webhook: Webhook;
  let stack: LiveStack;
  let doors: Doors;

  before(async () => {
    webhook = await openWebhook();
    const addresses = Object.fromEntries(PEOPLE.map(({ webhook: name }) => [name, webhook.url(name)]));
    stack = await LiveStack.up({ ...QUIET, LEEWARD_WEBHOOKS: JSON.stringify(addresses) });
    doors = await Doors.open(stack);
  });

  after(async () => {
    await stack.close();
    await webhook.close();
  });

  /** Asks by a new decision, and sends what is in the outbox; the links that people were sent. */
  async function ask(decision: string, answerMs = ANSWER_MS): Promise<{ anna: string; ben: string }> {
    const { documents } = stack.storage;
    const { serviceNowMs } = await documents.readWithTime(questionKind, names.question(GROUP, decision));
    const { why } = await storeAsking(documents, { nowMs: serviceNowMs, decision });
    await askPerson(
      { documents },
      {
        group: GROUP,
        term: 1,
        decision,
        about: 'down-silent-1',
        kind: 'down-silent',
        untilMs: serviceNowMs + answerMs,
        why,
      },
    );
    const sent = webhook.received.length;
    const said = await doors.callByHand('notify', undefined);
    assert.ok(
      said.some(({ text }) => text.startsWith(`leeward notice acme/berlin/erp/question-${decision} (critical): `)),
      JSON.stringify(said),
    );
    const linkTo = (name: string): string => {
      const [{ body } = { body: {} }] = webhook.received
        .slice(sent)
        .filter(({ path, id }) => path === `/${name}` && id?.endsWith(decision) === true);
      return (/https?:[^"|]*\/api\/answer[^"|]*/.exec(JSON.stringify(body))?.[0] ?? '').replaceAll('&amp;', '&');
    };
    assert.equal(linkTo('board'), '', 'a reader is told, and sent no link');
    return { anna: linkTo('anna'), ben: linkTo('ben') };
  }

  const answerOf = async (): Promise<unknown> => (await newestQuestion(stack.storage.documents, GROUP, 1))?.answer;

  function post(link: string, fields: Record<string, string>): Promise<Response> {
    const { origin, pathname, searchParams } = new URL(link);
    return fetch(`${origin}${pathname}`, {
      method: 'POST',
      body: new URLSearchParams({ ...Object.fromEntries(searchParams), ...fields }),
    });
  }

  test(
    'a person opens its link in a browser, is asked again, and answers; the other sees who did',
    needs('chromium'),
    async () => {
      const links = await ask(DECISION);
      const browser = await openBrowser();
      try {
        await browser.open(links.anna);
        const shown = await browser.text();
        for (const part of ['Shall acme/berlin/erp be failed over?', 'anna', '2 of 3 failure domains', 'oslo'])
          assert.ok(shown.includes(part), `${part} is not in: ${shown}`);
        const spoken = await browser.spoken();
        for (const part of [
          'heading: Why',
          'button: Yes, fail over…',
          'button: No…',
          'columnheader: Witness',
          'region: Timeline',
        ])
          assert.ok(spoken.includes(part), `${part} is not in: ${spoken.join('\n')}`);
        assert.equal(await browser.evaluate('getComputedStyle(document.body).maxWidth'), '884px', 'the style is taken');
        await browser.click('Yes, fail over…');
        assert.match(await browser.text(), /Really fail over acme\/berlin\/erp\?/);
        assert.equal(await answerOf(), null, 'asking again does nothing yet');
        await browser.click('Back to the decision, without an answer');
        await browser.click('Yes, fail over…');
        assert.equal(await browser.evaluate('document.referrer'), '');
        await browser.click('Yes, fail over now');
        assert.match(await browser.text(), /anna said yes at/);
        assert.doesNotMatch(await browser.text(), /Your answer/);
        await browser.open(links.ben);
        assert.match(await browser.text(), /anna said yes at/);
        assert.equal(await browser.evaluate('document.forms.length'), 0);
        assert.deepEqual(browser.complaints, []);
      } finally {
        await browser.close();
      }
    },
  );

  test('opening a link, however often and by whom, changes nothing', async () => {
    const { anna } = await ask('t1-ask-2');
    const etags = await doors.etags();
    for (const headers of [
      { 'user-agent': 'Slackbot-LinkExpanding 1.0' },
      { 'user-agent': 'SkypeUriPreview Preview/0.5' },
      { purpose: 'prefetch', 'sec-purpose': 'prefetch;prerender' },
      { 'x-confirmed': 'yes' },
    ]) {
      const answer = await fetch(`${anna}&answer=yes&confirmed=yes`, { headers: { ...headers } });
      assert.equal(answer.status, 200);
      assert.equal(answer.headers.get('cache-control'), 'no-store');
      assert.equal(answer.headers.get('referrer-policy'), 'no-referrer');
      assert.match(answer.headers.get('content-security-policy') ?? '', /default-src 'none'.*frame-ancestors 'none'/);
    }
    assert.notEqual((await fetch(anna, { method: 'HEAD' })).status, 500);
    assert.deepEqual(await doors.etags(), etags);
  });

  test('of answers that come at once one is taken, and everybody is told which', async () => {
    const { anna, ben } = await ask('t1-ask-3');
    const answers = await Promise.all(
      [anna, ben, anna, ben].map(async (link, at) => {
        const answer = await post(link, { answer: at < 2 ? 'yes' : 'no', confirmed: 'yes' });
        return { status: answer.status, text: await answer.text() };
      }),
    );
    const taken = z.looseObject({ is: z.string(), by: z.string() }).parse(await answerOf());
    assert.ok(answers.every(({ text }) => text.includes(`${taken.by} said ${taken.is}`)));
    assert.equal(answers.filter(({ status }) => status === 200).length, 1);
    assert.equal(answers.filter(({ status }) => status === 409).length, 3);
    await doors.callByHand('notify', undefined);
    const told = webhook.of('board').at(-1);
    assert.equal(told?.id, 'acme/berlin/erp/answer-t1-ask-3');
    assert.equal(told.body['title'], `${taken.by} said ${taken.is} to failing over acme/berlin/erp`);
  });

  test('a yes after the time is refused', async () => {
    const { anna } = await ask('t1-ask-4', -1000);
    const late = await post(anna, { answer: 'yes', confirmed: 'yes' });
    assert.equal(late.status, 409);
    assert.match(await late.text(), /The time to answer is over/);
    assert.equal(await answerOf(), null);
    assert.equal((await post(anna, { answer: 'no', confirmed: 'yes' })).status, 200);
  });

  test("an approver's link opens nothing else, and no key of the functions answers", async () => {
    const { anna } = await ask('t1-ask-5');
    const { searchParams, origin, pathname } = new URL(anna);
    const token = searchParams.get('token') ?? '';
    const { master, functions } = await readFunctionKeys(stack.facts);
    for (const path of [
      'status/acme/berlin',
      `status/acme/berlin?code=${token}`,
      `status/acme/berlin?as=anna&token=${token}`,
    ]) {
      assert.equal((await fetch(`${origin}/api/${path}`, { headers: { 'x-functions-key': token } })).status, 401, path);
    }
    for (const name of ['heartbeat', 'lease', 'stopped']) {
      const answer = await fetch(`${origin}/api/${name}`, { method: 'POST', body: JSON.stringify({ token }) });
      assert.equal(answer.status, 400, name);
    }
    assert.equal(
      (await fetch(`${origin}/admin/functions/monitor`, { method: 'POST', headers: { 'x-functions-key': token } }))
        .status,
      401,
    );
    const etags = await doors.etags();
    const pages = new Set<string>();
    for (const key of [functions, master, '']) {
      for (const given of [
        `code=${key}`,
        `as=anna&token=${key}`,
        `as=anna&token=${token.slice(0, -1)}`,
        `as=ben&token=${token}`,
      ]) {
        const init = { headers: { 'x-functions-key': key, 'content-type': 'application/x-www-form-urlencoded' } };
        const body = `${given}&answer=yes&confirmed=yes`;
        for (const answer of [
          await fetch(`${origin}${pathname}?${given}`, init),
          await fetch(`${origin}${pathname}`, { ...init, method: 'POST', body }),
          await fetch(`${origin}${pathname.replace('/erp/', '/crm/')}`, { ...init, method: 'POST', body }),
        ]) {
          assert.equal(answer.status, 404, given);
          pages.add(await answer.text());
        }
      }
    }
    assert.equal(pages.size, 1, 'they are all alike');
    const long = await fetch(`${origin}${pathname}`, { method: 'POST', body: 'x'.repeat(100_000) });
    assert.equal(long.status, 404);
    assert.deepEqual(await doors.etags(), etags);
  });

  test('a host that is killed between sending and marking sends again, under the same id, and never after the mark', async () => {
    const { documents } = stack.storage;
    const id = 'killed';
    await noteNotice(documents, { id, severity: 'info', site: 'acme/berlin', title: 'once more', text: '' });
    const arrived = (): number => webhook.of('board').filter((one) => one.id === 'acme/berlin/killed').length;
    webhook.behaves('board', 'hang');
    void doors.callByHand('notify', undefined).catch(() => undefined);
    await until(
      () => 'the notice to arrive',
      20_000,
      async () => (arrived() === 1 ? true : undefined),
    );
    await stack.killHost();
    webhook.behaves('board', 200);
    await stack.startHost();
    // As if the dead sender's claim had run out.
    const name = names.notice({ site: 'acme/berlin', id });
    await documents.update(noticeKind, name, (notice) => ({ ...notice, claimedUntilMs: 0 }));
    await doors.callByHand('notify', undefined);
    assert.equal(arrived(), 2);
    await documents.update(noticeKind, name, (notice) => ({ ...notice, claimedUntilMs: 0 }));
    await doors.callByHand('notify', undefined);
    assert.equal(arrived(), 2);
  });

  test('no log has a token or an address of a webhook', async () => {
    const log = await readFile(join(stack.facts.logFolder, 'host.log'), 'utf8');
    assert.match(log, /leeward notice/);
    for (const { body } of webhook.received) {
      const token = /token=([\w-]{43})/.exec(JSON.stringify(body))?.[1];
      assert.ok(token === undefined || !log.includes(token), 'a token is in the log');
    }
    assert.ok(!log.includes(webhook.url('').slice(0, -1)), "a webhook's address is in the log");
  });
});
