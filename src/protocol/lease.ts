/**
 * The lease request and its answer (docs/site-protocol.md, "Lease").
 *
 * Invariants: one request renews all groups of a site, each for all of its guards; each nonce is echoed, so that an answer
 * counts only from the moment its question was asked, on the asker's own clock; each question names the one before it that
 * was granted, so that none is granted twice; nothing here is a wall-clock time; what a guard goes by is sealed with its
 * own key, so that whoever carries it can neither make nor change it.
 */
import { z } from 'zod';
import { groupIdSchema, nodeSchema } from '../kernel/ids.ts';
import { inSeconds } from '../kernel/in-words.ts';
import { versionSchema } from '../kernel/versions.ts';
import { signedMessageSchema } from './signed.ts';

const nonce = z
  .string()
  .regex(/^[0-9a-f]{32}$/)
  .meta({ description: '16 fresh random bytes, in hexadecimal digits.' });

/** What a question names that comes before any that was granted. */
export const NO_NONCE = '0'.repeat(32);

/** Questions of one request: guards times groups. */
export const QUESTIONS_MAX = 2000;

export const leaseRequestSchema = z
  .looseObject({
    groups: z
      .array(
        z.looseObject({
          group: groupIdSchema,
          nonce: nonce.refine((given) => given !== NO_NONCE, { message: 'no nonce is all zeros' }),
          after: nonce.optional().meta({
            description:
              'Nonce of the newest question that was granted to who asks, as far as it knows; 32 zeros, or without it, for none.',
          }),
          node: nodeSchema
            .optional()
            .meta({ description: 'The guard that gave the nonce, where the group has guards.' }),
        }),
      )
      .min(1)
      .max(QUESTIONS_MAX),
  })
  .meta({ id: 'LeaseRequest', description: 'Payload of a lease request: the groups to renew, once for each guard.' });

export type LeaseRequest = z.infer<typeof leaseRequestSchema>;
export type LeaseQuestion = LeaseRequest['groups'][number];

/** What becomes of applications whose lease runs out: they end with it, or run on until their term is closed. */
export const leaseModeSchema = z.enum(['strict', 'keep']);
export type LeaseMode = z.infer<typeof leaseModeSchema>;

/** What a guard is told: also the payload of what is sealed for it. */
export const grantSchema = z.looseObject({
  group: groupIdSchema,
  nonce,
  granted: z.boolean(),
  term: z.int().min(0).meta({ description: 'Term of the group now; 0 for a group that is not known.' }),
  leaseMs: z.int().min(0).meta({ description: 'Length of the lease, from the moment the nonce was given.' }),
  lease: leaseModeSchema.optional().meta({
    description:
      'What becomes of the applications when a lease runs out: strict, they end with it (as without this field), or keep, they run on until the term is closed.',
  }),
  reason: z.string().optional().meta({ description: 'Why it was not granted, in words.' }),
  after: nonce.optional().meta({
    description:
      'Where it was not granted only because it named another nonce: the one that the next question has to name. Ask again at once.',
  }),
  closing: z
    .looseObject({ term: z.int().min(1), run: z.string() })
    .optional()
    .meta({ description: 'The closing of the term: every guard is asked to stop, and to promise.' }),
});
export type Grant = z.infer<typeof grantSchema>;

export const leaseAnswerSchema = z
  .looseObject({
    version: versionSchema,
    groups: z.array(
      grantSchema.extend({
        sealed: signedMessageSchema.optional().meta({
          description: "The same for the guard that gave the nonce, signed with that guard's key.",
        }),
      }),
    ),
    nextMs: z.int().min(0).optional().meta({
      description: 'From who carries the questions of several guards: in how many milliseconds to ask next.',
    }),
  })
  .meta({ id: 'LeaseAnswer' });

export type LeaseAnswer = z.infer<typeof leaseAnswerSchema>;

export const stoppedSchema = z
  .looseObject({
    group: groupIdSchema,
    term: z.int().min(1),
    run: z.string().min(1).max(100).meta({ description: 'The run that closes the term.' }),
    node: nodeSchema,
  })
  .meta({
    id: 'Stopped',
    description:
      "A guard's promise: nothing of the group runs on its node, nor is ever started there again in this term.",
  });
export type Stopped = z.infer<typeof stoppedSchema>;

export const stoppedAnswerSchema = z
  .looseObject({
    version: versionSchema,
    noted: z.boolean().meta({ description: 'False for a promise that the group does not wait for, or has already.' }),
  })
  .meta({ id: 'StoppedAnswer' });
export type StoppedAnswer = z.infer<typeof stoppedAnswerSchema>;

/** Length of a lease where nothing else is said. */
export const USUAL_LEASE_MS = 60_000;

/** A lease is renewed at a third of its length, so that two requests may fail before the third is late. */
const RENEWALS_PER_LEASE = 3;

/** How long after one renewal of a lease of `leaseMs` the next is due, in milliseconds. */
export function renewEveryMs(leaseMs: number): number {
  return leaseMs / RENEWALS_PER_LEASE;
}

/**
 * The inequality between a lease and what its guards take to stop, with its numbers, where it does not hold: a guard renews
 * with two thirds left, and has to be gone by the end where that renewal is the last. Undefined where it holds.
 */
export function whyTooShortToStop(of: { leaseMs: number; stopMs: number; killMs: number }): string | undefined {
  const { leaseMs, stopMs, killMs } = of;
  const renewMs = renewEveryMs(leaseMs);
  // Written so that what is not a number holds nothing.
  if (stopMs + killMs < leaseMs - renewMs) return undefined;
  const numbers = `${inSeconds(stopMs)} + ${inSeconds(killMs)} < ${inSeconds(leaseMs)} − ${inSeconds(renewMs)}`;
  return `stop + kill < lease − lease/3 does not hold: ${numbers}`;
}
