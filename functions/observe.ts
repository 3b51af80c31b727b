/** Observe: looks at sites from another region than the monitor's, and posts what it sees. Off without its setting. */
import type { InvocationContext, Timer } from '@azure/functions';
import { observeAll } from '../src/app/observe.ts';

export async function observe(_timer: Timer, context: InvocationContext): Promise<void> {
  for (const trouble of await observeAll()) context.warn(trouble);
}
