/**
 * The demo's site, a process of its own: agent, replicator, lease holder, and the application under its lease. It does
 * what the demo tells it (`site-messages.ts`); everything else it does as any site does.
 *
 * Invariants: whatever becomes of the demo, the application is stopped and nothing stays mounted; after the cut nothing
 * reaches the cloud.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openSite } from '../app/site.ts';
import { LeewardError, describeError } from '../kernel/errors.ts';
import { parseSiteAccess } from '../site/send/access.ts';
import { LeaseHolder } from '../site/lease/lease.ts';
import { LeasedApplication } from '../site/lease/leased-application.ts';
import type { LeasedEvent } from '../site/lease/leased-application.ts';
import type { Replicator } from '../site/replicator.ts';
import { ChildApplication } from '../system/child-application.ts';
import { readPrivateFile } from '../system/private-file.ts';
import { SystemRandom } from '../system/random.ts';
import { goOn, pause } from './application-control.ts';
import type { Written } from './application-control.ts';
import { openApplicationVolume } from './application-volume.ts';
import type { ApplicationVolume } from './application-volume.ts';
import { CuttableLink } from './cuttable-link.ts';
import { DATABASE, examine } from './database.ts';
import { newestNote } from './notes.ts';
import { orderSchema, siteConfigSchema } from './site-messages.ts';
import type { Interval, SiteAnswer, SiteEvent, SiteOrder } from './site-messages.ts';

/** Longer than a lease: an application that has just lost one waits for the next, and pauses then. */
const PAUSE_MS = 15_000;

const config = siteConfigSchema.parse(JSON.parse(process.argv[2] ?? ''));
const access = parseSiteAccess(await readPrivateFile(config.accessFile));
const random = new SystemRandom();
let link: CuttableLink | undefined;
let holder: LeaseHolder | undefined;
const site = await openSite({
  folder: config.folder,
  access,
  wrapLink: (plain) => (link = new CuttableLink(plain)),
  word: () => ({ groups: (holder?.report() ?? []).map((group) => ({ ...group, nodes: [config.node] })) }),
});
const { clock } = site;
const [replicator] = site.replicators;
if (!link || !replicator) throw new LeewardError('USAGE', `${config.accessFile} names no volume`);
const cloud = link;
const leases = (holder = new LeaseHolder({
  key: site.key,
  clock,
  random,
  link: cloud,
  groups: [config.group],
  node: config.node,
}));

const ending = new AbortController();
const background = [site.agent.run(ending.signal, tellTrouble), leases.run(ending.signal, tellTrouble)];
let volume: ApplicationVolume | undefined;
let ended: Promise<void> | undefined;

const ORDERS: { readonly [Order in SiteOrder]: () => Promise<SiteAnswer<Order>> } = {
  'start-application': async () => ({ how: await startApplication() }),
  rest,
  thaw,
  wake,
  'interval-at-rest': async () => interval(theReplicator()),
  interval: async () => interval(theReplicator()),
  acknowledged: async () => {
    await theReplicator().waitUntilAcknowledged(config.acknowledgedMs, ending.signal);
    const { acknowledgedNumber, sentBytes } = theReplicator().status();
    return { number: acknowledgedNumber, sentBytes };
  },
  cut: async () => {
    cloud.cut();
    const atWallMs = clock.wallMs();
    return { atWallMs, lastFile: volume === undefined ? null : await newestNote(volume.folder) };
  },
  aftermath: async () => ({
    leaseUntilWallMs: wallMs(leases.lease(config.group).untilBootMs),
    rows: rowsInTheEnd(),
  }),
  end: async () => {
    await (ended ??= end());
    return null;
  },
};

process.on('message', (message) => void answer(message));
process.once('disconnect', () => void leave());
process.once('SIGTERM', () => void leave());
// Ctrl-C reaches every process of the terminal; the demo is the one to say what comes of it.
process.on('SIGINT', () => undefined);

async function answer(message: unknown): Promise<void> {
  const { id, order } = orderSchema.parse(message);
  try {
    send({ id, result: await ORDERS[order]() });
  } catch (error) {
    const code = error instanceof LeewardError ? error.code : 'PLATFORM_FAILED';
    send({ id, failure: { code, message: describeError(error) } });
  }
}

function rowsInTheEnd(): number | null {
  const rows = volume === undefined ? -1 : examine(join(volume.folder, DATABASE)).rows;
  return rows < 0 ? null : rows;
}

async function startApplication(): Promise<string> {
  const plan = config.application;
  if (plan === null) throw new LeewardError('REFUSED', 'this site has no application');
  await mkdir(plan.control, { recursive: true });
  volume = await openApplicationVolume(plan, plan.mayMount);
  const script = join(import.meta.dirname, 'application.ts');
  const leased = new LeasedApplication({
    group: config.group,
    application: new ChildApplication({
      name: 'shop',
      command: process.execPath,
      args: [script, volume.folder, plan.control, plan.run],
    }),
    holder: leases,
    clock,
    stopMs: plan.stopMs,
    killMs: plan.killMs,
  });
  const running = leased.run(ending.signal, (event) => {
    tell(onWallTime(event));
  });
  background.push(running.catch(tellTrouble));
  return volume.how;
}

async function rest(): Promise<Written> {
  const plan = config.application;
  if (plan === null || volume === undefined) throw new LeewardError('REFUSED', 'no application runs here');
  const written = await pause(plan.control, { clock, random, timeoutMs: PAUSE_MS });
  await volume.rest();
  return written;
}

async function thaw(): Promise<null> {
  await volume?.wake();
  return null;
}

async function wake(): Promise<null> {
  await thaw();
  if (config.application) await goOn(config.application.control);
  return null;
}

async function interval(of: Replicator): Promise<Interval> {
  const { numbers, readBytes, changedBytes } = await of.replicateOnce({ signal: ending.signal });
  return { numbers: [...numbers], readBytes, changedBytes, sentBytes: of.status().sentBytes };
}

async function end(): Promise<void> {
  ending.abort(new LeewardError('UNAVAILABLE', 'the demo ends'));
  await wake();
  await Promise.all(background);
  await volume?.close();
  await site.close();
}

async function leave(): Promise<void> {
  await (ended ??= end());
  process.exit();
}

function theReplicator(): Replicator {
  if (replicator) return replicator;
  throw new LeewardError('USAGE', 'this site has no volume');
}

function wallMs(bootMs: number): number {
  return clock.wallMs() - (clock.bootMs() - bootMs);
}

function onWallTime({ atBootMs, ...event }: LeasedEvent): SiteEvent {
  return { ...event, atWallMs: wallMs(atBootMs) };
}

/** Once the link is cut, every request fails: that is the demo's doing, and no news. */
function tellTrouble(error: unknown): void {
  if (!cloud.isCut && !ending.signal.aborted) tell({ event: 'trouble', text: describeError(error) });
}

function tell(event: SiteEvent): void {
  send(event);
}

function send(message: object): void {
  if (process.connected) process.send?.(message);
}
