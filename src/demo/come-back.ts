/** The act in which the line is there again: the site finds itself on standby, says so, and starts nothing. */
import { LeewardError } from '../kernel/errors.ts';
import type { Site } from './site.ts';
import type { Stage } from './stage.ts';

const STANDBY_MS = 60_000;
const LOOK_MS = 100;

/** Whether the application stayed stopped once the guard had heard that it gets no lease any more. Errors: UNAVAILABLE. */
export async function comeBack(stage: Stage, site: Site): Promise<boolean> {
  const { clock, progress, signal } = stage;
  progress.begin('The site comes back');
  const before = (await site.guardLines()).length;
  site.line.heal();
  progress.line('the line to the cloud is there again');
  for (const deadlineBootMs = clock.bootMs() + STANDBY_MS; ;) {
    const said = (await site.guardLines()).slice(before).find(({ guard }) => guard === 'refused');
    if (said) {
      progress.line(`the guard: ${said.line}`);
      return !(await site.isApplicationRunning());
    }
    if (clock.bootMs() >= deadlineBootMs) {
      throw new LeewardError(
        'UNAVAILABLE',
        `the guard did not say within ${STANDBY_MS / 1000} s that it is on standby`,
      );
    }
    await clock.sleep(LOOK_MS, signal);
  }
}
