/** `leeward volume add|list` (verify, reseed: volume-orders.ts): makes a volume known to the cloud and to the site kept here. */
import { isAbsolute, resolve } from 'node:path';
import { Option } from 'commander';
import type { Command } from 'commander';
import { z } from 'zod';
import { registerVolume } from '../../app/register.ts';
import type { RecoveryTarget, Registration } from '../../app/register.ts';
import { timingOf } from '../../app/plans.ts';
import { currentGeneration, offeredGeneration, volumeKind } from '../../documents/volume.ts';
import { STRICT_LEASE_CONSENT, SINGLE_WITNESS_CONSENT, mayMoveUnasked } from '../../documents/plan.ts';
import { USUAL_ASSUMPTIONS } from '../../health/term/margin.ts';
import { LeewardError, describeError, isLeewardError } from '../../kernel/errors.ts';
import { parseVolume, volumeId } from '../../kernel/ids.ts';
import { documents as names } from '../../kernel/names.ts';
import { PAGE_BYTES, VOLUME_BYTES_MAX, roundUp } from '../../kernel/units.ts';
import { USUAL_LEASE_MS } from '../../protocol/lease.ts';
import { USUAL_STOP } from '../../protocol/stop-times.ts';
import { newSiteAccess, serializeSiteAccess, withVolume } from '../../site/send/access.ts';
import type { SiteAccess } from '../../site/send/access.ts';
import { makeFolder } from '../../system/durable-file.ts';
import { writePrivateFile } from '../../system/private-file.ts';
import { sourceBytes } from '../../system/volume-source.ts';
import { accessFile, openCloud, readAccess } from '../context.ts';
import type { Cloud } from '../context.ts';
import { outputOf, placesOf } from '../globals.ts';
import type { Places } from '../globals.ts';
import { showBytes, table } from '../output.ts';
import { addVolumeOrders } from './volume-orders.ts';
import { bytes, port, resourceId, seconds, urlPath, wholeSeconds, word } from '../arguments.ts';

/** How long the monitor may not have watched a whole window before people are told: at least this. */
const ALERT_AFTER_MS = 900_000;

const addSchema = z.object({
  source: z.string(),
  bytes: z.number().optional(),
  automatic: z.boolean().default(false),
  keep: z.boolean().default(false),
  lease: z.number(),
  stop: z.number(),
  ask: z.boolean().default(false),
  window: z.number(),
  answer: z.number(),
  unanswered: z.enum(['no', 'fail-over']),
  image: z.string().optional(),
  subnet: z.string().optional(),
  location: z.string().optional(),
  size: z.string(),
  probePort: z.number(),
  probePath: z.string(),
});

export function addVolume(program: Command): void {
  const volume = program.command('volume').description('register, list, verify and reseed volumes');
  volume
    .command('add')
    .argument('<volume>', 'TENANT/SITE/GROUP/VOLUME')
    .requiredOption('--source <path>', 'block device or image file to replicate')
    .option('--bytes <size>', 'its size in bytes, where it is on another machine: it is not opened here', bytes)
    .option(
      '--automatic',
      `let the group fail over by itself. Consents: "${SINGLE_WITNESS_CONSENT}", "${STRICT_LEASE_CONSENT}"`,
      false,
    )
    .option('--ask', 'ask a person before the group fails over (without either, people are only told)', false)
    .option('--answer <seconds>', 'how long that person has', wholeSeconds, 900)
    .addOption(
      new Option(
        '--unanswered <what>',
        'what no answer in time means; fail-over consents to what --automatic consents to',
      )
        .choices(['no', 'fail-over'])
        .default('no'),
    )
    .option(
      '--keep',
      "let the group's applications run on when their lease is over; a failover then needs a person, and their stop confirmed",
      false,
    )
    .option('--lease <seconds>', "length of the group's lease", wholeSeconds, USUAL_LEASE_MS / 1000)
    .option(
      '--stop <seconds>',
      'how long its guards let the applications take to stop in order',
      seconds,
      USUAL_STOP.stopMs / 1000,
    )
    .option(
      '--window <seconds>',
      'how long the site must be down, by its witnesses, before it counts',
      wholeSeconds,
      120,
    )
    .option('--image <id>', "resource id of the solution stack's image (default: the local stack's)", resourceId)
    .option('--subnet <id>', "resource id of the recovered machine's subnet (default: the local stack's)", resourceId)
    .option('--location <region>', "region to recover in (default: the local stack's)", word)
    .option('--size <size>', 'size of the recovered machine', word, 'Standard_D2s_v5')
    .option('--probe-port <port>', 'port that answers when the machine is healthy', port, 8080)
    .option('--probe-path <path>', 'path that answers 200 when the machine is healthy', urlPath, '/health')
    .description('register a volume with the cloud and with the site kept here; its group and plan are made if missing')
    .action(add);
  volume.command('list').description("list the registered volumes, the cloud's side").action(list);
  addVolumeOrders(volume);
}

async function add(name: string, _options: unknown, command: Command): Promise<void> {
  const output = outputOf(command);
  const places = placesOf(command);
  const options = addSchema.parse(command.opts());
  const ref = parseVolume(name);
  const decides = planOf(options);
  const source = options.bytes === undefined ? resolve(options.source) : elsewhere(options.source);
  const volumeBytes = wholePages(source, options.bytes ?? (await sourceBytes(source)));
  const cloud = await openCloud(places);
  const { key, plan, isNew } = await registerVolume(cloud.storage, {
    volume: ref,
    volumeBytes,
    leaseMs: options.lease * 1000,
    assumptions: USUAL_ASSUMPTIONS,
    stopMs: options.stop * 1000,
    plan: decides,
    timing: timingOf(cloud.settings),
    keep: options.keep,
    target: targetOf(options, cloud),
  });
  const functionsUrl = cloud.settings.LEEWARD_PUBLIC_URL;
  const access = (await accessOrNone(places, ref)) ?? newSiteAccess({ key, functionsUrl });
  await makeFolder(places.site(ref));
  await writePrivateFile(accessFile(places, ref), serializeSiteAccess(withVolume(access, volumeId(ref), source)));
  if (decides.mode !== plan.mode && (options.automatic || options.ask)) {
    output.say(`the group's plan was there before and stays in ${plan.mode} mode`);
  }
  output.result({ volume: name, volumeBytes, isNew, mode: plan.mode }, () =>
    [
      `${name}: ${showBytes(volumeBytes)}, ${isNew ? 'registered' : 'was registered before'}; its group's plan is in ${plan.mode} mode`,
      options.bytes === undefined
        ? `next: leeward replicate ${name}`
        : `next: ${accessFile(places, ref)}, a secret, goes to where ${source} is; there: leeward agent`,
    ].join('\n'),
  );
}

/** Who decides, and when. Errors: USAGE for both modes at once. */
function planOf(options: z.infer<typeof addSchema>): Registration['plan'] {
  const { automatic, ask, unanswered, window, answer } = options;
  if (automatic && ask) throw new LeewardError('USAGE', '--automatic and --ask exclude each other');
  const mode = automatic ? 'automatic' : ask ? 'ask' : 'report';
  const isUnasked = mayMoveUnasked({ mode, noAnswer: unanswered });
  return {
    mode,
    consents: isUnasked ? [SINGLE_WITNESS_CONSENT, STRICT_LEASE_CONSENT] : [],
    windowMs: window * 1000,
    noAnswer: unanswered,
    answerMs: answer * 1000,
    alertAfterMs: Math.max(ALERT_AFTER_MS, 3 * window * 1000),
  };
}

async function list(_options: unknown, command: Command): Promise<void> {
  const { storage } = await openCloud(placesOf(command));
  const volumes: {
    volume: string;
    volumeBytes: number;
    tip: number;
    applied: number;
    points: number;
    trouble: string;
  }[] = [];
  for await (const { name } of storage.documents.list(names.allVolumes)) {
    try {
      const { value } = await storage.documents.need(volumeKind, name);
      const { volumeBytes, tip, applied } = currentGeneration(value);
      const trouble = value.trouble?.message ?? '';
      volumes.push({
        volume: value.volume,
        volumeBytes,
        tip: tip.number,
        applied: applied.number,
        points: offeredGeneration(value)?.snapshots.length ?? 0,
        trouble,
      });
    } catch (error) {
      outputOf(command).say(describeError(error));
    }
  }
  outputOf(command).result(volumes, () =>
    table(
      volumes.map(({ volume, volumeBytes, tip, applied, points, trouble }) => [
        volume,
        showBytes(volumeBytes),
        tip,
        applied,
        points,
        trouble,
      ]),
      ['volume', 'size', 'acknowledged', 'applied', 'points', 'trouble'],
    ),
  );
}

/** A path of another machine. Errors: USAGE for one that depends on where a command is run. */
function elsewhere(path: string): string {
  if (isAbsolute(path)) return path;
  throw new LeewardError('USAGE', `--source ${path}: with --bytes it is a path of another machine, from / on`);
}

/** The size in whole pages, as the replica has it. Errors: USAGE when no replica can hold it. */
function wholePages(path: string, bytesOfSource: number): number {
  const sizeBytes = roundUp(bytesOfSource, PAGE_BYTES);
  if (sizeBytes <= VOLUME_BYTES_MAX) return sizeBytes;
  throw new LeewardError('USAGE', `volume ${path} has ${sizeBytes} bytes; a replica holds at most ${VOLUME_BYTES_MAX}`);
}

function targetOf(options: z.infer<typeof addSchema>, { local }: Cloud): RecoveryTarget {
  const image = options.image ?? local?.imageId;
  const subnet = options.subnet ?? local?.subnetId;
  const location = options.location ?? local?.location;
  if (image === undefined || subnet === undefined || location === undefined) {
    throw new LeewardError('USAGE', 'say where to recover: --image, --subnet and --location');
  }
  return { image, subnet, location, size: options.size, probe: { port: options.probePort, path: options.probePath } };
}

async function accessOrNone(places: Places, site: { tenant: string; site: string }): Promise<SiteAccess | undefined> {
  try {
    return await readAccess(places, site);
  } catch (error) {
    if (isLeewardError(error, 'NOT_FOUND')) return undefined;
    throw error;
  }
}
