/** `leeward agent`: works on a site for months: heartbeats, each volume at its own interval, what runs there under its eyes. */
import { once } from 'node:events';
import type { Command } from 'commander';
import { z } from 'zod';
import { openSite } from '../../app/site.ts';
import { hasGuardRunHere, openSiteWatch } from '../../app/open-site-watch.ts';
import { LeewardError, describeError } from '../../kernel/errors.ts';
import { together } from '../../kernel/together.ts';
import { configJsonSchema, guardSocketOf, intervalOf, quiesceOf } from '../../site/agent/config.ts';
import type { SiteConfig } from '../../site/agent/config.ts';
import type { SiteWatch } from '../../site/agent/site-watch.ts';
import { LeaseCarrier } from '../../site/agent/lease-carrier.ts';
import { OfflineTeller } from '../../site/agent/offline-teller.ts';
import { workForEver } from '../../site/loops.ts';
import { listenForGuards } from '../../system/guard/agent-socket.ts';
import { CommandQuiesce } from '../../system/command-quiesce.ts';
import { SITE_OPTION, chooseSite, readAccess } from '../context.ts';
import { outputOf, placesOf } from '../globals.ts';
import { logOption, logSchema, serviceLog } from '../service-log.ts';
import { newsFacts, newsLine } from '../site-news.ts';
import { readSiteConfig } from '../site-config.ts';
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

export function addAgent(program: Command): void {
  program
    .command('agent')
    .option(...SITE_OPTION)
    .option('--config <file>', "what is said of the site (default: leeward.yaml in the site's folder, if it is there)")
    .option('--check', 'only say whether the configuration is right', false)
    .option('--schema', "only print the configuration's JSON Schema, for editors", false)
    .addOption(logOption())
    .description(
      'work on the site until SIGTERM: heartbeats, each volume at its own interval, applications under watch',
    )
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
  const config = await readSiteConfig(folder, access, options.config);
  const unguarded = unguardedOf(config, folder);
  if (options.check) {
    for (const line of unguarded) output.say(line);
    output.result(config, () => 'the configuration is right');
    return;
  }
  let watch: SiteWatch | undefined;
  const site = await openSite({
    folder,
    access,
    word: () => watch?.word() ?? {},
    quiesce: (volume) => {
      const commands = quiesceOf(config, volume);
      return commands && new CommandQuiesce(commands);
    },
  });
  const say = serviceLog(options.log, site.clock);
  const { signal, stop } = stopOnSignals();
  const carrier = new LeaseCarrier({ key: site.key, link: site.link, clock: site.clock });
  let teller: OfflineTeller | undefined;
  const guards = await listenForGuards(places.agentSocket(ref), {
    carry: async (questions) => carrier.carry(questions),
    tell: async () => {
      if (!teller) throw new LeewardError('UNAVAILABLE', `${access.site}: the agent has only begun`);
      return teller.tell();
    },
  });
  try {
    for (const line of unguarded) say(line);
    watch = await openSiteWatch({ site: access.site, folder, config, clock: site.clock, tell: say });
    say(`${access.site}: at work on ${site.replicators.length} volume(s)`);
    const telling = (teller = new OfflineTeller(watch, site.siteLink));
    const last = (signal.aborted ? Promise.resolve() : once(signal, 'abort'))
      .then(async () => telling.tellLast())
      .catch((error: unknown) => {
        say(`${access.site}: the cloud could not be told what is offline on purpose: ${describeError(error)}`);
      });
    const watching = watch.run(signal);
    const working = workForEver(site, {
      waitMs: WAIT_MS,
      signal,
      everyMs: (volume) => intervalOf(config, volume),
      tell: (news) => {
        say(newsLine(news), newsFacts(news));
      },
    });
    // What one of them did not foresee ends the other too.
    for (const work of [watching, working]) work.catch(stop);
    await together([watching, working, last]);
    say(`${access.site}: stopped`);
  } finally {
    stop();
    await guards.close();
    await site.close();
  }
}

/** Applications on a node of which no guard has ever run here: that is allowed, and a line each says what it means. */
function unguardedOf(config: SiteConfig, folder: string): readonly string[] {
  return Object.entries(config.groups).flatMap(([group, { applications }]) =>
    Object.entries(applications)
      .filter(
        ([, { node }]) => guardSocketOf(config, group, node) === undefined && !hasGuardRunHere(folder, group, node),
      )
      .map(
        ([name, { node }]) =>
          `${group}/${name}: no guard of ${node} has run here yet: until one does, it is not watched`,
      ),
  );
}
