/**
 * A question that people were asked before a failover, and the answer.
 *
 * Invariants: there is one question for a decision, and one answer to it: the write that gives it is the document's last,
 * so that its time of writing is when it was answered, on the service's clock. No link and nothing that one could be made
 * of is stored: a link's token is derived (src/protocol/answer-link.ts).
 */
import { z } from 'zod';
import { groupIdSchema } from '../kernel/ids.ts';
import { versionSchema } from '../kernel/versions.ts';
import { PEOPLE_MAX, personNameSchema } from './people.ts';
import { questionSchema } from './site-failure.ts';
import type { DocumentKind, Held } from './store.ts';

/** A decision's name, as it stands in names of documents and in addresses. */
export const decisionNameSchema = z.string().regex(/^[a-z0-9][a-z0-9-]{0,118}$/);

export const questionDocumentSchema = questionSchema.extend({
  version: versionSchema,
  decision: decisionNameSchema,
  group: groupIdSchema,
  /** The group's term in which it was asked. */
  term: z.int().min(1),
  /** Why the group should be failed over, in words. */
  why: z.string(),
  /** Who was asked, by name: nobody else may answer. */
  asked: z.array(personNameSchema).max(PEOPLE_MAX),
  /** How many people had been removed by then: who was added after more is not who was asked. */
  removals: z.int().min(0).optional(),
});
export type QuestionDocument = z.infer<typeof questionDocumentSchema>;
export const questionKind: DocumentKind<QuestionDocument> = { what: 'question', schema: questionDocumentSchema };

/** The answer, at the time that the service took it; null before there is one. */
export function answerOf({ value, lastModifiedMs }: Held<QuestionDocument>): QuestionDocument['answer'] {
  return value.answer && { ...value.answer, atMs: lastModifiedMs };
}

/** Which question of a group is the newest: what decides is that one alone. */
export const newestQuestionSchema = z.looseObject({
  version: versionSchema,
  group: groupIdSchema,
  term: z.int().min(1),
  decision: decisionNameSchema,
  askedAtMs: z.int().min(0),
});
export type NewestQuestion = z.infer<typeof newestQuestionSchema>;
export const newestQuestionKind: DocumentKind<NewestQuestion> = {
  what: 'newest question',
  schema: newestQuestionSchema,
};
