/** An approver's link in memory: one answer, by one person, in time; and pages that hold nothing that they should not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answerLink } from '../../src/app/answer.ts';
import type { AnswerRequest } from '../../src/app/answer.ts';
import { addPerson, removePerson } from '../../src/app/people.ts';
import { groupKind } from '../../src/documents/group.ts';
import { noticeKind } from '../../src/documents/notice.ts';
import { peopleKind } from '../../src/documents/people.ts';
import { questionKind } from '../../src/documents/question.ts';
import { siteDecisionKind } from '../../src/documents/site-failure.ts';
import { siteKind } from '../../src/documents/site.ts';
import { Documents } from '../../src/documents/store.ts';
import { askPerson, newestQuestion } from '../../src/health/asking/question.ts';
import { siteId } from '../../src/kernel/ids.ts';
import { documents as names } from '../../src/kernel/names.ts';
import { CURRENT_VERSION } from '../../src/kernel/versions.ts';
import { answerToken } from '../../src/protocol/answer-link.ts';
import { deriveKey } from '../../src/protocol/signed.ts';
import { DECISION, GROUP, storeAsking } from '../support/asked.ts';
import { ManualClock } from '../support/memory/clock.ts';
import { MemoryState } from '../support/memory/state.ts';

const keySecret = new Uint8Array(32).fill(7);
const ANSWER_MS = 600_000;

async function world() {
  const clock = new ManualClock();
  const documents = new Documents(new MemoryState(clock));
  const ask = async (decision: string): Promise<void> => {
    const { why } = await storeAsking(documents, { nowMs: clock.wallMs(), decision });
    await askPerson(
      { documents },
      {
        group: GROUP,
        term: 1,
        decision,
        about: 'down-silent-1',
        kind: 'down-silent',
        untilMs: clock.wallMs() + ANSWER_MS,
        why,
      },
    );
  };
  await ask(DECISION);
  const send = async (form?: AnswerRequest['form'], link: Partial<AnswerRequest['link']> = {}) => {
    const approver = link.approver ?? 'anna';
    const token = answerToken(keySecret, { group: GROUP, decision: DECISION, approver });
    const whole = { group: 'acme/berlin/erp', decision: DECISION, approver, token, ...link };
    return await answerLink({ documents, keySecret }, { link: whole, form }, noFault);
  };
  const question = async () => await newestQuestion(documents, GROUP, 1);
  return { clock, documents, ask, send, question };
}

const noFault = (line: string): void => {
  assert.fail(line);
};

const form = (answer: string | null, confirmed: string | null = null): AnswerRequest['form'] => ({ answer, confirmed });

test('opening shows the decision with its history, escaped, and changes nothing', async () => {
  const { documents, send } = await world();
  const before = await documents.need(questionKind, names.question(GROUP, DECISION));
  const { status, headers, body } = await send();
  assert.equal(status, 200);
  for (const shown of ['Shall acme/berlin/erp be failed over?', 'You are', 'anna', 'the plan asks a person first'])
    assert.ok(body.includes(shown), shown);
  assert.match(body, /heartbeats<\/th>/, 'the votes are there');
  assert.match(body, /last renewal of the lease/, 'the timeline is there');
  assert.ok(body.includes('&lt;script&gt;site&#39;s&lt;/script&gt; &quot;word&quot;'), 'words are escaped');
  assert.ok(!body.includes('<script'), 'there is no script');
  assert.equal(headers['Cache-Control'], 'no-store');
  assert.equal(headers['Referrer-Policy'], 'no-referrer');
  assert.match(headers['Content-Security-Policy'] ?? '', /^default-src 'none'; style-src 'sha256-/);
  assert.equal((await documents.need(questionKind, names.question(GROUP, DECISION))).etag, before.etag);
});

test('an answer is asked again, and counts only then', async () => {
  const { send, question } = await world();
  const first = await send(form('yes'));
  assert.equal(first.status, 200);
  assert.match(first.body, /Really fail over acme\/berlin\/erp\?/);
  assert.equal((await question())?.answer, null);
  const second = await send(form('yes', 'yes'));
  assert.equal(second.status, 200);
  assert.match(second.body, /anna said yes/);
  assert.equal((await question())?.answer?.by, 'anna');
});

test('of two answers the second sees whose was first', async () => {
  const { send, question } = await world();
  await send(form('no', 'yes'));
  for (const approver of ['ben', 'anna']) {
    const late = await send(form('yes', 'yes'), { approver });
    assert.equal(late.status, 409);
    assert.match(late.body, /anna said no/);
  }
  assert.equal((await send(form('no', 'yes'))).status, 200, "one's own answer sent again is the same answer");
  assert.deepEqual([(await question())?.answer?.is, (await question())?.answer?.by], ['no', 'anna']);
});

test('of many that answer at once one is taken, and all are told which', async () => {
  const { send, question } = await world();
  const pages = await Promise.all(
    Array.from({ length: 12 }, async (_, at) =>
      send(form(at % 3 === 0 ? 'no' : 'yes', 'yes'), { approver: at % 2 === 0 ? 'anna' : 'ben' }),
    ),
  );
  const { answer } = (await question()) ?? {};
  assert.ok(answer);
  for (const { body } of pages) assert.ok(body.includes(`${answer.by} said ${answer.is}`));
});

test('a yes is not taken after the time, a no is', async () => {
  const { clock, send, question } = await world();
  clock.advance(ANSWER_MS + 1000);
  const shown = await send();
  assert.ok(!shown.body.includes('value="yes"'), 'no button for a yes');
  for (const confirmed of [null, 'yes']) assert.equal((await send(form('yes', confirmed))).status, 409);
  assert.equal((await question())?.answer, null);
  assert.equal((await send(form('no', 'yes'))).status, 200);
  assert.equal((await question())?.answer?.is, 'no');
});

test('a yes that is written after the time, for its writer was held up, is told to count for nothing', async () => {
  const { clock, documents, send } = await world();
  const atMs = clock.wallMs();
  clock.advance(ANSWER_MS + 2000);
  await documents.update(questionKind, names.question(GROUP, DECISION), (value) => ({
    ...value,
    answer: { is: 'yes' as const, by: 'anna', atMs },
  }));
  const { status, body } = await send(form('yes', 'yes'));
  assert.equal(status, 409);
  assert.match(body, /it counts for nothing/);
});

test('every link that is none gets the same page', async () => {
  const { documents, ask, send } = await world();
  await ask('t1-ask-2');
  const token = (of: { decision?: string; approver?: string }) =>
    answerToken(keySecret, { group: GROUP, decision: DECISION, approver: 'anna', ...of });
  const { secret } = deriveKey(keySecret, { signer: 'operator/anna', name: 'operator' });
  const none = {
    'no token': { token: '' },
    'a token of the right length': { token: Buffer.alloc(32).toString('base64url') },
    "another's token": { token: token({ approver: 'ben' }) },
    "another question's token": { token: token({ decision: 't1-ask-2' }) },
    'another name': { approver: 'ben', token: token({}) },
    "an operator's key": { token: Buffer.from(secret).toString('base64url') },
    'somebody who was not asked': { approver: 'zoe', token: token({ approver: 'zoe' }) },
    'a reader': { approver: 'board', token: token({ approver: 'board' }) },
    'no such group': { group: 'acme/berlin/crm' },
    'no group': { group: '../..' },
    'no decision': { decision: '..%2f' },
    'no such question': { decision: 't1-ask-3', token: token({ decision: 't1-ask-3' }) },
  };
  const pages = new Set<string>();
  for (const [what, link] of Object.entries(none)) {
    for (const sent of [undefined, form('yes'), form('yes', 'yes')]) {
      const page = await send(sent, link);
      assert.equal(page.status, 404, what);
      pages.add(JSON.stringify(page));
    }
  }
  assert.equal(pages.size, 1);
  assert.equal((await documents.need(questionKind, names.question(GROUP, DECISION))).value.answer, null);
});

test('nothing is read for a forged link', async () => {
  const dead = new Documents(
    new Proxy(new MemoryState(new ManualClock()), {
      get: () => () => {
        throw new Error('storage was asked');
      },
    }),
  );
  const link = { group: 'acme/berlin/erp', decision: DECISION, approver: 'anna', token: 'x'.repeat(43) };
  assert.equal((await answerLink({ documents: dead, keySecret }, { link, form: undefined }, noFault)).status, 404);
  const token = answerToken(keySecret, { group: GROUP, decision: DECISION, approver: 'anna' });
  const lines: string[] = [];
  const told = await answerLink(
    { documents: dead, keySecret },
    { link: { ...link, token }, form: undefined },
    (line) => {
      lines.push(line);
    },
  );
  assert.deepEqual(
    [told.status, lines],
    [503, ['storage was asked']],
    'a right one is read for, and a fault is a page',
  );
});

test('whoever is no approver any more has no link any more', async () => {
  const { documents, send } = await world();
  await documents.update(peopleKind, names.people(GROUP), (value) => ({
    ...value,
    people: value.people.map((person) => (person.name === 'anna' ? { ...person, role: 'reader' as const } : person)),
  }));
  assert.equal((await send(form('yes', 'yes'))).status, 404);
  assert.equal((await send(form('yes', 'yes'), { approver: 'ben' })).status, 200);
});

test('whoever is removed and added again under the same name was not asked; nor does anybody else lose a link by it', async () => {
  const { clock, documents, ask, send } = await world();
  const site = { version: CURRENT_VERSION, site: siteId(GROUP), keys: [], account: 'account' };
  await documents.create(siteKind, names.site(GROUP), site);
  const anna = { name: 'anna', role: 'approver', webhook: 'anna-2', shape: 'plain' } as const;
  await addPerson(documents, GROUP, anna);
  assert.equal((await send()).status, 200, 'another webhook is no other person');
  await removePerson(documents, GROUP, 'anna');
  await addPerson(documents, GROUP, anna);
  assert.equal((await send(form('yes', 'yes'))).status, 404);
  await addPerson(documents, GROUP, { ...anna, webhook: 'anna-3' });
  assert.equal((await send(form('yes', 'yes'))).status, 404, 'whatever is changed since');
  assert.equal((await send(undefined, { approver: 'ben' })).status, 200);
  clock.advance(5000);
  await ask('t1-ask-2');
  const token = answerToken(keySecret, { group: GROUP, decision: 't1-ask-2', approver: 'anna' });
  assert.equal((await send(form('yes', 'yes'), { decision: 't1-ask-2', token })).status, 200);
});

test('who became an approver after the question was asked was not asked', async () => {
  const { documents, send } = await world();
  await documents.update(peopleKind, names.people(GROUP), (value) => ({
    ...value,
    people: [...value.people, { name: 'zoe', role: 'approver' as const, webhook: 'zoe', shape: 'plain' as const }],
  }));
  assert.equal((await send(form('yes', 'yes'), { approver: 'zoe' })).status, 404);
});

test('an older question takes no answer any more', async () => {
  const { clock, documents, ask, send } = await world();
  clock.advance(5000);
  await ask('t1-ask-2');
  const { status, body } = await send(form('yes', 'yes'));
  assert.equal(status, 409);
  assert.match(body, /A newer question/);
  assert.equal((await documents.need(questionKind, names.question(GROUP, DECISION))).value.answer, null);
});

test('a group that is being moved takes no answer', async () => {
  const { documents, send, question } = await world();
  await documents.update(groupKind, names.group(GROUP), (value) => ({ ...value, run: 'r1' }));
  const { status, body } = await send(form('yes', 'yes'));
  assert.equal(status, 409);
  assert.match(body, /being moved already/);
  assert.equal((await question())?.answer, null);
});

test('a form that is none of these pages changes nothing', async () => {
  const { send, question } = await world();
  for (const answer of [null, '', 'maybe', 'YES']) assert.equal((await send(form(answer, 'yes'))).status, 400);
  assert.equal((await question())?.answer, null);
});

test('a decision that cannot be read takes nobody the answer', async () => {
  const { documents, send } = await world();
  await documents.update(siteDecisionKind, names.decision(GROUP, DECISION), (value) => ({
    ...value,
    version: { format: 9, oldestReader: 9, oldestWriter: 9 },
  }));
  assert.match((await send()).body, /history cannot be read/);
  assert.equal((await send(form('yes', 'yes'))).status, 200);
});

test('everybody is told who answered, once', async () => {
  const { documents, send } = await world();
  await send(form('no', 'yes'));
  await send(form('yes', 'yes'), { approver: 'ben' });
  const { value } = await documents.need(noticeKind, `notices/acme/berlin/erp/answer-${DECISION}.json`);
  assert.equal(value.title, 'anna said no to failing over acme/berlin/erp');
});
