/**
 * An application that runs beside the replication, under its group's lease (docs/safety.md).
 *
 * Invariant: it never starts without a lease, and is gone before the lease that it ran under is over, as long as this
 * process lives; what stops it when this process dies is the guard of a later version.
 */
import type { OpenSite } from '../app/site.ts';
import { LeewardError } from '../kernel/errors.ts';
import { groupId, parseVolume } from '../kernel/ids.ts';
import { LeaseHolder } from '../site/lease/lease.ts';
import { LeasedApplication } from '../site/lease/leased-application.ts';
import { ChildApplication } from '../system/child-application.ts';
import { SystemRandom } from '../system/random.ts';
import type { Output } from './output.ts';

/** How long the application may take to stop in order, and how long killing it may take: docs/safety.md counts both. */
const STOP_MS = 2000;
const KILL_MS = 1000;

/** The one group that the site's volumes are in. Errors: USAGE when they are in several: an application belongs to one. */
function groupOf({ replicators }: OpenSite): string {
  const groups = new Set(replicators.map(({ volume }) => groupId(parseVolume(volume))));
  const [only, ...others] = groups;
  if (only !== undefined && others.length === 0) return only;
  throw new LeewardError('USAGE', '--application: name volumes of one group, whose lease the application runs under');
}

/** Runs `command` in a shell until `signal` is aborted or it ends by itself. Errors: USAGE. */
export async function runLeased(
  site: OpenSite,
  of: { readonly command: string; readonly signal: AbortSignal; readonly output: Output },
): Promise<void> {
  const { command, signal, output } = of;
  const say = (line: string): void => {
    output.say(line);
  };
  const group = groupOf(site);
  const { clock, key, link } = site;
  const holder = new LeaseHolder({ key, clock, random: new SystemRandom(), link, groups: [group] });
  const application = new ChildApplication({ name: 'application', command: '/bin/sh', args: ['-c', command] });
  const leased = new LeasedApplication({ group, application, holder, clock, stopMs: STOP_MS, killMs: KILL_MS });
  const renewing = holder.run(signal, (error) => {
    say(`lease: ${error instanceof Error ? error.message : 'not renewed'}`);
  });
  await leased.run(signal, (event) => {
    switch (event.event) {
      case 'started':
        say(`application: started under the lease of term ${event.term}`);
        return;
      case 'asked-to-stop':
        say(`application: asked to stop: ${event.reason}`);
        return;
      case 'killed':
        say('application: killed');
        return;
      case 'gone':
        say(`application: gone (${event.how}), ${event.beforeDeadlineMs} ms before its lease ends`);
    }
  });
  await renewing;
}
