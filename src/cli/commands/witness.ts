/** `leeward witness add|remove|list|run`: who says whether a site is up. */
import { join } from 'node:path';
import type { Command } from 'commander';
import { Option } from 'commander';
import { z } from 'zod';
import { timingOf } from '../../app/plans.ts';
import { addWitness as addWitnessTo, removeWitness } from '../../app/witnesses.ts';
import { MONITOR_DOMAIN, siteKind, witnessesOf } from '../../documents/site.ts';
import { witnessNameSchema, witnessSchema } from '../../documents/witness.ts';
import type { Witness } from '../../documents/witness.ts';
import { LeewardError, describeError } from '../../kernel/errors.ts';
import { parseSite, siteId } from '../../kernel/ids.ts';
import type { SiteRef } from '../../kernel/ids.ts';
import { documents as names } from '../../kernel/names.ts';
import { firstIssue } from '../../kernel/schema.ts';
import { Troubles } from '../../kernel/troubles.ts';
import { newWitnessAccess, parseWitnessAccess, serializeWitnessAccess } from '../../site/witness/access.ts';
import { Observer } from '../../site/witness/observer.ts';
import { SystemClock } from '../../system/clock.ts';
import { makeFolder } from '../../system/durable-file.ts';
import { PlainHttp } from '../../system/http.ts';
import { readPrivateFile, writePrivateFile } from '../../system/private-file.ts';
import { httpUrl, seconds, word } from '../arguments.ts';
import { openCloud } from '../context.ts';
import { outputOf, placesOf } from '../globals.ts';
import type { Places } from '../globals.ts';
import { table } from '../output.ts';
import { stopOnSignals } from '../stop-on-signals.ts';

const addSchema = z.object({
  kind: witnessSchema.shape.kind,
  url: z.string().optional(),
  domain: z.string().optional(),
  every: z.number(),
});

export function addWitness(program: Command): void {
  const witness = program.command('witness').description('who says whether a site is up');
  const of = (name: string): Command =>
    witness.command(name).argument('<site>', 'TENANT/SITE').argument('<name>', 'name of the witness');
  of('add')
    .addOption(
      new Option(
        '--kind <kind>',
        "who asks: the monitor (probe), an observer anywhere, or an app in another region; heartbeat: the site's own, under the name that it has",
      )
        .choices(addSchema.shape.kind.options)
        .makeOptionMandatory(),
    )
    .option('--url <address>', 'an address of the site that answers while the site is up', httpUrl)
    .option(
      '--domain <words>',
      "what fails together with it: witnesses with the same words count once (default: a probe's is the monitor's)",
      word,
    )
    .option('--every <seconds>', 'how often it speaks', seconds, 30)
    .description('let the site have this witness, and keep its access here where it posts its words')
    .action(add);
  of('remove').description('the site has no such witness any more; its key is revoked').action(remove);
  witness.command('list').argument('<site>', 'TENANT/SITE').description('the witnesses of a site').action(list);
  of('run')
    .option('--access <file>', 'its access file, as `witness add` wrote it (default: the one kept here)', word)
    .option('--once', 'look once, and end', false)
    .description('look at the site from here, and say what is seen, until SIGTERM')
    .action(run);
}

function accessFile(places: Places, site: SiteRef, name: string): string {
  return join(places.site(site), 'witnesses', `${witnessNameSchema.parse(name)}.json`);
}

async function add(siteName: string, name: string, _options: unknown, command: Command): Promise<void> {
  const [site, places] = [parseSite(siteName), placesOf(command)];
  const { kind, url, every, domain = defaultDomain(kind) } = addSchema.parse(command.opts());
  const isAsked = kind === 'probe' || kind === 'region';
  if (kind !== 'heartbeat' && url === undefined) throw new LeewardError('USAGE', '--url: say what it is to look at');
  const witness = { name, kind, domain, everyMs: every * 1000, ...(isAsked && { url }) };
  const parsed = witnessSchema.safeParse(witness);
  if (!parsed.success) throw new LeewardError('USAGE', `witness: ${firstIssue(parsed.error)}`);
  const { storage, settings } = await openCloud(places);
  const key = await addWitnessTo(storage, site, { witness: parsed.data, timing: timingOf(settings) });
  const file = accessFile(places, site, name);
  if (key && url !== undefined) {
    const of = { witness: name, functionsUrl: settings.LEEWARD_PUBLIC_URL, url, everyMs: parsed.data.everyMs };
    await makeFolder(join(places.site(site), 'witnesses'));
    await writePrivateFile(file, serializeWitnessAccess(newWitnessAccess(key, of)));
  }
  outputOf(command).result({ site: siteId(site), ...parsed.data, ...(key && { access: file }) }, () =>
    [
      `${siteId(site)}: ${name} is a witness, of the failure domain "${domain}"`,
      ...(key
        ? [
            `its access is in ${file}, a secret`,
            `next, where it is to run: leeward witness run ${siteName} ${name} --access FILE`,
          ]
        : []),
    ].join('\n'),
  );
}

/** A probe is asked from where the canary is sent; others say themselves where they are. */
function defaultDomain(kind: Witness['kind']): string {
  if (kind === 'probe' || kind === 'heartbeat') return MONITOR_DOMAIN;
  throw new LeewardError('USAGE', '--domain: say what fails together with it, such as its region or provider');
}

async function remove(siteName: string, name: string, _options: unknown, command: Command): Promise<void> {
  const site = parseSite(siteName);
  const { storage } = await openCloud(placesOf(command));
  await removeWitness(storage.documents, site, name);
  outputOf(command).result({ site: siteId(site), name }, () => `${siteId(site)}: ${name} is no witness any more`);
}

async function list(siteName: string, _options: unknown, command: Command): Promise<void> {
  const site = parseSite(siteName);
  const { storage, settings } = await openCloud(placesOf(command));
  const { value } = await storage.documents.need(siteKind, names.site(site));
  const witnesses = witnessesOf(value, timingOf(settings).everyMs);
  outputOf(command).result(witnesses, () =>
    table(
      witnesses.map(({ name, kind, domain, everyMs, url }) => [name, kind, domain, `${everyMs / 1000} s`, url ?? '']),
      ['witness', 'kind', 'failure domain', 'every', 'looks at'],
    ),
  );
}

async function run(siteName: string, name: string, _options: unknown, command: Command): Promise<void> {
  const output = outputOf(command);
  const { access: file, once } = z.object({ access: z.string().optional(), once: z.boolean() }).parse(command.opts());
  const site = parseSite(siteName);
  const access = parseWitnessAccess(await readPrivateFile(file ?? accessFile(placesOf(command), site, name)));
  if (access.site !== siteId(site) || access.witness !== name) {
    throw new LeewardError('USAGE', `the access is that of witness ${access.witness} of ${access.site}`);
  }
  const observer = new Observer({ access, http: new PlainHttp(), clock: new SystemClock() });
  if (once) {
    const verdict = await observer.look();
    output.result({ site: access.site, witness: name, verdict }, () => `${access.site}: ${verdict}`);
    return;
  }
  const seen = new Troubles();
  await observer.run(stopOnSignals().signal, (news) => {
    const line = 'error' in news ? describeError(news.error) : `${access.site}: ${news.verdict}`;
    // What goes on as it was is not told again each time.
    if (seen.isNews(name, line)) output.say(line);
  });
}
