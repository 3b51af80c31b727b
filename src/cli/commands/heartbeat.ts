/** `leeward heartbeat`: one heartbeat of the site kept here, and what the cloud answered, without its credentials. */
import type { Command } from 'commander';
import { openSite } from '../../app/site.ts';
import { readAccess, siteGiven } from '../context.ts';
import { outputOf, placesOf } from '../globals.ts';
import { table } from '../output.ts';

export function addHeartbeat(program: Command): void {
  program
    .command('heartbeat')
    .argument('[site]', 'TENANT/SITE (default: the only one kept here)')
    .option('--site <site>', 'the same')
    .description('send one heartbeat and print the answer')
    .action(async (given: string | undefined, _options: unknown, command: Command) => {
      const places = placesOf(command);
      const site = await siteGiven(places, given, command);
      const open = await openSite({ folder: places.site(site), access: await readAccess(places, site) });
      try {
        const { volumes, groups, everyMs, access } = await open.siteLink.heartbeat();
        outputOf(command).result({ volumes, groups, everyMs, accessExpiresAtMs: access.expiresAtMs }, () =>
          [
            table(
              volumes.map((answer) => [
                answer.volume,
                answer.generation,
                answer.acknowledged.number,
                answer.appliedNumber,
                answer.writable ? answer.queue : 'not writable',
                answer.trouble ?? '',
              ]),
              ['volume', 'generation', 'acknowledged', 'applied', 'send to', 'trouble'],
            ),
            table(
              groups.map(({ group, term, phase, holder }) => [group, term, phase, holder]),
              ['group', 'term', 'phase', 'holder'],
            ),
          ].join('\n\n'),
        );
      } finally {
        await open.close();
      }
    });
}
