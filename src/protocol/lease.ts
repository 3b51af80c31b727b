/**
 * The lease request and its answer (docs/site-protocol.md, "Lease").
 *
 * Invariants: one request renews all groups of a site; each group's nonce is echoed, so that an answer counts only from
 * the moment its question was asked, on the asker's own clock; nothing here is a wall-clock time.
 */
import { z } from 'zod';
import { groupIdSchema } from '../kernel/ids.ts';
import { versionSchema } from '../kernel/versions.ts';

const nonce = z
  .string()
  .regex(/^[0-9a-f]{32}$/)
  .meta({ description: '16 fresh random bytes, in hexadecimal digits.' });

export const leaseRequestSchema = z
  .looseObject({
    groups: z
      .array(z.looseObject({ group: groupIdSchema, nonce }))
      .min(1)
      .max(500),
  })
  .meta({ id: 'LeaseRequest', description: 'Payload of a lease request: the groups to renew.' });

export type LeaseRequest = z.infer<typeof leaseRequestSchema>;

export const leaseAnswerSchema = z
  .looseObject({
    version: versionSchema,
    groups: z.array(
      z.looseObject({
        group: groupIdSchema,
        nonce,
        granted: z.boolean(),
        term: z.int().min(0).meta({ description: 'Term of the group now; 0 for a group that is not known.' }),
        leaseMs: z.int().min(0).meta({ description: 'Length of the lease, from the moment the nonce was given.' }),
        reason: z.string().optional().meta({ description: 'Why it was not granted, in words.' }),
      }),
    ),
  })
  .meta({ id: 'LeaseAnswer' });

export type LeaseAnswer = z.infer<typeof leaseAnswerSchema>;
