/**
 * `leeward status`: what the cloud knows of a site. It reads the documents themselves, as the status function does, so
 * that it works on a day when no function answers.
 */
import type { Command } from 'commander';
import { knownSiteStatus } from '../../app/status.ts';
import type { KnownSiteStatus } from '../../app/status.ts';
import type { GroupStatus, Unreadable, VolumeStatus } from '../../failover/status.ts';
import { openCloud, siteGiven } from '../context.ts';
import { outputOf, placesOf } from '../globals.ts';
import { showBytes, showDuration, table } from '../output.ts';

export function addStatus(program: Command): void {
  program
    .command('status')
    .argument('[site]', 'TENANT/SITE (default: the only one kept here)')
    .option('--site <site>', 'the same')
    .description('what the cloud knows of a site: heartbeat, groups, volumes, runs')
    .action(async (given: string | undefined, _options: unknown, command: Command) => {
      const places = placesOf(command);
      const site = await siteGiven(places, given, command);
      const { storage } = await openCloud(places);
      const status = await knownSiteStatus(storage.documents, site);
      outputOf(command).result(status, () => describe(status));
    });
}

function describe({ site, heartbeat, groups, notices, refused }: KnownSiteStatus): string {
  const heard = heartbeat === null ? 'never heard of' : `last heard of ${showDuration(heartbeat.ageMs)} ago`;
  const { waiting, undeliverable, undeliverableIds } = notices;
  const told = [
    ...(waiting > 0 ? [`${waiting} notices have not reached everybody yet`] : []),
    ...(undeliverable > 0 ? [`${undeliverable} notices were given up: ${undeliverableIds.join(', ')}`] : []),
    ...Object.entries(refused).map(([door, counts]) => {
      const told = Object.entries(counts).map(([code, count]) => `${count} ${code}`);
      return `refused at ${door}, of all that anybody sent: ${told.join(', ')}`;
    }),
  ];
  return [[`${site}: ${heard}`, ...told].join('\n'), ...groups.map(describeGroup)].join('\n\n');
}

function describeGroup(group: GroupStatus | Unreadable): string {
  if (isUnreadable(group)) return `${group.document}: ${group.unreadable}`;
  const volumes = group.volumes.map((volume) =>
    isUnreadable(volume)
      ? [volume.document, '', '', '', '', '', volume.unreadable]
      : [
          volume.volume,
          volume.tipNumber,
          volume.appliedNumber,
          volume.points,
          volume.lagMs === null ? '' : showDuration(volume.lagMs),
          describeCare(volume),
          volume.trouble ?? '',
        ],
  );
  const runs = group.runs.map((run) =>
    isUnreadable(run)
      ? [run.document, '', '', '', run.unreadable]
      : [run.run, run.state, run.step, run.actor, run.failure?.message ?? ''],
  );
  return [
    `${group.group}: term ${group.term} ${group.phase}, held by the ${group.holder}`,
    table(volumes, ['volume', 'acknowledged', 'applied', 'points', 'age', 'care', 'trouble']),
    ...(runs.length > 0 ? [table(runs, ['run', 'state', 'step', 'by', 'failure'])] : []),
  ].join('\n');
}

/** What is being done for the volume beside its deltas. */
function describeCare(volume: VolumeStatus): string {
  const { base, comparing, repairBytes, reseed, verifiedPoints } = volume;
  return [
    reseed === null ? undefined : `next generation: ${reseed}`,
    base === null ? undefined : `base from ${base.from}: ${base.phase}`,
    comparing === null ? undefined : `comparing delta ${comparing}`,
    repairBytes === null ? undefined : `repairs ${showBytes(repairBytes)}`,
    verifiedPoints === 0 ? undefined : `${verifiedPoints} verified`,
  ]
    .filter((part) => part !== undefined)
    .join('; ');
}

function isUnreadable(part: object): part is Unreadable {
  return 'unreadable' in part;
}
