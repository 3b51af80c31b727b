/** Failover: moves a run on by one step, or starts one by an operator's order, signed or typed by hand. */
import type { InvocationContext } from '@azure/functions';
import { app } from '../src/app/app.ts';
import type { RunDocument } from '../src/documents/run.ts';
import { isByHand } from './by-hand.ts';

export async function failover(message: unknown, context: InvocationContext): Promise<void> {
  const { receiveFailoverMessage } = await import('../src/app/failover.ts');
  const outcome = await receiveFailoverMessage(app(), message, isByHand(context));
  switch (outcome.kind) {
    case 'ticket':
      context.log(outcome.advance.moved ? describeStep(outcome.advance.run) : outcome.advance.reason);
      return;
    case 'started':
      context.log(`run ${outcome.run.run} of ${outcome.run.group}: ${outcome.run.state}`);
      return;
    case 'confirmed':
      context.log(`${outcome.group}: a person has confirmed for run ${outcome.run} that nothing runs at the site`);
      return;
    case 'waits':
      context.warn(`put back: ${outcome.reason}`);
      return;
    case 'refused':
      context.error(
        `refused: ${outcome.reason}${outcome.aside === undefined ? '' : `; kept aside as "${outcome.aside}"`}`,
      );
  }
}

/** Where a run stands, in one line. */
function describeStep({ run, group, state, step, steps, failure }: RunDocument): string {
  const detail = failure?.message ?? steps.at(-1)?.detail ?? 'not begun';
  return `run ${run} of ${group}: ${state}, next step ${step}; ${detail}`;
}
