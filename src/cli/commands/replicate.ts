/** `leeward replicate`: one interval of each volume of the site kept here, or one after the other of each until it is stopped. */
import type { Command } from 'commander';
import { z } from 'zod';
import { openSite } from '../../app/site.ts';
import { LeewardError } from '../../kernel/errors.ts';
import { parseVolume, volumeId } from '../../kernel/ids.ts';
import { workForEver, workOnce } from '../../site/loops.ts';
import type { SiteNews } from '../../site/loops.ts';
import type { Replicator } from '../../site/replicator.ts';
import { listenForGuards } from '../../system/guard/agent-socket.ts';
import { seconds, zstdLevel } from '../arguments.ts';
import { SITE_OPTION, chooseSite, readAccess } from '../context.ts';
import { exitCodeOf } from '../exit-codes.ts';
import { outputOf, placesOf } from '../globals.ts';
import { showBytes, table } from '../output.ts';
import { newsLine } from '../site-news.ts';
import { stopOnSignals } from '../stop-on-signals.ts';
import type { Output } from '../output.ts';

const optionsSchema = z.object({
  site: z.string().optional(),
  every: z.number().optional(),
  wait: z.number(),
  compression: z.int().optional(),
});

export function addReplicate(program: Command): void {
  program
    .command('replicate')
    .argument('[volumes...]', 'TENANT/SITE/GROUP/VOLUME (default: all of the site)')
    .option(...SITE_OPTION)
    .option('--every <seconds>', 'go on, with an interval of each volume this often, until SIGTERM or Ctrl-C', seconds)
    .option('--wait <seconds>', 'how long to wait until the cloud has acknowledged everything', seconds, 300)
    .option(
      '--compression <level>',
      'how hard deltas are compressed: 1 (fast) to 19 (small), or 0 (default: 3)',
      zstdLevel,
    )
    .description('find what changed, send it as deltas, wait until the cloud has them')
    .action(replicate);
}

async function replicate(given: string[], _options: unknown, command: Command): Promise<void> {
  const output = outputOf(command);
  const places = placesOf(command);
  const options = optionsSchema.parse(command.opts());
  const volumes = given.map((text) => volumeId(parseVolume(text)));
  const [first] = given;
  const site = await chooseSite(places, options.site ?? first?.split('/').slice(0, 2).join('/'));
  const access = await readAccess(places, site);
  const unknown = volumes.find((volume) => !access.volumes.some((other) => other.volume === volume));
  if (unknown !== undefined)
    throw new LeewardError(
      'NOT_FOUND',
      `${unknown} is not a volume of the site kept here: \`leeward volume add\` makes it one`,
    );
  const open = await openSite({
    ...{ folder: places.site(site), access },
    ...(volumes.length > 0 && { volumes }),
    ...(options.compression !== undefined && { replication: { zstdLevel: options.compression } }),
  });
  const { signal, stop } = stopOnSignals();
  const { every } = options;
  let failure: unknown;
  const tell = (news: SiteNews): void => {
    if ('error' in news) failure ??= news.error;
    output.say(newsLine(news));
  };
  let asked: Awaited<ReturnType<typeof listenForGuards>> | undefined;
  const work = { waitMs: options.wait * 1000, signal, tell };
  try {
    if (every !== undefined) {
      // Nobody else can tell the cloud anything while this goes on.
      const tell = async () => (await open.siteLink.tell()).offline ?? [];
      asked = await listenForGuards(places.agentSocket(site), { tell });
      await workForEver(open, { ...work, everyMs: () => every * 1000 });
    } else {
      await workOnce(open, work);
      if (failure !== undefined) process.exitCode = exitCodeOf(failure);
    }
    report(open.replicators, output);
  } finally {
    stop();
    await asked?.close();
    await open.close();
  }
}

function report(replicators: readonly Replicator[], output: Output): void {
  const volumes = replicators.map((replicator) => replicator.status());
  output.result(volumes, () =>
    table(
      volumes.map(({ volume, storedNumber, acknowledgedNumber, sentBytes, waitingBytes, trouble }) => [
        volume,
        storedNumber,
        acknowledgedNumber,
        showBytes(sentBytes),
        showBytes(waitingBytes),
        trouble ?? '',
      ]),
      ['volume', 'stored', 'acknowledged', 'sent', 'waiting', 'trouble'],
    ),
  );
}
