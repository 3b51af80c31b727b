/**
 * Format versions of documents, envelopes and heartbeats.
 *
 * Invariants: two versions of the program may work on one storage for months. Everything stored or sent says which
 * format it has, the oldest format a reader must know to understand it, and the oldest a writer must know to rewrite it
 * without harm. A program that is too old refuses with VERSION_TOO_NEW, for which a retry helps: the message waits, it
 * is never poison. Fields that a reader does not know are kept when it rewrites (`z.looseObject` everywhere).
 */
import { z } from 'zod';
import { LeewardError } from './errors.ts';

/** The format this program writes, and up to which it can read and rewrite. */
export const FORMAT = 1;

export const versionSchema = z
  .looseObject({
    format: z.int().min(1).meta({ description: 'Format that the writer knew.' }),
    oldestReader: z.int().min(1).meta({ description: 'Lowest format a program must know to read this.' }),
    oldestWriter: z.int().min(1).meta({ description: 'Lowest format a program must know to rewrite this.' }),
  })
  .meta({ id: 'Version', description: 'Format version, with the oldest reader and writer that it allows.' });

export type Version = z.infer<typeof versionSchema>;

/** How long a message waits that only a newer program can read. */
export const TOO_NEW_DELAY_MS = 5 * 60_000;

/** What this program stamps on everything new. */
export const CURRENT_VERSION: Version = { format: FORMAT, oldestReader: 1, oldestWriter: 1 };

/** Anything that says its version. Made once: making a schema costs more than using it. */
const versionedSchema = z.looseObject({ version: versionSchema });

/**
 * Checks that this program may read (or, with `toWrite`, rewrite) `data`, before the rest of it is looked at.
 * `what` names it in the error. Throws VERSION_TOO_NEW; data without a readable version is left to the schema.
 */
export function checkVersion(data: unknown, what: string, use: 'read' | 'rewrite'): void {
  const parsed = versionedSchema.safeParse(data);
  if (!parsed.success) return;
  const oldest = use === 'read' ? parsed.data.version.oldestReader : parsed.data.version.oldestWriter;
  if (oldest > FORMAT) {
    throw new LeewardError(
      'VERSION_TOO_NEW',
      `${what} needs format ${oldest} to ${use} it and this program knows ${FORMAT}: update Leeward here`,
    );
  }
}
