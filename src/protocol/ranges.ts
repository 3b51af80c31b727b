/**
 * The message that hands over a range list (docs/site-protocol.md, "Range lists and repairs").
 *
 * Invariant: it only says where the list is and what it claims to be; the list's own head is what counts, and must agree.
 */
import { z } from 'zod';
import { DIGEST_FORM } from '../kernel/hash.ts';
import { volumeIdSchema } from '../kernel/ids.ts';
import { GENERATION_MAX } from '../kernel/names.ts';
import { ENTRY_NAME_MAX } from './envelope.ts';

export const rangesMessageSchema = z
  .looseObject({
    volume: volumeIdSchema,
    generation: z.int().min(1).max(GENERATION_MAX),
    number: z.int().min(0).max(0xffff_ffff).meta({
      description: 'The delta after which the volume stood like this; 0 for what the generation begins from.',
    }),
    digest: z
      .string()
      .regex(DIGEST_FORM)
      .meta({ description: "That delta's digest, 64 lower-case hexadecimal digits; zeros for number 0." }),
    entry: z
      .string()
      .max(ENTRY_NAME_MAX)
      .meta({ description: "Name of the entry in the site's journal container that holds the range list." }),
  })
  .meta({ id: 'Ranges', description: 'Payload of a ranges message.' });

export type RangesMessage = z.infer<typeof rangesMessageSchema>;
