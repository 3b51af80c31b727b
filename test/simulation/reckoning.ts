/** The reckoning: what must hold once faults have stopped and everything has come to rest. */
import { currentGeneration, hasChores, hasWork, isReady, uploadPlace } from '../../src/documents/volume.ts';
import { journalPrefix, parseJournalEntry } from '../../src/kernel/names.ts';
import type { SiteFixture } from '../support/site-fixture.ts';
import { Worker } from '../support/data-path.ts';
import type { Cloud } from './cloud.ts';
import type { ReplicatingSite } from './replicating-site.ts';
import type { SiteActor } from './site.ts';
import { summary } from './trace.ts';
import type { VolumeWatch } from './watch.ts';
import type { World } from './world.ts';

/** All that lives in a world. */
export interface Inhabitants {
  readonly sites: readonly SiteActor[];
  readonly replicating: readonly ReplicatingSite[];
}

/** Whether nothing is left to be done by anybody. */
export function isAtRest({ storage }: World, { sites, replicating }: Inhabitants): boolean {
  const documents = [...sites, ...replicating].map(({ watch }) => watch.last);
  return (
    sites.every((site) => site.isDone() && site.isHeard()) &&
    replicating.every((site) => site.isDone()) &&
    storage.queues.total() === 0 &&
    documents.every((document) => {
      const { applied, tip, claim } = currentGeneration(document);
      return claim === null && applied.number === tip.number && !hasChores(document);
    })
  );
}

/** Why there is no rest, for people. */
export function restless({ storage }: World, { sites, replicating }: Inhabitants): string {
  const documents = [...new Set([...sites, ...replicating].map(({ watch }) => watch.last))];
  const volumes = documents.map((document) => `${document.volume}: ${summary(JSON.stringify(document))}`);
  const open = [
    ...sites.filter((site) => !site.isDone()).map(({ fixture }) => `a site at ${fixture.last}`),
    ...replicating.filter((site) => !site.isDone()).map((site) => `${site.id} ${site.standing()}`),
  ];
  return [...volumes, ...open, `${storage.queues.total()} messages`].join('; ');
}

/** Holds everything against its model. */
export async function reckon(
  world: World,
  cloud: Cloud,
  { sites, replicating }: Inhabitants,
  keptMs: number | undefined,
): Promise<void> {
  const watches = new Set(sites.map(({ watch }) => watch));
  for (const watch of watches) await reckonChain(world, cloud, watch);
  for (const site of sites) reckonSite(world, site);
  for (const site of replicating) {
    await site.watch.atRest();
    if (site.isGone || site.watch.isCut) continue;
    await site.watch.replicaIs(site.volume.bytes);
    const { last } = site.watch;
    if (hasWork(last) || hasChores(last)) world.report(`${site.id}: at rest, and still marked as having work`);
    if (last.trouble || last.resend.length > 0 || last.repair) world.report(`${site.id}: healed, and still in trouble`);
  }
  if (keptMs === undefined || world.problem !== undefined) return;
  // What nobody needs is seen to be so, kept for its time, and goes.
  const worker = new Worker({ ...world.storage, clock: world.scheduler });
  for (let round = 0; round < 2; round += 1) {
    await cloud.upkeep(worker, keptMs);
    await world.scheduler.pass(keptMs);
  }
  await cloud.upkeep(worker, keptMs);
  for (const { fixture, watch } of [...sites, ...replicating]) await reckonUpkeep(world, fixture, watch.last, keptMs);
  for (const { watch } of replicating) await watch.atRest();
  reckonUploads(world, replicating);
}

/** Where an upload is, somebody is still to write it. */
function reckonUploads({ storage, report }: World, replicating: readonly ReplicatingSite[]): void {
  const open = new Set<string>();
  for (const { watch } of replicating) {
    const { last } = watch;
    const generation = currentGeneration(last);
    const { base, cut } = generation;
    const isOpen = base?.from === 'upload' && !cut && !isReady(generation);
    if (isOpen) open.add(uploadPlace(last.volume, generation).container);
  }
  for (const name of storage.blobs.names()) {
    const [container = ''] = name.split('/');
    if (container.startsWith('upload-') && !open.has(container)) report(`${container}: an upload is left`);
  }
}

async function reckonChain(world: World, cloud: Cloud, watch: VolumeWatch): Promise<void> {
  const [site] = watch.writers;
  if (site && currentGeneration(watch.last).applied.number > 0) await cloud.clean(world.storage, site.ref);
  await watch.atRest();
}

function reckonSite({ report }: World, site: SiteActor): void {
  const { last, writers } = site.watch;
  const { cut, tip } = currentGeneration(last);
  if (cut || writers.length > 1) return;
  const taken = site.takenUpTo();
  if (tip.number < taken) {
    report(`${site.fixture.id}: the queue took all up to ${taken}, and the replica ended at ${tip.number}`);
  }
  if (site.isGone) return;
  if (tip.number !== site.fixture.last) report(`${site.fixture.id}: ended at ${tip.number} of ${site.fixture.last}`);
  if (last.trouble || last.resend.length > 0) report(`${site.fixture.id}: healed, and still in trouble`);
  if (hasWork(last)) report(`${site.fixture.id}: at rest, and still marked as having work`);
}

/** Of a volume everything is there that its state names, and nothing else. */
async function reckonUpkeep(
  { storage, scheduler, report }: World,
  { id, ref, journal }: SiteFixture,
  document: VolumeWatch['last'],
  keptMs: number,
): Promise<void> {
  const blobs = storage.blobs.names().filter((name) => name.startsWith(`replicas/${id}/`));
  const generations = Object.values(document.generations);
  const named = new Set(generations.map(({ replica }) => `${replica.container}/${replica.blob}`));
  for (const blob of blobs) if (!named.has(blob)) report(`${id}: ${blob} is left, and nobody needs it`);
  const needed = new Set([document.current, document.published]);
  for (const { generation, base } of generations) {
    const isSource = base !== undefined && base.phase !== 'ready';
    if (!needed.has(generation) && !isSource) report(`${id}: generation ${generation} is left, and nobody needs it`);
  }
  const known = new Map(generations.map(({ generation, applied }) => [generation, applied.number]));
  const left = new Map<string, { name: string; areAllOld: boolean }>();
  for await (const { name, createdAtMs } of storage.entries.list(
    journal,
    journalPrefix(ref, 1).replace(/\d+\/$/, ''),
  )) {
    const entry = parseJournalEntry(name);
    const appliedNumber = entry && known.get(entry.generation);
    if (!entry || appliedNumber === undefined || entry.number > appliedNumber) continue;
    // A worker may remember a generation for longer than it is kept here, and keep a delta of it; one number's entries stay
    // as long as the youngest of them.
    const isOld = createdAtMs + keptMs < scheduler.wallMs();
    const number = `${entry.generation} ${entry.number}`;
    left.set(number, { name, areAllOld: (left.get(number)?.areAllOld ?? true) && isOld });
  }
  for (const { name, areAllOld } of left.values()) {
    if (areAllOld) report(`${id}: the entry ${name} is left, and nobody needs it`);
  }
}
