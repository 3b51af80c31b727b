/**
 * The envelope: what a site puts into a queue to hand over one delta (docs/site-protocol.md, "Sending a delta").
 *
 * Invariants: the envelope only says where the delta is and what it claims to be; the delta's own head and digest are
 * what counts, and must agree. A property is never named `id` or `dequeueCount`: the functions host would let it hide
 * the message's own.
 */
import { z } from 'zod';
import { DIGEST_FORM } from '../kernel/hash.ts';
import { volumeIdSchema } from '../kernel/ids.ts';
import { GENERATION_MAX } from '../kernel/names.ts';
import { sourceSchema } from './source.ts';

/**
 * Most bytes of an encoded delta that travel inline. A message holds 64 KiB of base64, 48 KiB of text; the delta stands
 * in that text as base64 again, beside at most 3 KiB of envelope. Source: Azure Queue storage, message size limit.
 */
export const INLINE_BYTES_MAX = Math.floor(((48 - 3) * 1024 * 3) / 4);

/** Characters of a journal entry's name, as a message gives it. */
export const ENTRY_NAME_MAX = 400;

const digest = z.string().regex(DIGEST_FORM).meta({ description: 'SHA-256, 64 lower-case hexadecimal digits.' });

export const envelopeSchema = z
  .looseObject({
    volume: volumeIdSchema.optional().meta({
      description: 'Whose delta it is. Left out, `source` says it by the rules of the site, else the delta itself.',
    }),
    source: sourceSchema.optional(),
    generation: z.int().min(1).max(GENERATION_MAX),
    term: z.int().min(1).max(0xffff_ffff),
    number: z.int().min(1).max(0xffff_ffff).meta({ description: "The delta's number in its generation." }),
    digest,
    sizeBytes: z.int().min(1).meta({ description: 'Length of the encoded delta.' }),
    inline: z.base64().optional().meta({ description: 'The encoded delta itself, when it fits.' }),
    entry: z
      .string()
      .max(ENTRY_NAME_MAX)
      .optional()
      .meta({ description: "Name of the entry in the site's journal container that holds the encoded delta." }),
  })
  .refine((envelope) => (envelope.inline === undefined) !== (envelope.entry === undefined), {
    message: 'exactly one of "inline" and "entry" must be there',
    path: ['inline'],
  })
  .meta({ id: 'Envelope', description: 'Payload of a delta message.' });

export type Envelope = z.infer<typeof envelopeSchema>;
