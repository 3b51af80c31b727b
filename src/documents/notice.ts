/**
 * A notice in the outbox: what people are told, and whom it has reached.
 *
 * Invariants: a notice is created once by its id, and sent under it for ever; labels say what still waits and from when on,
 * so that one listing finds what is due; no address of a webhook and no link is stored here.
 */
import { z } from 'zod';
import { groupIdSchema, siteIdSchema } from '../kernel/ids.ts';
import { versionSchema } from '../kernel/versions.ts';
import { PEOPLE_MAX, personSchema } from './people.ts';
import { decisionNameSchema } from './question.ts';
import type { DocumentKind } from './store.ts';

export const noticeIdSchema = z.string().regex(/^[a-z0-9][a-z0-9-]{0,149}$/);

export const severitySchema = z.enum(['info', 'warning', 'critical']);

/** One person's part in a notice. */
const deliverySchema = z.looseObject({
  to: personSchema,
  /** `undeliverable`: given up, after many tries over days. */
  state: z.enum(['waiting', 'delivered', 'undeliverable']),
  attempts: z.int().min(0),
  /** Not before this is it tried again. */
  nextMs: z.int().min(0),
  /** Why the last attempt failed. */
  problem: z.string().nullable(),
});
export type Delivery = z.infer<typeof deliverySchema>;

export const noticeDocumentSchema = z.looseObject({
  version: versionSchema,
  id: noticeIdSchema,
  severity: severitySchema,
  site: siteIdSchema,
  group: groupIdSchema.optional(),
  title: z.string().min(1).max(200),
  text: z.string().max(4000),
  /** The question that approvers are sent their link to. */
  question: z.looseObject({ decision: decisionNameSchema, untilMs: z.int().min(0) }).optional(),
  madeAtMs: z.int().min(0),
  /** Whoever was to be told when it was first looked at; null until then. */
  deliveries: z.array(deliverySchema).max(PEOPLE_MAX).nullable(),
  /** Who sends it now leaves it to nobody else before this. */
  claimedUntilMs: z.int().min(0),
});
export type NoticeDocument = z.infer<typeof noticeDocumentSchema>;
export const noticeKind: DocumentKind<NoticeDocument> = {
  what: 'notice',
  schema: noticeDocumentSchema,
  labels: (notice) => ({
    state: stateOf(notice),
    due: String(dueMs(notice)),
    made: String(notice.madeAtMs),
  }),
};

/** `undeliverable` once nobody is left to try and somebody was not reached; `done` once everybody was. */
export function stateOf({ deliveries }: Pick<NoticeDocument, 'deliveries'>): 'waiting' | 'done' | 'undeliverable' {
  if (deliveries === null || deliveries.some(({ state }) => state === 'waiting')) return 'waiting';
  return deliveries.some(({ state }) => state === 'undeliverable') ? 'undeliverable' : 'done';
}

/** From when on it is to be looked at again, on the service's clock. */
function dueMs({ deliveries, claimedUntilMs }: NoticeDocument): number {
  const waiting = (deliveries ?? []).filter(({ state }) => state === 'waiting').map(({ nextMs }) => nextMs);
  return Math.max(claimedUntilMs, waiting.length > 0 ? Math.min(...waiting) : 0);
}
