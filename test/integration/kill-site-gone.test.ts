/**
 * Sites that are gone for ever, each from another moment of its sending, most of them with a message in the hands of a
 * functions host that was killed as well: without any help of theirs, and without those messages, which stay invisible
 * for ten minutes, every volume is brought to its tip, and what is offered is what the site had recorded.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { QueueServiceClient } from '@azure/storage-queue';
import { QUEUES } from '../../src/kernel/names.ts';
import { KIB, MIB } from '../../src/kernel/units.ts';
import { readStorageConnection } from '../../src/local/stack/stack.ts';
import { Chance, seedOfRun } from '../support/integration/chance.ts';
import { register } from '../support/integration/live-site.ts';
import { LiveStack, until } from '../support/integration/live-stack.ts';
import { killHostInClaim, provePoints, stateOf } from '../support/integration/proof.ts';
import { readRecord } from '../support/integration/site-process.ts';
import type { SiteProcess } from '../support/integration/site-process.ts';

/** Within this every volume stands at its tip after the host was started again: the promise. */
const GOES_ON_MS = 60_000;
const SCRIPT = join(import.meta.dirname, '../support/integration/site-process.ts');

const seed = seedOfRun();
const chance = new Chance(seed, 'sites');
let stack: LiveStack;

interface Site {
  readonly name: string;
  readonly child: ChildProcess;
  readonly gone: Promise<unknown>;
  readonly volumes: readonly string[];
  readonly record: string;
}
const sites: Site[] = [];

before(async () => {
  stack = await LiveStack.up({ LEEWARD_CLAIM_MS: '2000' });
});

after(async () => {
  for (const { child } of sites) child.kill('SIGKILL');
  await Promise.all(sites.map(({ gone }) => gone));
  await stack.close();
});

/** Starts a site with a volume of small deltas, which travel inline, and one of larger ones, which travel as entries. */
async function startSite(
  name: string,
  end: SiteProcess['end'],
  everyMs: { inline: number; entry: number },
): Promise<Site> {
  const folder = join(stack.folder, name);
  await mkdir(folder);
  const volumes = [
    { volume: `acme/${name}/shop/inline`, sizeBytes: MIB, deltaBytes: MIB, bytesMax: 4 * KIB, everyMs: everyMs.inline },
    { volume: `acme/${name}/shop/entry`, sizeBytes: 4 * MIB, deltaBytes: MIB, bytesMax: MIB, everyMs: everyMs.entry },
  ];
  const accesses = [];
  for (const { volume, sizeBytes } of volumes) accesses.push(await register(stack, volume, { volumeBytes: sizeBytes }));
  const [access] = accesses;
  assert.ok(access);
  const record = join(folder, 'record');
  const config: SiteProcess = { access, folder, seed, volumes, end, record };
  await writeFile(join(folder, 'config.json'), JSON.stringify(config), { mode: 0o600 });
  const child = spawn(process.execPath, [SCRIPT, join(folder, 'config.json')], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const site = { name, child, gone: once(child, 'exit'), volumes: volumes.map(({ volume }) => volume), record };
  sites.push(site);
  return site;
}

/** Resolves once the site has killed itself. */
async function isGone(site: Site): Promise<void> {
  await site.gone;
  assert.equal(site.child.signalCode, 'SIGKILL', `${site.name}: it ended by itself`);
}

/** Messages that anybody could fetch now. */
async function visibleMessages(): Promise<number> {
  const service = QueueServiceClient.fromConnectionString(await readStorageConnection(stack.facts));
  const peeked = await Promise.all(
    [QUEUES.deltas, QUEUES.bulk].map((queue) => service.getQueueClient(queue).peekMessages({ numberOfMessages: 32 })),
  );
  return peeked.reduce((sum, { peekedMessageItems }) => sum + peekedMessageItems.length, 0);
}

test('what a site sent before it was gone is brought to its end without it', { timeout: 280_000 }, async (t) => {
  const often = { inline: 100, entry: 300 };

  // The site alone ends; the host lives.
  const ends = [
    { at: 'entry begun', count: 1, delayMs: chance.between(0, 3) },
    { at: 'entry begun', count: chance.between(5, 12), delayMs: chance.between(0, 3) },
    { at: 'entry put', count: chance.between(2, 12), delayMs: 0 },
    { at: 'message begun', count: chance.between(5, 25), delayMs: chance.between(0, 2) },
  ] as const;
  await Promise.all(ends.map(async (end, index) => isGone(await startSite(`alone-${index + 1}`, end, often))));

  // The site ends, and its last messages are in a host that is killed then.
  for (let round = 1; round <= 2; round += 1) {
    const site = await startSite(
      `both-${round}`,
      { at: 'message sent', count: chance.between(8, 25), delayMs: 0 },
      often,
    );
    await isGone(site);
    await sleep(chance.between(0, 60));
    await stack.killHost();
    t.diagnostic(`${site.name}: ${stack.inWork().join(', ') || 'nothing'} in the killed host`);
    await stack.startHost();
  }

  // The host is killed first; the site goes on sending what is early now, and is then gone.
  const early = await startSite('early', { at: 'when it is killed', count: 1, delayMs: 0 }, often);
  await killHostInClaim(stack, early.volumes);
  await sleep(1500);
  early.child.kill('SIGKILL');
  await isGone(early);
  await stack.startHost();

  // Nothing but the sweep can go on: no further message tells of the delta that the killed host had claimed.
  const last = await startSite(
    'last',
    { at: 'when it is killed', count: 1, delayMs: 0 },
    { inline: 60_000, entry: 2500 },
  );
  await killHostInClaim(stack, last.volumes);
  last.child.kill('SIGKILL');
  await isGone(last);
  const left: string[] = [];
  for (const volume of sites.flatMap((site) => site.volumes)) {
    const { generation } = await stateOf(stack.storage, volume);
    if (generation.claim || generation.applied.number < generation.tip.number) left.push(volume);
  }
  assert.ok(left.includes('acme/last/shop/entry'), 'the killed host left its claim behind');
  t.diagnostic(`left half done by the last kill: ${left.join(', ')}; visible messages: ${await visibleMessages()}`);

  await stack.startHost();
  const startedMs = performance.now();
  let worstMs = 0;
  await Promise.all(
    sites.flatMap(({ volumes }) =>
      volumes.map(async (volume) => {
        const atItsTip = async (): Promise<true | undefined> => {
          const { applied, tip, claim } = (await stateOf(stack.storage, volume)).generation;
          return applied.number === tip.number && claim === null ? true : undefined;
        };
        await until(() => `${volume} at its tip, seed ${seed}`, GOES_ON_MS, atItsTip, 200);
        worstMs = Math.max(worstMs, performance.now() - startedMs);
      }),
    ),
  );

  for (const { name, volumes, record } of sites) {
    for (const volume of volumes) {
      const { contents, acknowledged } = existsSync(record)
        ? readRecord(record, volume)
        : { contents: [], acknowledged: 0 };
      const { document, generation } = await stateOf(stack.storage, volume);
      const { applied, tip, beyond } = generation;
      assert.ok(tip.number >= acknowledged, `${volume}: ${acknowledged} was acknowledged, the tip is ${tip.number}`);
      assert.equal(document.trouble, null, volume);
      const points = await provePoints(stack.storage, volume, { contents, count: 8 });
      const waiting = beyond > tip.number ? `, ${beyond} waits for an earlier one` : '';
      t.diagnostic(
        `${name} ${volume.split('/').at(-1) ?? ''}: applied ${applied.number} of ${tip.number}, ${points} points equal${waiting}`,
      );
    }
  }
  assert.deepEqual(await stack.setAside(), [], 'nothing is set aside');
  t.diagnostic(`seed ${seed}; worst: every volume at its tip ${Math.round(worstMs)} ms after the last restart`);
});
