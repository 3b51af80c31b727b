/**
 * Ingest: takes in one delta message. Registered for the queue of running replication and for the bulk of first copies.
 */
import type { InvocationContext } from '@azure/functions';
import { app } from '../src/app/app.ts';
import { isByHand } from './by-hand.ts';

const NEEDS =
  'this function takes a signed delta or ranges message, which `leeward replicate` or another sender makes ' +
  '(docs/site-protocol.md, "Sending a delta"); to finish what is left undone, run the function "sweep"';

/** The handler for `queue`. It throws for what may pass, so that the message is tried again. */
export function ingestFrom(queue: string): (message: unknown, context: InvocationContext) => Promise<void> {
  return async (message, context) => {
    const byHand = isByHand(context);
    const result = await app().ingest.receive(message, byHand ? undefined : queue);
    switch (result.outcome) {
      case 'set-aside':
        context.warn(`refused: ${result.reason}; kept aside as "${result.aside}"${byHand ? `; ${NEEDS}` : ''}`);
        return;
      case 'waits':
        context.warn(`put back into ${queue}: ${result.reason}`);
        return;
      case 'applied':
      case 'durable':
      case 'early':
      case 'repeated':
        context.log(`${result.volume}: delta ${result.number} ${result.outcome}`);
        return;
      case 'listed':
      case 'passed-by':
        context.log(`${result.volume}: range list of delta ${result.number} ${result.outcome}`);
    }
  };
}
