/**
 * Answering a question by a link: what its holder is shown, and the one answer that it takes.
 *
 * Invariants: looking changes nothing. A link that is not the approver's own, of a question that was put to this person, who
 * still is an approver and was never removed, is no link at all: nobody learns from the outcome which of it was wrong, and no
 * document is read before the token was found right. There is one answer: the write that gives it meets the version without
 * one, so that the second is shown who was first. A yes counts only in time and only where the question is still the group's
 * newest; a no may come late, for it moves nothing.
 */
import { groupKind } from '../../documents/group.ts';
import { peopleKind } from '../../documents/people.ts';
import { answerOf, decisionNameSchema, newestQuestionKind, questionKind } from '../../documents/question.ts';
import type { QuestionDocument } from '../../documents/question.ts';
import { siteDecisionKind } from '../../documents/site-failure.ts';
import type { SiteDecisionDocument } from '../../documents/site-failure.ts';
import type { Documents, Held } from '../../documents/store.ts';
import { isLeewardError } from '../../kernel/errors.ts';
import { groupId, parseGroup, siteId } from '../../kernel/ids.ts';
import { documents as names } from '../../kernel/names.ts';
import { noteNotice } from '../../notify/notices.ts';
import { isAnswerToken } from '../../protocol/answer-link.ts';
import type { AnswerLink } from '../../protocol/answer-link.ts';

export interface AnswerPorts {
  readonly documents: Documents;
  readonly keySecret: Uint8Array;
}

/** The link as a request gave it: each part may be any text. */
export interface AskedLink {
  readonly group: string;
  readonly decision: string;
  readonly approver: string;
  readonly token: string;
}

/** How a question stands. */
export type QuestionStanding =
  | { readonly is: 'open' }
  /** The time is over: only a no is still noted. */
  | { readonly is: 'late' }
  | { readonly is: 'answered'; readonly answer: NonNullable<QuestionDocument['answer']>; readonly cameLate: boolean }
  /** Another question of the group counts by now, or the group is being moved or is in the cloud. */
  | { readonly is: 'over'; readonly why: string };

/** What the holder of a link is shown. */
export interface PutQuestion {
  readonly link: AnswerLink;
  readonly question: QuestionDocument;
  /** The decision that asks, with its history; undefined where it cannot be read. */
  readonly decision: SiteDecisionDocument | undefined;
  readonly standing: QuestionStanding;
  /** The service's time. */
  readonly nowMs: number;
}

/** The question of a link; undefined for a link that is none. Changes nothing. Errors: UNAVAILABLE, DENIED, VERSION_TOO_NEW. */
export async function openQuestion(ports: AnswerPorts, asked: AskedLink): Promise<PutQuestion | undefined> {
  const opened = await open(ports, asked);
  return opened && (await put(ports.documents, opened));
}

/**
 * Gives the answer, if the question still takes it; what is returned says how it stands afterwards. Repeatable. Errors:
 * CONFLICT after many tries; otherwise as for {@link openQuestion}.
 */
export async function answerQuestion(
  ports: AnswerPorts,
  asked: AskedLink,
  is: 'yes' | 'no',
): Promise<PutQuestion | undefined> {
  const { documents } = ports;
  const opened = await open(ports, asked);
  if (!opened) return undefined;
  const { link } = opened;
  const before = await put(documents, opened);
  if (before.standing.is === 'over' || (before.standing.is === 'late' && is === 'yes')) return before;
  const held = await documents.update(questionKind, opened.held.name, (question) =>
    question.answer === null ? { ...question, answer: { is, by: link.approver, atMs: before.nowMs } } : undefined,
  );
  const after = await put(documents, { link, held, nowMs: before.nowMs });
  await tell(documents, after);
  return after;
}

interface Opened {
  readonly link: AnswerLink;
  readonly held: Held<QuestionDocument>;
  readonly nowMs: number;
}

async function open({ documents, keySecret }: AnswerPorts, asked: AskedLink): Promise<Opened | undefined> {
  const link = linkOf(asked);
  if (!link || !isAnswerToken(keySecret, link, asked.token)) return undefined;
  const { held, serviceNowMs } = await documents.readWithTime(questionKind, names.question(link.group, link.decision));
  if (!held?.value.asked.includes(link.approver)) return undefined;
  const people = await documents.read(peopleKind, names.people(link.group));
  const { removals = 0 } = held.value;
  const isApprover = people?.value.people.some(
    ({ name, role, addedAfter = 0 }) => name === link.approver && role === 'approver' && addedAfter <= removals,
  );
  return isApprover === true ? { link, held, nowMs: serviceNowMs } : undefined;
}

function linkOf({ group, decision, approver }: AskedLink): AnswerLink | undefined {
  if (!decisionNameSchema.safeParse(decision).success) return undefined;
  try {
    return { group: parseGroup(group), decision, approver };
  } catch (error) {
    if (isLeewardError(error, 'IDENTIFIER_INVALID')) return undefined;
    throw error;
  }
}

async function put(documents: Documents, { link, held, nowMs }: Opened): Promise<PutQuestion> {
  const [decision, standing] = await Promise.all([
    decisionOf(documents, link),
    standingOf(documents, { link, held, nowMs }),
  ]);
  return { link, question: held.value, decision, standing, nowMs };
}

async function standingOf(documents: Documents, { link, held, nowMs }: Opened): Promise<QuestionStanding> {
  const { untilMs, term, decision } = held.value;
  const answer = answerOf(held);
  if (answer) return { is: 'answered', answer, cameLate: answer.is === 'yes' && answer.atMs > untilMs };
  const newest = await documents.read(newestQuestionKind, names.newestQuestion(link.group));
  if (newest?.value.decision !== decision) return { is: 'over', why: 'A newer question about this group was asked.' };
  const group = await documents.read(groupKind, names.group(link.group));
  if (group?.value.term !== term || group.value.phase !== 'open' || group.value.run !== null) {
    return { is: 'over', why: 'The group is being moved already, or has been.' };
  }
  return { is: nowMs > untilMs ? 'late' : 'open' };
}

/** A decision that this program cannot read takes nobody's right to answer: its reason is in the question too. */
async function decisionOf(
  documents: Documents,
  { group, decision }: AnswerLink,
): Promise<SiteDecisionDocument | undefined> {
  try {
    return (await documents.read(siteDecisionKind, names.decision(group, decision)))?.value;
  } catch (error) {
    if (isLeewardError(error, 'DOCUMENT_INVALID', 'VERSION_TOO_NEW')) return undefined;
    throw error;
  }
}

/** Everybody is told who answered: other approvers need not look any more. */
async function tell(documents: Documents, { link, question, standing }: PutQuestion): Promise<void> {
  if (standing.is !== 'answered') return;
  const { answer, cameLate } = standing;
  await noteNotice(documents, {
    id: `answer-${question.decision}`,
    severity: 'info',
    site: siteId(link.group),
    group: groupId(link.group),
    title: `${answer.by} said ${answer.is} to failing over ${groupId(link.group)}`,
    text: cameLate ? 'It came after the time to answer, and counts for nothing.' : question.why,
    atMs: answer.atMs,
  });
}
