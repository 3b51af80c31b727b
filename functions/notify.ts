/**
 * Notify: sends people what is in the outbox. A function of its own, so that no webhook holds up the monitor. The first line
 * of a notice is what e-mail is sent by (infra/modules/email.bicep).
 */
import type { InvocationContext, Timer } from '@azure/functions';
import { app } from '../src/app/app.ts';

export async function notify(_timer: Timer, context: InvocationContext): Promise<void> {
  const { made, delivered, troubles, undeliverable } = await app().notify();
  for (const line of made) context.warn(`leeward notice ${line}`);
  for (const line of troubles) context.warn(line);
  for (const line of undeliverable) context.error(`leeward notice ${line}; it is not tried any more`);
  if (delivered > 0) context.log(`delivered ${delivered}`);
}
