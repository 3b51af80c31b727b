/**
 * Asking people before a failover: the question of a decision, and which of a group's questions is the newest.
 *
 * Invariants: a decision has one question, however often it is asked: a repeated call meets its own work, and finishes it.
 * The question is stored, and the newest, before anybody is told of it, so that no link leads nowhere. An answer's time is
 * when the service took it, never when somebody began to give it.
 */
import { peopleKind } from '../../documents/people.ts';
import { answerOf, newestQuestionKind, questionKind } from '../../documents/question.ts';
import type { NewestQuestion, QuestionDocument } from '../../documents/question.ts';
import type { Question } from '../../documents/site-failure.ts';
import type { Documents, Held } from '../../documents/store.ts';
import { groupId, siteId } from '../../kernel/ids.ts';
import type { GroupRef } from '../../kernel/ids.ts';
import { documents as names } from '../../kernel/names.ts';
import { CURRENT_VERSION } from '../../kernel/versions.ts';
import { noteNotice } from '../../notify/notices.ts';

/** What a person is asked about. */
export interface Asking {
  readonly group: GroupRef;
  readonly term: number;
  /** The stored decision that asks. */
  readonly decision: string;
  /** The failure that it is about: the verdict's `about`. */
  readonly about: string;
  /** What sort of failure that is: the verdict's `kind`. */
  readonly kind: string;
  /** The end of the time for an answer, on the service's clock; from then on the plan's own answer counts. */
  readonly untilMs: number;
  /** Why, in words: the decision's reason. */
  readonly why: string;
}

/**
 * The newest question that was asked about the group in this term; null for none. Two requests, or one where none was ever
 * asked. Errors: UNAVAILABLE, DENIED, VERSION_TOO_NEW.
 */
export async function newestQuestion(documents: Documents, group: GroupRef, term: number): Promise<Question | null> {
  const newest = await documents.read(newestQuestionKind, names.newestQuestion(group));
  if (newest?.value.term !== term) return null;
  return asAnswered(await documents.need(questionKind, names.question(group, newest.value.decision)));
}

/**
 * Asks the approvers of the group's site: stores the question, makes it the group's newest and notes the notice that brings
 * each of them a link. Idempotent by the decision: the first `untilMs` holds. Errors: UNAVAILABLE, DENIED, CONFLICT.
 */
export async function askPerson({ documents }: { readonly documents: Documents }, of: Asking): Promise<Question> {
  const { group, term, decision, untilMs, why } = of;
  const name = names.question(group, decision);
  const { held: known, serviceNowMs } = await documents.readWithTime(questionKind, name);
  const held =
    known ?? (await documents.createOrRead(questionKind, name, await asked(documents, of, serviceNowMs))).held;
  await makeNewest(documents, group, { term, decision, askedAtMs: held.value.askedAtMs });
  await noteNotice(documents, {
    id: `question-${decision}`,
    severity: 'critical',
    site: siteId(group),
    group: groupId(group),
    title: `Shall ${groupId(group)} be failed over?`,
    text:
      `${why}. Approvers may answer until ${new Date(held.value.untilMs).toISOString()}. ` +
      `Decision ${decision}: leeward explain ${groupId(group)}/${decision}`,
    question: { decision, untilMs },
    atMs: held.value.askedAtMs,
  });
  return asAnswered(held);
}

async function asked(documents: Documents, of: Asking, nowMs: number): Promise<QuestionDocument> {
  const { group, term, decision, about, kind, untilMs, why } = of;
  const people = await documents.read(peopleKind, names.people(group));
  const approvers = (people?.value.people ?? []).filter(({ role }) => role === 'approver');
  return {
    version: CURRENT_VERSION,
    decision,
    about,
    kind,
    group: groupId(group),
    term,
    why,
    asked: approvers.map(({ name }) => name),
    removals: people?.value.removals ?? 0,
    askedAtMs: nowMs,
    untilMs,
    answer: null,
  };
}

/** A question is never displaced by an older one. */
async function makeNewest(documents: Documents, group: GroupRef, of: Asked): Promise<void> {
  await documents.record(newestQuestionKind, names.newestQuestion(group), (found): NewestQuestion => {
    const known = found?.value;
    if (known && !isLater(of, known)) return known;
    return { ...(known ?? { version: CURRENT_VERSION, group: groupId(group) }), ...of };
  });
}

type Asked = Pick<NewestQuestion, 'term' | 'decision' | 'askedAtMs'>;

function isLater(one: Asked, other: Asked): boolean {
  if (one.term !== other.term) return one.term > other.term;
  // The service's times have whole seconds: of two in one second, the name decides, and for everybody alike.
  return one.askedAtMs === other.askedAtMs ? one.decision > other.decision : one.askedAtMs > other.askedAtMs;
}

function asAnswered(held: Held<QuestionDocument>): Question {
  const { about, kind, askedAtMs, untilMs } = held.value;
  return { about, kind, askedAtMs, untilMs, answer: answerOf(held) };
}
