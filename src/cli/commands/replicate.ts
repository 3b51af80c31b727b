/** `leeward replicate`: one interval of each volume of the site kept here, or one after the other until it is stopped. */
import type { Command } from 'commander';
import { z } from 'zod';
import { openSite } from '../../app/site.ts';
import type { OpenSite } from '../../app/site.ts';
import { LeewardError, describeError, isLeewardError } from '../../kernel/errors.ts';
import { parseVolume, volumeId } from '../../kernel/ids.ts';
import type { Replicator } from '../../site/replicator.ts';
import { seconds, zstdLevel } from '../arguments.ts';
import { chooseSite, readAccess } from '../context.ts';
import { exitCodeOf } from '../exit-codes.ts';
import { outputOf, placesOf } from '../globals.ts';
import { runLeased } from '../leased.ts';
import { showBytes, table } from '../output.ts';
import type { Output } from '../output.ts';

const optionsSchema = z.object({
  site: z.string().optional(),
  every: z.number().optional(),
  application: z.string().min(1).optional(),
  wait: z.number(),
  compression: z.int().optional(),
});

export function addReplicate(program: Command): void {
  program
    .command('replicate')
    .argument('[volumes...]', 'TENANT/SITE/GROUP/VOLUME (default: all of the site)')
    .option('--site <site>', 'TENANT/SITE (default: the only one kept here)')
    .option(
      '--application <command>',
      "with --every: run this under the group's lease, and stop it before the lease ends",
    )
    .option('--every <seconds>', 'go on, with an interval this often, until SIGTERM or Ctrl-C', seconds)
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
  if (options.application !== undefined && options.every === undefined) {
    throw new LeewardError('USAGE', '--application runs beside the intervals: give --every too');
  }
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
  const stopping = new AbortController();
  const stop = (): void => {
    stopping.abort(new LeewardError('UNAVAILABLE', 'stopped'));
  };
  process.once('SIGTERM', stop).once('SIGINT', stop);
  const background =
    options.every === undefined ? undefined : stayUp(open, output, stopping.signal, options.application);
  try {
    if (options.every === undefined) {
      const failure = await interval(open.replicators, output, options.wait * 1000, stopping.signal);
      if (failure !== undefined) process.exitCode = exitCodeOf(failure);
    }
    while (options.every !== undefined && !stopping.signal.aborted) {
      const beganMs = open.clock.bootMs();
      await interval(open.replicators, output, options.wait * 1000, stopping.signal);
      const restMs = options.every * 1000 - (open.clock.bootMs() - beganMs);
      await open.clock.sleep(Math.max(0, restMs), stopping.signal).catch(() => undefined);
    }
    report(open.replicators, output);
  } finally {
    stop();
    await background;
    await open.close();
  }
}

/**
 * What goes on beside the intervals until `signal` is aborted: heartbeats, as often as the cloud asks for them however long
 * an interval takes, and the application under its group's lease, if there is one.
 */
async function stayUp(
  open: OpenSite,
  output: Output,
  signal: AbortSignal,
  application: string | undefined,
): Promise<void> {
  const tell = (error: unknown): void => {
    output.say(describeError(error));
  };
  const leased = application === undefined ? undefined : runLeased(open, { command: application, signal, output });
  await Promise.all([open.agent.run(signal, tell), leased?.catch(tell)]);
}

/** One interval of every volume, side by side. What failed first, which was told; undefined when nothing did. */
async function interval(
  replicators: readonly Replicator[],
  output: Output,
  waitMs: number,
  signal: AbortSignal,
): Promise<LeewardError | undefined> {
  let failure: LeewardError | undefined;
  const failed = ({ volume }: Replicator, error: unknown): void => {
    if (!isLeewardError(error)) throw error;
    if (signal.aborted) return;
    const told = describeError(error);
    output.say(told.includes(volume) ? told : `${volume}: ${told}`);
    failure ??= error;
  };
  await Promise.all(
    replicators.map(async (replicator) => {
      let made: string | undefined;
      try {
        const { numbers } = await replicator.replicateOnce({ consistency: 'crash', signal });
        made = numbers.length === 0 ? 'no change' : `deltas ${numbers.join(', ')} acknowledged`;
      } catch (error) {
        failed(replicator, error);
        // What was stored before a volume vanished is the newest that there is: it is sent all the same.
        if (!isLeewardError(error, 'SOURCE_CHANGED')) return;
      }
      try {
        await replicator.waitUntilAcknowledged(waitMs, signal);
        if (made !== undefined) output.say(`${replicator.volume}: ${made}`);
      } catch (error) {
        failed(replicator, error);
      }
    }),
  );
  return failure;
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
