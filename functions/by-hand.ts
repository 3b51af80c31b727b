/** How a queue function knows that a person called it, as from the portal's Test/Run pane: nothing came from a queue. */
import type { InvocationContext } from '@azure/functions';

/** True when the host gave the function no message of a queue: no message id, no receipt. */
export function isByHand(context: InvocationContext): boolean {
  const { id, popReceipt } = context.triggerMetadata ?? {};
  return id === undefined || popReceipt === undefined;
}
