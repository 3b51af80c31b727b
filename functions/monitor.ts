/** Monitor: decides on silence, starts failovers that are automatic, resumes runs whose message was lost. */
import type { InvocationContext, Timer } from '@azure/functions';
import { app } from '../src/app/app.ts';

export async function monitor(_timer: Timer, context: InvocationContext): Promise<void> {
  const report = await app().monitor();
  if (report.canary !== undefined) context.warn(`the canary did not get through: ${report.canary}`);
  for (const trouble of report.troubles) context.warn(trouble);
  for (const run of report.resumed) context.warn(`resumed ${run}`);
  for (const { group, verdict, reason, run } of report.groups) {
    if (verdict !== 'none') context.warn(`${group}: ${verdict}, ${reason}${run === undefined ? '' : `; run ${run}`}`);
  }
}
