/**
 * A protection group's lease and term: one document, because who may run is one decision.
 *
 * Invariants: writes only go up in (term; open, closing, ended). While it is open every renewal is a write of this
 * document, so that its time of writing bounds every lease that was granted. Who has the next term is decided by the
 * single write that ends one. A run is bound to the group by the same document: there is never a second.
 */
import { z } from 'zod';
import { LeewardError } from '../kernel/errors.ts';
import { groupIdSchema, nodeSchema } from '../kernel/ids.ts';
import { versionSchema } from '../kernel/versions.ts';
import { leaseModeSchema } from '../protocol/lease.ts';
import { actorSchema } from './actor.ts';
import type { DocumentKind } from './store.ts';

/** Guards of one group. */
export const GUARDS_MAX = 64;

export const groupSchema = z
  .looseObject({
    version: versionSchema,
    group: groupIdSchema,
    term: z.int().min(1),
    phase: z.enum(['open', 'closing', 'ended']),
    /** Who has the term (open, closing), or has won the next one (ended). */
    holder: z.enum(['site', 'cloud']),
    /** Length of a lease, counted by the guard from the moment it gave its nonce. */
    leaseMs: z.int().min(1000),
    /**
     * What becomes of the applications when a lease runs out; without it, `strict`: they end. `keep`: they run on, so that a
     * closing ends by promises or by a person's word, never by waiting. Fixed when the group is registered: what was
     * started under the one is not to be waited for by the other.
     */
    lease: leaseModeSchema.optional(),
    /** Added to the last lease before a term ends: drift, pauses and time to kill, as docs/safety.md computes it. */
    marginMs: z.int().min(1),
    /** How often a lease was renewed in this term: every renewal changes the document. */
    renewals: z.int().min(0),
    /**
     * The nonce of the newest question that was granted, by the node of the guard that asked it; of who asks for a group
     * without guards, by "". The next question has to name it, so that one that was recorded renews nothing when it is sent
     * again. Never forgotten: a guard that is added once more goes on where it was.
     */
    granted: z.record(z.string(), z.string()).optional(),
    /** The nodes whose guards alone start the group's applications; each has a key of its own. */
    guards: z
      .array(z.looseObject({ node: nodeSchema }))
      .max(GUARDS_MAX)
      .optional(),
    /**
     * After this nobody but the guards was granted a lease, on the service's clock: their promises are not all there is to
     * wait for before the last lease that was granted until then is over. Left by every change of the guards.
     */
    earlierGrantMs: z.int().min(0).optional(),
    /** The run that moves the group, if any. */
    run: z.string().nullable(),
    /**
     * Left by a write that is no renewal: no lease was granted after `sinceMs`, on the service's clock, as long as
     * `renewals` is the same. Without it such a write would look like a grant, and the wait for the last lease would begin
     * anew.
     */
    quiet: z.looseObject({ renewals: z.int().min(0), sinceMs: z.int().min(0) }).optional(),
    /** The last run that was undone: it is never bound to the group again. */
    freed: z.string().optional(),
    closing: z
      .looseObject({
        run: z.string(),
        actor: actorSchema,
        /** No lease was granted after this, on the service's clock: the time of the write before the closing. */
        lastGrantMs: z.int().min(0),
        /** Nodes whose guards have promised never to start in this term again; all of them end the wait. */
        stopped: z.array(nodeSchema).optional(),
        /** A person's word that nothing of the group runs at the site any more: who gave it, and when by the service's clock. */
        confirmed: z.looseObject({ actor: actorSchema, atMs: z.int().min(0) }).optional(),
      })
      .nullable(),
  })
  .refine((document) => (document.phase === 'open') === (document.closing === null), {
    message: 'closing is there exactly while the term is not open',
    path: ['closing'],
  });
export type GroupDocument = z.infer<typeof groupSchema>;

/** Refuses another volume of a group that is not the site's to write, or that a run moves. Errors: REFUSED. */
export function checkTakesVolumes({ group, phase, holder, run }: GroupDocument): void {
  if (phase === 'open' && holder === 'site' && run === null) return;
  throw new LeewardError('REFUSED', `group ${group} is being moved or runs in the cloud: no volume can be added now`);
}

/**
 * A time on the service's clock after which no lease was granted up to this version of the document, which was written at
 * `lastModifiedMs`: a renewal writes the document and counts, so the count tells whether one came since `quiet` was left.
 */
export function lastGrantBoundMs(group: GroupDocument, lastModifiedMs: number): number {
  const { quiet, renewals } = group;
  return quiet?.renewals === renewals ? Math.min(quiet.sinceMs, lastModifiedMs) : lastModifiedMs;
}
export const groupKind: DocumentKind<GroupDocument> = { what: 'group', schema: groupSchema };
