/** Upkeep: removes what nobody needs any more. Not part of the sweep, which must cost the same for 5 and 500 idle volumes. */
import type { InvocationContext, Timer } from '@azure/functions';
import { app } from '../src/app/app.ts';

export async function upkeep(_timer: Timer, context: InvocationContext): Promise<void> {
  const { entries, snapshots, generations, aside, notices, decisions, failed } = await app().upkeep();
  for (const { what, reason } of failed) context.warn(`${what}: ${reason}`);
  if (entries + snapshots + generations + aside + notices + decisions === 0) return;
  context.log(
    `removed ${entries} journal entries, ${snapshots} snapshots, ${generations} generations, ${aside} blobs of what was refused, ${notices} notices, ${decisions} decisions`,
  );
}
