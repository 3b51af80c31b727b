/**
 * `monitor.sites`: one pass of the monitor over 1,000 sites, each of which it decides on and writes a record of, against the
 * plainest reads and writes of the same documents, as many at once. `monitor.history`: such a pass over sites that have a
 * year's decisions behind them, against one over sites that have a day's. Both stores hold as many documents, those of the
 * second being nobody's for the most part: Azurite itself looks longer for a blob the more a container holds.
 */
import type { ContainerClient } from '@azure/storage-blob';
import { noticeKind } from '../../src/documents/notice.ts';
import { siteDecisionKind } from '../../src/documents/site-failure.ts';
import { fewAtOnce } from '../../src/kernel/few-at-once.ts';
import { groupId, siteId } from '../../src/kernel/ids.ts';
import { documents as names } from '../../src/kernel/names.ts';
import { startAzurite } from '../../test/support/azurite.ts';
import type { BenchContext, Benchmark } from './benchmark.ts';
import { SilentSites } from './monitor-sites.ts';
import { interleavedPairs, median, medianRatio } from './statistics.ts';
import type { Pair } from './statistics.ts';

const SITES = 1000;
/** As many sites as the monitor looks at, at a time. */
const AT_ONCE = 16;
const HISTORY_SITES = 8;
/** For each that is asked for. */
const HISTORY_PAIRS = 5;
/** Pairs before those that count. */
const WARMING = 4;
const DAYS = 365;

export const monitorSites: Benchmark = {
  names: ['monitor.sites'],
  run: async (context) =>
    onAzurite(context, async (connectionString) => {
      const sites = await SilentSites.make(connectionString, 'sites', SITES);
      await sites.fallSilent();
      const decided = await sites.pass();
      const texts = await writtenTexts(
        sites,
        decided.groups.map(({ decision = '' }) => decision),
      );
      const pairs = await interleavedPairs(context.pairs, {
        ours: async () => {
          await sites.fallSilent();
          return timed(async () => sites.pass());
        },
        bare: async (index) => timed(async () => barePass(sites, texts, index)),
      });
      const value = medianRatio(pairs, { ours: (ms) => ms, bare: (ms) => ms });
      const detail = `medians of ${pairs.length}: ${describe(pairs.map(({ ours }) => ours))} for ${SITES} sites, ${describe(pairs.map(({ bare: ms }) => ms))} bare`;
      return [{ name: 'monitor.sites', value, detail }];
    }),
};

export const monitorHistory: Benchmark = {
  names: ['monitor.history'],
  // A storage for each: what Azurite takes for a write hangs on where its container stands among the others.
  run: async (context) =>
    onAzurite(context, async (ofYear) =>
      onAzurite(context, async (ofDay) => {
        const year = await SilentSites.make(ofYear, 'sites', HISTORY_SITES);
        const day = await SilentSites.make(ofDay, 'sites', HISTORY_SITES);
        for (const sites of [year, day]) {
          await sites.fallSilent();
          await sites.pass();
        }
        await addHistory(year, () => true);
        await addHistory(day, (at) => at === 1);
        const pairs: Pair<number, number>[] = [];
        for (let index = 0; index < WARMING + HISTORY_PAIRS * context.pairs; index += 1) {
          const spent = { ours: 0, bare: 0 };
          // Each is first once in a pair: passes are short, and whoever is second finds everything warm.
          for (const order of [['ours', 'bare'] as const, ['bare', 'ours'] as const]) {
            await Promise.all([year.fallSilent(), day.fallSilent()]);
            for (const which of order) spent[which] += await timed(async () => (which === 'ours' ? year : day).pass());
          }
          if (index >= WARMING) pairs.push(spent);
          context.tell(`  ${spent.ours.toFixed(0)} ms, ${spent.bare.toFixed(0)} ms`);
        }
        const value = medianRatio(pairs, { ours: (ms) => ms, bare: (ms) => ms });
        const detail = `medians of ${pairs.length}: ${describe(pairs.map(({ ours }) => ours))} with ${DAYS} decisions and notices of each of ${HISTORY_SITES} sites, ${describe(pairs.map(({ bare }) => bare))} with 1`;
        return [{ name: 'monitor.history', value, detail }];
      }),
    ),
};

async function onAzurite<T>(context: BenchContext, measure: (connectionString: string) => Promise<T>): Promise<T> {
  const azurite = await startAzurite();
  context.atEnd(() => azurite.stop());
  try {
    return await measure(azurite.connectionString);
  } finally {
    await azurite.stop();
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const beganMs = performance.now();
  await work();
  return performance.now() - beganMs;
}

function describe(ms: readonly number[]): string {
  return `${(median(ms) / 1000).toFixed(2)} s`;
}

interface Texts {
  readonly decision: string;
  readonly notice: string;
  readonly notes: string;
}

/** What a pass wrote of the first site, which is as long as what it wrote of any other. */
async function writtenTexts({ container, groups }: SilentSites, decisions: readonly string[]): Promise<Texts> {
  const [group, decision] = [groups[0], decisions[0]];
  if (group === undefined || decision === undefined) throw new Error('there is no site');
  const text = async (name: string): Promise<string> =>
    (await container.getBlobClient(name).downloadToBuffer()).toString('utf8');
  return {
    decision: await text(names.decision(group, decision)),
    notice: await text(names.notice({ site: siteId(group), group: groupId(group), id: decision })),
    notes: await text(names.siteNotes(group)),
  };
}

/** The same documents read and written as plainly as can be: nothing is checked, and nothing decided. */
async function barePass({ container, groups }: SilentSites, texts: Texts, index: number): Promise<void> {
  for await (const blob of container.listBlobsFlat({ prefix: names.allGroups, includeMetadata: true })) {
    if (blob.deleted) throw new Error(`${blob.name} is gone`);
  }
  await fewAtOnce(AT_ONCE, groups, async (group) => {
    await Promise.all([names.site, names.heartbeat, names.siteNotes].map(async (name) => read(container, name(group))));
    await Promise.all([names.group, names.plan].map(async (name) => read(container, name(group))));
    await write(container, `bare/${index}/${names.decision(group, 'd')}`, texts.decision);
    await write(container, `bare/${index}/notice/${siteId(group)}`, texts.notice);
    await write(container, `bare/${names.siteNotes(group)}`, texts.notes);
  });
}

async function read(container: ContainerClient, name: string): Promise<void> {
  const { readableStreamBody } = await container.getBlobClient(name).download();
  for await (const chunk of readableStreamBody ?? []) if (chunk.length === 0) throw new Error(`${name} is empty`);
}

async function write(container: ContainerClient, name: string, text: string): Promise<void> {
  await container.getBlockBlobClient(name).upload(text, Buffer.byteLength(text));
}

/**
 * As many decisions of each site, with their notices, as a year has days; those of a day that `isOwn` refuses are nobody's, so
 * that both stores hold as much.
 */
async function addHistory({ documents, groups }: SilentSites, isOwn: (day: number) => boolean): Promise<void> {
  await fewAtOnce(AT_ONCE, groups, async (group) => {
    const noticeName = (id: string, of = group): string => names.notice({ site: siteId(of), group: groupId(of), id });
    for await (const { name } of documents.list(names.decisionsOf(group))) {
      const { value } = await documents.need(siteDecisionKind, name);
      const { value: notice } = await documents.need(noticeKind, noticeName(value.decision));
      for (let day = 1; day <= DAYS; day += 1) {
        const id = `t1-report-down-${value.history.nowMs - day * 86_400_000}-silent`;
        const of = isOwn(day) ? group : { ...group, tenant: 'nobody' };
        await documents.create(siteDecisionKind, names.decision(of, id), { ...value, decision: id });
        await documents.create(noticeKind, noticeName(id, of), { ...notice, id });
      }
      return;
    }
  });
}
