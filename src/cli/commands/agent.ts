/** `leeward agent`: works on a site for months: heartbeats, and each volume at its own interval. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { z } from 'zod';
import { openSite } from '../../app/site.ts';
import { LeewardError } from '../../kernel/errors.ts';
import { nameInSite } from '../../kernel/ids.ts';
import { configJsonSchema, intervalOf, parseConfig, quiesceOf } from '../../site/agent/config.ts';
import type { SiteConfig } from '../../site/agent/config.ts';
import { LeaseCarrier } from '../../site/agent/lease-carrier.ts';
import type { SiteAccess } from '../../site/send/access.ts';
import { workForEver } from '../../site/loops.ts';
import { listenForGuards } from '../../system/guard/agent-socket.ts';
import { CommandQuiesce } from '../../system/command-quiesce.ts';
import { isMissing } from '../../system/durable-file.ts';
import { chooseSite, readAccess } from '../context.ts';
import { outputOf, placesOf } from '../globals.ts';
import { logOption, logSchema, serviceLog } from '../service-log.ts';
import { newsFacts, newsLine } from '../site-news.ts';
import { stopOnSignals } from '../stop-on-signals.ts';

const optionsSchema = z.object({
  site: z.string().optional(),
  config: z.string().optional(),
  check: z.boolean().default(false),
  schema: z.boolean().default(false),
  log: logSchema,
});

/** How long an interval waits for the cloud before the next one may begin. */
const WAIT_MS = 300_000;

/** What is said of a site is in its folder, unless the command names another file. */
const CONFIG_FILE = 'leeward.yaml';

export function addAgent(program: Command): void {
  program
    .command('agent')
    .option('--site <site>', 'TENANT/SITE (default: the only one kept here)')
    .option('--config <file>', "what is said of the site (default: leeward.yaml in the site's folder, if it is there)")
    .option('--check', 'only say whether the configuration is right', false)
    .option('--schema', "only print the configuration's JSON Schema, for editors", false)
    .addOption(logOption())
    .description('work on the site until SIGTERM: heartbeats, and each volume at its own interval')
    .action(agent);
}

async function agent(_options: unknown, command: Command): Promise<void> {
  const output = outputOf(command);
  const places = placesOf(command);
  const options = optionsSchema.parse(command.opts());
  if (options.schema) {
    const schema = configJsonSchema();
    output.result(schema, () => JSON.stringify(schema, undefined, 2));
    return;
  }
  const ref = await chooseSite(places, options.site);
  const access = await readAccess(places, ref);
  const folder = places.site(ref);
  const config = await readConfig(options.config, join(folder, CONFIG_FILE), access);
  if (options.check) {
    output.result(config, () => 'the configuration is right');
    return;
  }
  const site = await openSite({
    folder,
    access,
    quiesce: (volume) => {
      const commands = quiesceOf(config, volume);
      return commands && new CommandQuiesce(commands);
    },
  });
  const say = serviceLog(options.log, site.clock);
  const { signal, stop } = stopOnSignals();
  const carrier = new LeaseCarrier({ key: site.key, link: site.link, clock: site.clock });
  const guards = await listenForGuards(places.agentSocket(ref), async (questions) => carrier.carry(questions));
  try {
    say(`${access.site}: at work on ${site.replicators.length} volume(s)`);
    await workForEver(site, {
      waitMs: WAIT_MS,
      signal,
      everyMs: (volume) => intervalOf(config, volume),
      tell: (news) => {
        say(newsLine(news), newsFacts(news));
      },
    });
    say(`${access.site}: stopped`);
  } finally {
    stop();
    await guards.close();
    await site.close();
  }
}

/** The file that is named must be there; the one in the site's folder may be. */
async function readConfig(named: string | undefined, usual: string, access: SiteAccess): Promise<SiteConfig> {
  const file = named ?? usual;
  const volumes = access.volumes.map(({ volume }) => nameInSite(volume));
  try {
    return parseConfig(file, await readFile(file, 'utf8'), volumes);
  } catch (error) {
    if (!isMissing(error)) throw error;
    if (named !== undefined) throw new LeewardError('USAGE', `there is no file ${file}`);
    return parseConfig(file, '', volumes);
  }
}
