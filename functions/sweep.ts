/** Sweep: resumes what no message will mention again, and revives poisoned messages that are sound. */
import type { InvocationContext, Timer } from '@azure/functions';
import { app } from '../src/app/app.ts';

export async function sweep(_timer: Timer, context: InvocationContext): Promise<void> {
  const report = await app().sweep();
  for (const { what, reason } of report.failed) context.warn(`${what}: ${reason}`);
  const done = report.advanced.length + report.requeued + report.setAside;
  if (done > 0) {
    context.log(
      `advanced ${report.advanced.length} volumes, revived ${report.requeued} messages, set ${report.setAside} aside`,
    );
  }
}
