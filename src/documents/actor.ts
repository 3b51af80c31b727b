/** Who did something: recorded with every run and every decision. */
import { z } from 'zod';

export const actorSchema = z.discriminatedUnion('kind', [
  /** Signed with this key of this signer. */
  z.looseObject({ kind: z.literal('key'), signer: z.string(), key: z.string() }),
  /** Signed in at the platform. */
  z.looseObject({ kind: z.literal('identity'), name: z.string() }),
  /** A function of Leeward's own, such as the monitor, by its decision. */
  z.looseObject({ kind: z.literal('function'), name: z.string(), decision: z.string() }),
  /** Called by hand, as from the portal's Test/Run pane: by whom is not known. */
  z.looseObject({ kind: z.literal('by-hand') }),
]);
export type Actor = z.infer<typeof actorSchema>;

/** The actor in words. */
export function describeActor(actor: Actor): string {
  switch (actor.kind) {
    case 'key':
      return `${actor.signer}, key ${actor.key}`;
    case 'identity':
      return actor.name;
    case 'function':
      return `the ${actor.name} by its decision ${actor.decision}`;
    case 'by-hand':
      return 'by hand, unknown';
  }
}
