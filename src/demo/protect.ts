/** Registers the demo's volume and its guard, and makes the site that owns them. */
import { join } from 'node:path';
import { addGuard } from '../app/registered-guards.ts';
import { registerVolume } from '../app/register.ts';
import { SINGLE_WITNESS_CONSENT, STRICT_LEASE_CONSENT } from '../documents/plan.ts';
import { groupId, siteId, volumeId } from '../kernel/ids.ts';
import { MACHINE_PORT } from '../local/machines/machine-runner.ts';
import { newGuardAccess, serializeGuardAccess } from '../site/guard/access.ts';
import { newSiteAccess, serializeSiteAccess, withVolume } from '../site/send/access.ts';
import { makeFolder } from '../system/durable-file.ts';
import { writePrivateFile } from '../system/private-file.ts';
import { NODE, Site } from './site.ts';
import type { Stage } from './stage.ts';

/** Short, so that a stranger need not wait; docs/safety.md says what real sites take. */
const LEASE_MS = 9000;
const WINDOW_MS = 10_000;
/** As local.settings.example.json says, by which the demo's functions run. */
const TIMING = { gapMs: 5000, everyMs: 1000 };
const STOP_MS = 1000;
const ASSUMPTIONS = { driftPpm: 1000, pauseMs: 1000, killMs: 1000 };

/** Registers the volume with automatic failover, and prepares the site that owns it. */
export async function protect(stage: Stage, mayMount: boolean): Promise<Site> {
  const { facts, folder, functionsUrl, progress, ref, storage, volume } = stage;
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
  const siteFolder = join(folder, 'sites', siteId(ref));
  const guardFolder = join(siteFolder, 'guards', NODE);
  await makeFolder(guardFolder);
  const access = withVolume(newSiteAccess({ key, functionsUrl }), volumeId(ref), volume.path);
  await writePrivateFile(join(siteFolder, 'access.json'), serializeSiteAccess(access));
  const guard = newGuardAccess({ key: await addGuard(storage, ref, NODE), node: NODE, functionsUrl });
  await writePrivateFile(join(guardFolder, 'access.json'), serializeGuardAccess(guard));
  progress.line(
    `${volumeId(ref)} is registered: lease ${LEASE_MS / 1000} s, window ${WINDOW_MS / 1000} s, failover automatic`,
  );
  const site = await Site.prepare(stage, { stopMs: STOP_MS, killMs: ASSUMPTIONS.killMs }, mayMount);
  stage.cleanUp.add('ending the site', () => site.end());
  progress.line(`${groupId(ref)} has a guard on ${NODE}, which alone starts and stops its application`);
  return site;
}
