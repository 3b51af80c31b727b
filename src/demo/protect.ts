/** Registers the demo's volume and starts its site. */
import { join } from 'node:path';
import { addGuard } from '../app/guards.ts';
import { registerVolume } from '../app/register.ts';
import { SINGLE_WITNESS_CONSENT, STRICT_LEASE_CONSENT } from '../documents/plan.ts';
import { groupId, volumeId } from '../kernel/ids.ts';
import { MIB } from '../kernel/units.ts';
import { MACHINE_PORT } from '../local/machines/machine-runner.ts';
import { newSiteAccess, serializeSiteAccess, withVolume } from '../site/send/access.ts';
import { makeFolder } from '../system/durable-file.ts';
import { writePrivateFile } from '../system/private-file.ts';
import { Site } from './site.ts';
import type { SiteEvent } from './site-messages.ts';
import type { Stage } from './stage.ts';

/** Short, so that a stranger need not wait; docs/safety.md says what real sites take. */
const LEASE_MS = 6000;
const WINDOW_MS = 10_000;
const NODE = 'node-1';
/** As local.settings.example.json says, by which the demo's functions run. */
const TIMING = { gapMs: 5000, everyMs: 1000 };
const STOP_MS = 1000;
const ASSUMPTIONS = { driftPpm: 1000, pauseMs: 1000, killMs: 1000 };

/** How long the cloud may take to acknowledge a volume, on a machine that is busy with other things. */
const ACKNOWLEDGED_MS = 60_000;
const ACKNOWLEDGED_BYTES_PER_MS = (2 * MIB) / 1000;

export interface ProtectedSite {
  readonly site: Site;
  /** What was heard of the application so far, oldest first. */
  readonly events: readonly SiteEvent[];
}

/** Registers the volume with automatic failover, and starts the site that owns it. */
export async function protect(stage: Stage, mayMount: boolean): Promise<ProtectedSite> {
  const { facts, folder, progress, ref, storage, volume } = stage;
  const { key } = await registerVolume(storage, {
    volume: ref,
    volumeBytes: volume.sizeBytes,
    leaseMs: LEASE_MS,
    assumptions: ASSUMPTIONS,
    stopMs: STOP_MS,
    plan: {
      mode: 'automatic',
      consents: [SINGLE_WITNESS_CONSENT, STRICT_LEASE_CONSENT],
      windowMs: WINDOW_MS,
      noAnswer: 'no',
      answerMs: 60_000,
      alertAfterMs: 60_000,
    },
    timing: TIMING,
    target: {
      location: facts.location,
      subnet: facts.subnetId,
      image: facts.imageId,
      size: 'Standard_D2s_v5',
      probe: { port: MACHINE_PORT, path: '/health' },
    },
  });
  // The site's own process stands for the guard of its one node: what it runs is killed with it.
  await addGuard(storage, ref, NODE);
  const siteFolder = join(folder, 'sites', ref.tenant, ref.site);
  const accessFile = join(siteFolder, 'access.json');
  await makeFolder(siteFolder);
  const access = withVolume(newSiteAccess({ key, functionsUrl: stage.functionsUrl }), volumeId(ref), volume.path);
  await writePrivateFile(accessFile, serializeSiteAccess(access));
  progress.line(
    `${volumeId(ref)} is registered: lease ${LEASE_MS / 1000} s, window ${WINDOW_MS / 1000} s, failover automatic`,
  );

  const events: SiteEvent[] = [];
  const config = {
    accessFile,
    folder: siteFolder,
    group: groupId(ref),
    node: NODE,
    acknowledgedMs: Math.ceil(ACKNOWLEDGED_MS + volume.sizeBytes / ACKNOWLEDGED_BYTES_PER_MS),
    application: volume.own
      ? {
          run: stage.name,
          image: volume.path,
          mountPoint: join(folder, 'mount'),
          work: join(folder, 'work'),
          control: join(folder, 'control'),
          mayMount,
          stopMs: STOP_MS,
          killMs: ASSUMPTIONS.killMs,
        }
      : null,
  };
  const site = await Site.start(config, join(folder, 'site.log'), (event) => {
    events.push(event);
    progress.line(describe(event));
  });
  stage.cleanUp.add('ending the site', () => site.end(stage.clock));
  progress.line('the site is a process of its own: agent, replicator, lease holder');
  return { site, events };
}

function describe(event: SiteEvent): string {
  switch (event.event) {
    case 'trouble':
      return `the site says: ${event.text}`;
    case 'started':
      return `the application was started, under the lease of term ${event.term}`;
    case 'asked-to-stop':
      return `the site asks its application to stop: ${event.reason}`;
    case 'killed':
      return 'the site kills its application';
    case 'gone': {
      const left = (event.beforeDeadlineMs / 1000).toFixed(1);
      return `the application is gone (${event.how}), ${left} s before its lease ends`;
    }
  }
}
