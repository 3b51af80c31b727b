/** `leeward volume verify|reseed`: a person's orders for a volume. The site and the sweep carry them out. */
import { Option } from 'commander';
import type { Command } from 'commander';
import { z } from 'zod';
import { orderGeneration, orderVerification } from '../../app/volume-orders.ts';
import { groupId, parseVolume, siteId } from '../../kernel/ids.ts';
import { reasonText } from '../arguments.ts';
import { openCloud } from '../context.ts';
import { outputOf, placesOf } from '../globals.ts';

/** What a generation can begin from, as the command names it. */
const ORIGINS = ['point', 'upload', 'zeros'] as const;

const reseedSchema = z.object({ from: z.enum(ORIGINS), reason: z.string() });

export function addVolumeOrders(volume: Command): void {
  volume
    .command('verify')
    .argument('<volume>', 'TENANT/SITE/GROUP/VOLUME')
    .description('compare the replica with the volume: the site is asked for the hashes of its next point')
    .action(verify);
  volume
    .command('reseed')
    .argument('<volume>', 'TENANT/SITE/GROUP/VOLUME')
    .addOption(
      new Option(
        '--from <origin>',
        'what it begins from: the newest recovery point, an upload of raw pages, or nothing',
      )
        .choices(ORIGINS)
        .default('point'),
    )
    .option('--reason <words>', 'why, for the record', reasonText, 'ordered on the command line')
    .description('begin the next generation of a volume; the present one stays offered until that one has a point')
    .action(reseed);
}

async function verify(name: string, _options: unknown, command: Command): Promise<void> {
  const volume = parseVolume(name);
  const { storage } = await openCloud(placesOf(command));
  const { current } = await orderVerification(storage.documents, volume);
  outputOf(command).result({ volume: name, generation: current, asked: true }, () =>
    [`the site is asked for the hashes of ${name}`, `next: leeward status ${siteId(volume)}`].join('\n'),
  );
}

async function reseed(name: string, _options: unknown, command: Command): Promise<void> {
  const volume = parseVolume(name);
  const { from, reason } = reseedSchema.parse(command.opts());
  const { storage } = await openCloud(placesOf(command));
  const { current, published } = await orderGeneration(storage.documents, volume, { from, reason });
  outputOf(command).result({ volume: name, ordered: true, from, after: current, published }, () =>
    [
      `${name}: the generation after ${current} is ordered, from ${from}; group ${groupId(volume)} goes on with what it has`,
      `next: leeward status ${siteId(volume)}`,
    ].join('\n'),
  );
}
