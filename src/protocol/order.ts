/**
 * Orders to the failover queue: an operator's signed order, the same typed by hand into the portal's Test/Run pane, a
 * person's word that a site has stopped, and the ticket that carries a run from step to step.
 */
import { z } from 'zod';
import { groupIdSchema } from '../kernel/ids.ts';

/** Characters of the words why something is ordered. */
export const REASON_MAX = 500;

const runNameSchema = z.string().regex(/^[a-z0-9-]{1,40}$/);

/** Start a run. Signed by an operator's key when it comes through the queue. */
export const startOrderSchema = z
  .looseObject({
    start: z.looseObject({
      group: groupIdSchema,
      kind: z.enum(['unplanned']).meta({ description: 'Drills and planned runs come later.' }),
      reason: z.string().max(REASON_MAX).optional(),
      term: z.int().min(1).optional().meta({
        description:
          'Term of the group that the order is for. A signed order names it, so that it is worthless in any other.',
      }),
      orderedAtMs: z.int().optional().meta({
        description: 'When it was given, which makes it another order than an earlier one with the same words.',
      }),
    }),
  })
  .meta({ id: 'Order' });

/** A person's word that nothing of the group runs at the site any more, for the run that waits for it. Always signed. */
export const confirmOrderSchema = z
  .looseObject({
    confirmStopped: z.looseObject({ group: groupIdSchema, run: runNameSchema }),
  })
  .meta({ id: 'ConfirmOrder' });

export const orderSchema = z.union([confirmOrderSchema, startOrderSchema]);
export type Order = z.infer<typeof orderSchema>;
export type ConfirmOrder = z.infer<typeof confirmOrderSchema>;
export type StartOrder = z.infer<typeof startOrderSchema>;

/** The message that moves a run on: only the newest ticket of a run counts. */
export const ticketSchema = z.looseObject({
  group: groupIdSchema,
  run: runNameSchema,
  ticket: z.int().min(0),
});

export type Ticket = z.infer<typeof ticketSchema>;
