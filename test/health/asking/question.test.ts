/** A decision has one question, and a group one newest: whatever is repeated, or comes in between. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noticeKind } from '../../../src/documents/notice.ts';
import { peopleKind } from '../../../src/documents/people.ts';
import type { PeopleDocument } from '../../../src/documents/people.ts';
import { questionKind } from '../../../src/documents/question.ts';
import { Documents } from '../../../src/documents/store.ts';
import { askPerson, newestQuestion } from '../../../src/health/asking/question.ts';
import type { Asking } from '../../../src/health/asking/question.ts';
import { documents as names } from '../../../src/kernel/names.ts';
import { CURRENT_VERSION } from '../../../src/kernel/versions.ts';
import { ManualClock } from '../../support/memory/clock.ts';
import { MemoryState } from '../../support/memory/state.ts';

const group = { tenant: 'acme', site: 'berlin', group: 'erp' };

async function world() {
  const clock = new ManualClock();
  const documents = new Documents(new MemoryState(clock));
  const people: PeopleDocument = {
    version: CURRENT_VERSION,
    site: 'acme/berlin',
    people: [
      { name: 'anna', role: 'approver', webhook: 'anna', shape: 'plain' },
      { name: 'board', role: 'reader', webhook: 'board', shape: 'teams' },
    ],
  };
  await documents.create(peopleKind, names.people(group), people);
  const asking = (decision: string, more: Partial<Asking> = {}): Asking => ({
    group,
    term: 1,
    decision,
    about: 'down-silent-1',
    kind: 'down-silent',
    untilMs: clock.wallMs() + 600_000,
    why: 'the site is down',
    ...more,
  });
  return { clock, documents, asking };
}

async function all(iterable: AsyncIterable<{ name: string }>): Promise<string[]> {
  const found: string[] = [];
  for await (const { name } of iterable) found.push(name);
  return found;
}

test('there is no question before one is asked', async () => {
  const { documents } = await world();
  assert.equal(await newestQuestion(documents, group, 1), null);
});

test('asking again about the same decision is the same question, with the same end, and one notice', async () => {
  const { clock, documents, asking } = await world();
  const first = await askPerson({ documents }, asking('t1-ask-1'));
  clock.advance(60_000);
  const again = await askPerson({ documents }, asking('t1-ask-1'));
  assert.deepEqual(again, first);
  assert.deepEqual(await newestQuestion(documents, group, 1), first);
  assert.deepEqual(await all(documents.list(names.allNotices)), ['notices/acme/berlin/erp/question-t1-ask-1.json']);
  const { value } = await documents.need(questionKind, names.question(group, 't1-ask-1'));
  assert.deepEqual(value.asked, ['anna'], 'approvers are asked, readers are not');
});

test('a call that ended after the question was stored is finished by the next', async () => {
  const { clock, asking } = await world();
  const store = new MemoryState(clock);
  let calls = 0;
  const dying = new Documents(
    new Proxy(store, {
      get(target, key) {
        const value: unknown = Reflect.get(target, key);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]): unknown => {
          if (key === 'create') calls += 1;
          if (key === 'create' && calls === 2) throw new Error('killed');
          return Reflect.apply(value, target, args);
        };
      },
    }),
  );
  await assert.rejects(askPerson({ documents: dying }, asking('t1-ask-1')), /killed/);
  assert.equal(await newestQuestion(dying, group, 1), null);
  await askPerson({ documents: dying }, asking('t1-ask-1'));
  assert.notEqual(await newestQuestion(dying, group, 1), null);
  const notice = await dying.need(noticeKind, 'notices/acme/berlin/erp/question-t1-ask-1.json');
  assert.equal(notice.value.question?.decision, 't1-ask-1');
});

test('a newer question displaces an older one, never the other way round', async () => {
  const { clock, documents, asking } = await world();
  const older = asking('t1-ask-1');
  await askPerson({ documents }, older);
  clock.advance(60_000);
  const newer = await askPerson({ documents }, asking('t1-ask-2'));
  await askPerson({ documents }, older);
  assert.deepEqual(await newestQuestion(documents, group, 1), newer);
});

test('a question of an earlier term is none of this one, and displaces none of it', async () => {
  const { clock, documents, asking } = await world();
  const first = asking('t1-ask-1');
  await askPerson({ documents }, first);
  assert.equal(await newestQuestion(documents, group, 2), null);
  const second = await askPerson({ documents }, asking('t2-ask-1', { term: 2 }));
  clock.advance(60_000);
  await askPerson({ documents }, asking('t1-ask-9'));
  assert.deepEqual(await newestQuestion(documents, group, 2), second);
});

test('an answer counts from when the service took it, whatever its giver wrote', async () => {
  const { clock, documents, asking } = await world();
  await askPerson({ documents }, asking('t1-ask-1'));
  const givenAtMs = clock.wallMs();
  clock.advance(900_000);
  await documents.update(questionKind, names.question(group, 't1-ask-1'), (question) => ({
    ...question,
    answer: { is: 'yes' as const, by: 'anna', atMs: givenAtMs },
  }));
  const question = await newestQuestion(documents, group, 1);
  assert.equal(question?.answer?.atMs, clock.wallMs());
});
