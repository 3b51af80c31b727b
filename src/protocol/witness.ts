/**
 * A witness's word and its answer (docs/site-protocol.md, "Witnesses").
 *
 * Invariant: it says what was seen, and not when: the time is the service's, taken when the word comes.
 */
import { z } from 'zod';
import { versionSchema } from '../kernel/versions.ts';

/** How long the site's answer may take at most. */
const LOOK_TIMEOUT_MS = 5000;

/** Source: RFC 9110, "Server Error 5xx". */
const FAULT_STATUS = 500;

/** What is asked: the Http port's `get`. */
type Get = (url: string, options: { timeoutMs: number }) => Promise<{ readonly status: number }>;

/**
 * What is seen of an address of the site now, by one request of one who looks every `everyMs`. What stands in front of a dead
 * site answers too, with a fault. Never throws, and never takes longer than its time-out, so that a site that hangs holds up
 * nobody else.
 */
export async function observe(
  http: { readonly get: Get },
  { url, everyMs }: { readonly url: string; readonly everyMs: number },
): Promise<'up' | 'down'> {
  try {
    const { status } = await http.get(url, { timeoutMs: Math.min(LOOK_TIMEOUT_MS, everyMs) });
    return status < FAULT_STATUS ? 'up' : 'down';
  } catch {
    return 'down';
  }
}

export const witnessWordSchema = z
  .looseObject({
    counter: z
      .int()
      .min(1)
      .meta({ description: 'Grows with every word of the witness; milliseconds since 1970 serve.' }),
    verdict: z.enum(['up', 'down', 'none']).meta({
      description: 'What the witness sees of the site. `none`: it cannot tell.',
    }),
  })
  .meta({ id: 'Witness', description: "Payload of a witness's word." });
export type WitnessWord = z.infer<typeof witnessWordSchema>;

export const witnessAnswerSchema = z
  .looseObject({
    version: versionSchema,
    everyMs: z.int().min(1).meta({ description: 'How often the cloud wants to hear from the witness.' }),
  })
  .meta({ id: 'WitnessAnswer' });
export type WitnessAnswer = z.infer<typeof witnessAnswerSchema>;
