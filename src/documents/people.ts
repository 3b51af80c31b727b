/**
 * The people of a site: who is told what happens there, and who is asked before a failover.
 *
 * Invariants: a webhook reaches one person, so that a link that is sent there is that person's alone; addresses of webhooks
 * are secrets, so that a document has their names only (docs/settings.md, LEEWARD_WEBHOOKS).
 */
import { z } from 'zod';
import { siteIdSchema } from '../kernel/ids.ts';
import { versionSchema } from '../kernel/versions.ts';
import type { DocumentKind } from './store.ts';

/** People of one site. */
export const PEOPLE_MAX = 50;

/** A person's name, or a webhook's: it stands in addresses and in one line of text. */
export const personNameSchema = z.string().regex(/^[a-z0-9](?:[a-z0-9.-]{0,38}[a-z0-9])?$/);

export const personSchema = z.looseObject({
  name: personNameSchema,
  /** `reader`: is told; `approver`: is told, and asked. Neither may do anything else: docs/operation.md. */
  role: z.enum(['reader', 'approver']),
  /** Name of the webhook that reaches this person. */
  webhook: personNameSchema,
  /** What the webhook takes. */
  shape: z.enum(['teams', 'slack', 'plain']),
  /**
   * How many people had been removed before this one was added; none, if left out. Whoever is added again is somebody else
   * than who was asked under the same name before that: a question has the count of its time, too.
   */
  addedAfter: z.int().min(0).optional(),
});
export type Person = z.infer<typeof personSchema>;

export const peopleSchema = z.looseObject({
  version: versionSchema,
  site: siteIdSchema,
  /** How many people have been removed; none, if left out. */
  removals: z.int().min(0).optional(),
  people: z
    .array(personSchema)
    .max(PEOPLE_MAX)
    .refine((people) => areDistinct(people.map(({ name }) => name)), { message: 'two people have one name' })
    .refine((people) => areDistinct(people.map(({ webhook }) => webhook)), {
      message: 'two people have one webhook: the link of one would be the other’s too',
    }),
});
export type PeopleDocument = z.infer<typeof peopleSchema>;
export const peopleKind: DocumentKind<PeopleDocument> = { what: 'people', schema: peopleSchema };

function areDistinct(names: readonly string[]): boolean {
  return new Set(names).size === names.length;
}
