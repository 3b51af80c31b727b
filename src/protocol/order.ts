/**
 * Orders to the failover queue: an operator's signed order, the same typed by hand into the portal's Test/Run pane, and
 * the ticket that carries a run from step to step.
 */
import { z } from 'zod';
import { groupIdSchema } from '../kernel/ids.ts';

/** Start a run. Signed by an operator's key when it comes through the queue. */
export const orderSchema = z
  .looseObject({
    start: z.looseObject({
      group: groupIdSchema,
      kind: z.enum(['unplanned']).meta({ description: 'Drills and planned runs come later.' }),
      reason: z.string().max(500).optional(),
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

export type Order = z.infer<typeof orderSchema>;

/** The message that moves a run on: only the newest ticket of a run counts. */
export const ticketSchema = z.looseObject({
  group: groupIdSchema,
  run: z.string().regex(/^[a-z0-9-]{1,40}$/),
  ticket: z.int().min(0),
});

export type Ticket = z.infer<typeof ticketSchema>;
