/**
 * One failover for each step of a run, in which the functions host is killed while that step's ticket is in work: each run
 * comes to its end by itself, although the message of the ticket stays invisible for ten minutes, and everything that the
 * plan names exists exactly once.
 *
 * The host is held still (SIGSTOP) while the test looks where a run is, so that a step that takes milliseconds is not
 * missed; what is then killed is a host that stands wherever it stood.
 */
import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { QueueServiceClient } from '@azure/storage-queue';
import type { QueueClient } from '@azure/storage-queue';
import { armClients } from '../../src/azure/arm-clients.ts';
import { groupKind } from '../../src/documents/group.ts';
import { planKind } from '../../src/documents/plan.ts';
import { RUN_STEPS, runKind } from '../../src/documents/run.ts';
import type { RunDocument, RunStep } from '../../src/documents/run.ts';
import { runResourceGroup } from '../../src/failover/names.ts';
import { parseGroup } from '../../src/kernel/ids.ts';
import { QUEUES, documents as names } from '../../src/kernel/names.ts';
import { MIB } from '../../src/kernel/units.ts';
import { readStorageConnection } from '../../src/local/stack/stack.ts';
import { ticketSchema } from '../../src/protocol/order.ts';
import { deriveKey, sign } from '../../src/protocol/signed.ts';
import { Chance, seedOfRun } from '../support/integration/chance.ts';
import { LiveSite, contentAt, register } from '../support/integration/live-site.ts';
import { LiveStack, until } from '../support/integration/live-stack.ts';
import { killHostInClaim, stateOf, vhdBytes } from '../support/integration/proof.ts';

/** No step of a run that nobody disturbs comes near it; the leases are the longest part. */
const LIMIT_MS = 120_000;

const seed = seedOfRun();
const chance = new Chance(seed, 'failover');
let stack: LiveStack;
let site: LiveSite;
let queue: QueueClient;

/** The group whose run is hit in a step, and how long its run waits: those of later steps arrive one after the other. */
interface Target {
  readonly step: RunStep;
  readonly group: string;
  readonly leaseMs: number;
}

const LEASES_MS: Readonly<Record<RunStep, number>> = {
  reserve: 1000,
  close: 1000,
  wait: 1000,
  end: 11_000,
  drain: 14_000,
  point: 17_000,
  disk: 19_000,
  machine: 21_000,
  health: 23_000,
};
const TARGETS = RUN_STEPS.map((step): Target => ({ step, group: `acme/paris/${step}`, leaseMs: LEASES_MS[step] }));
/** How many groups may take the place of those whose run was past its step before it could be hit. */
const SPARES_MAX = 7;
/** Within this, what a killed host had asked of the storage has been done or was not heard. */
const SETTLE_MS = 200;

before(async () => {
  // Without a sweep, so that a delta that is left half done is still so when a run drains it.
  stack = await LiveStack.up({ LEEWARD_CLAIM_MS: '1000', LEEWARD_SWEEP_SCHEDULE: '0 0 0 1 1 *' });
  const service = QueueServiceClient.fromConnectionString(await readStorageConnection(stack.facts));
  queue = service.getQueueClient(QUEUES.failover);
});

after(async () => {
  await site.close();
  await stack.close();
});

/** The order of a failover, as `leeward failover start` makes it. The same order meets the same run. */
async function order(group: string): Promise<void> {
  const key = deriveKey(stack.storage.keySecret, { signer: 'operator/test', name: 'k1' });
  const start = { group, kind: 'unplanned', term: 1, reason: 'a host is killed' };
  await stack.storage.queues.send(QUEUES.failover, JSON.stringify(sign(key, 'order', { start })));
}

async function runsOf(group: string): Promise<RunDocument[]> {
  const runs: RunDocument[] = [];
  const { documents } = stack.storage;
  for await (const { name } of documents.list(names.runsOf(parseGroup(group)))) {
    runs.push((await documents.need(runKind, name)).value);
  }
  return runs;
}

async function runOf(group: string): Promise<RunDocument> {
  const [run] = await runsOf(group);
  assert.ok(run, `${group} has a run`);
  return run;
}

/** Whether a run's newest ticket lies in the queue for anybody to fetch. */
async function isVisible({ run, ticket }: RunDocument): Promise<boolean> {
  const { peekedMessageItems } = await queue.peekMessages({ numberOfMessages: 32 });
  return peekedMessageItems.some(({ messageText }) => {
    const data: unknown = JSON.parse(Buffer.from(messageText, 'base64').toString('utf8'));
    const parsed = ticketSchema.safeParse(data);
    return parsed.success && parsed.data.run === run && parsed.data.ticket === ticket;
  });
}

/**
 * Waits until one of the targets' runs is at its target's step, or past it, and holds the host still then. Before that the
 * host runs as it will, and for milliseconds at a time once a run is in the step before.
 */
async function nextOf(targets: readonly Target[]): Promise<{ target: Target; run: RunDocument }> {
  const waits = new Map<Target, number>();
  return await until(
    () => `${targets.map(({ group }) => group).join(' or ')} in its step, seed ${seed}`,
    LIMIT_MS,
    async () => {
      let isNear = false;
      for (const target of targets) {
        if (Date.now() < (waits.get(target) ?? 0) - 500) continue;
        const [run] = await runsOf(target.group);
        const stepsLeft = RUN_STEPS.indexOf(target.step) - (run ? RUN_STEPS.indexOf(run.step) : -1);
        if (run && stepsLeft <= 0) {
          stack.pauseHost();
          return { target, run };
        }
        if (run?.step === 'wait') waits.set(target, run.ticketDueMs);
        isNear ||= stepsLeft === 1;
      }
      stack.resumeHost();
      await sleep(chance.between(2, 5));
      if (isNear) stack.pauseHost();
      return undefined;
    },
    0,
  );
}

/**
 * Kills the host while the first ticket of a run's step is in work, some milliseconds later for each of `deeper`, and
 * starts it again. True when the ticket was lost by that, so that nobody but the monitor can go on with the run; false when
 * the run was past it already.
 */
async function killIn(step: RunStep, { group, ticket }: RunDocument, deeper: number): Promise<boolean> {
  const isAt = (run: RunDocument): boolean => run.step === step && run.ticket === ticket;
  for (let slices = 0; slices <= deeper;) {
    if (slices > 0) {
      stack.resumeHost();
      await sleep(chance.between(2, 7));
    }
    stack.pauseHost();
    const run = await runOf(group);
    if (!isAt(run)) return false;
    if (await isVisible(run)) {
      stack.resumeHost();
      await sleep(chance.between(2, 7));
    } else slices += 1;
  }
  await stack.killHost();
  await sleep(SETTLE_MS);
  const run = await runOf(group);
  const lost = isAt(run) && !(await isVisible(run));
  await stack.startHost();
  return lost;
}

/** What the disk reads: the snapshot that the platform took of its source, which must be the only one. */
async function diskBytes(sourceUri: string, volumeBytes: number): Promise<Buffer> {
  const { replicas, account } = stack.storage;
  const [container = '', ...rest] = new URL(sourceUri).pathname.split('/').slice(2);
  const place = { account, container, blob: decodeURIComponent(rest.join('/')) };
  const [taken, ...others] = await replicas.listSnapshots(place);
  assert.ok(taken && others.length === 0, `${place.blob} was imported once`);
  return await vhdBytes(stack.storage, place, { volumeBytes, snapshot: taken.snapshot });
}

async function all<T>(pages: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const one of pages) found.push(one);
  return found;
}

/** Registers groups of two volumes each, and makes two recovery points of each volume. */
async function prepare(groups: readonly Pick<Target, 'group' | 'leaseMs'>[]): Promise<void> {
  const before = site.volumes.length;
  for (const { group, leaseMs } of groups) {
    for (const name of ['data', 'logs']) {
      const sizeBytes = group.endsWith('/drain') && name === 'data' ? 8 * MIB : MIB;
      await register(stack, `${group}/${name}`, { volumeBytes: sizeBytes, leaseMs });
      const content = new Chance(seed, `${site.volumes.length} ${name}`);
      await site.addVolume(`${group}/${name}`, { chance: content, sizeBytes, resendAfterMs: 20_000 });
    }
  }
  const volumes = site.volumes.slice(before);
  const settled = async (): Promise<true | undefined> => {
    await site.siteLink.round();
    const states = await Promise.all(volumes.map(({ id }) => stateOf(stack.storage, id)));
    const stored = volumes.map(({ replicator }) => replicator.status().storedNumber);
    return states.every(({ generation }, index) => generation.applied.number === stored[index]) ? true : undefined;
  };
  for (let interval = 1; interval <= 2; interval += 1) {
    for (const volume of volumes) {
      await volume.interval();
      await volume.change(chance, { count: 3, bytesMax: 8192 });
    }
    await until(() => 'the first copies', LIMIT_MS, settled, 100);
  }
}

test('a failover goes on by itself, whichever step the host was killed in', { timeout: 280_000 }, async (t) => {
  const folder = join(stack.folder, 'site');
  await mkdir(folder);
  const access = await register(stack, 'acme/paris/reserve/data', { volumeBytes: MIB });
  site = await LiveSite.open({ access, folder });
  await prepare(TARGETS);

  // One volume is left with a delta half done: its drain has work.
  const halfDone = site.volumes.find(({ id }) => id === 'acme/paris/drain/data');
  assert.ok(halfDone);
  await halfDone.change(chance, { count: 36, bytesMax: MIB });
  await halfDone.interval();
  await killHostInClaim(stack, [halfDone.id]);
  await stack.startHost();

  // Those that are hit late go first, so that they wait out their leases while the others are hit.
  const waiting = TARGETS.slice(3);
  const ordered = waiting.map(({ group }) => group);
  await Promise.all(ordered.map(order));
  const inWait = async (): Promise<true | undefined> => {
    const runs = await Promise.all(ordered.map(runsOf));
    return runs.every(([run]) => run?.steps.some(({ step }) => step === 'wait')) ? true : undefined;
  };
  await until(() => 'the later runs wait for their leases', LIMIT_MS, inWait);
  const toOrder = TARGETS.slice(0, 3);
  const missed: RunStep[] = [];
  let spares = 0;
  let alone: Target | undefined;
  while (waiting.length + toOrder.length + missed.length > 0) {
    // One at a time, so that a kill in one of them costs no other its ticket.
    if (!alone || !waiting.includes(alone)) {
      alone = toOrder.shift();
      // Once nobody else waits: no run gets past its step while a spare is made ready.
      const step = alone || waiting.length > 0 ? undefined : missed.shift();
      if (step) {
        spares += 1;
        assert.ok(spares <= SPARES_MAX, `${step} could not be hit, seed ${seed}`);
        alone = { step, group: `acme/paris/spare-${spares}`, leaseMs: 1000 };
        await prepare([alone]);
      }
      if (alone) {
        await order(alone.group);
        ordered.push(alone.group);
        waiting.push(alone);
      }
    }
    const { target, run } = await nextOf(waiting);
    waiting.splice(waiting.indexOf(target), 1);
    const deeper = target.group.includes('/spare-') ? 0 : chance.between(0, target.step === 'reserve' ? 3 : 1);
    const isHit = run.step === target.step && (await killIn(target.step, run, deeper));
    stack.resumeHost();
    // Its order may have been in the killed host's work, before there was a run.
    if (alone && (await runsOf(alone.group)).length === 0) await order(alone.group);
    t.diagnostic(`${target.step}: ${isHit ? 'killed at' : 'not hit in'} ticket ${run.ticket} of ${target.group}`);
    if (!isHit) missed.push(target.step);
  }

  const startedMs = performance.now();
  const ended = async (): Promise<true | undefined> => {
    const runs = await Promise.all(ordered.map((group) => runOf(group)));
    return runs.every(({ state }) => state !== 'running') ? true : undefined;
  };
  const standing = (): string => `all ${ordered.length} runs at their end, seed ${seed}; see ${stack.facts.logFolder}`;
  await until(standing, LIMIT_MS, ended, 200);
  t.diagnostic(
    `all ${ordered.length} runs ended ${Math.round(performance.now() - startedMs)} ms after the last restart`,
  );

  const { compute, network, resources } = armClients({
    endpoint: stack.facts.armUrl,
    subscriptionId: stack.facts.subscriptionId,
    credential: { getToken: async () => null },
  });
  const { documents } = stack.storage;
  const wantedGroups: string[] = [];
  for (const id of ordered) {
    const group = parseGroup(id);
    const [run, ...others] = await runsOf(id);
    assert.ok(run && others.length === 0, `${id} has one run`);
    assert.deepEqual([run.state, run.step, run.failure], ['done', 'health', null], id);
    const { value } = await documents.need(groupKind, names.group(group));
    assert.deepEqual([value.phase, value.holder, value.term], ['ended', 'cloud', 1], id);

    const { machines } = (await documents.need(planKind, names.plan(group))).value;
    const inGroup = runResourceGroup(group, run.run);
    wantedGroups.push(inGroup);
    const found = await all(compute.virtualMachines.list(inGroup));
    assert.deepEqual(found.map(({ name }) => name).toSorted(), machines.map(({ name }) => name).toSorted(), id);
    const cards = await all(network.networkInterfaces.list(inGroup));
    assert.equal(cards.length, machines.length, `${id}: network interfaces`);
    const disks = await all(compute.disks.listByResourceGroup(inGroup));
    const wanted = machines.flatMap((machine) => machine.disks);
    assert.equal(disks.length, wanted.length, `${id}: disks`);

    for (const point of run.volumes) {
      const volume = site.volumes.find((other) => other.id === point.volume);
      assert.ok(volume);
      const { generation } = await stateOf(stack.storage, point.volume);
      assert.equal(generation.applied.number, generation.cut?.number, `${point.volume}: drained to its cut`);
      assert.equal(point.number, generation.snapshots.at(-1)?.number, `${point.volume}: the newest point`);
      const disk = disks.find(({ creationData }) => creationData?.sourceUri?.includes(point.copy.blob));
      const bytes = await diskBytes(disk?.creationData?.sourceUri ?? '', volume.sizeBytes);
      assert.equal(
        hash('sha256', bytes),
        contentAt(volume.contents, point.number),
        `${point.volume}: the disk's content`,
      );
    }
  }
  const ofRuns = (await all(resources.resourceGroups.list())).filter(({ tags }) => tags?.['leeward-run'] !== undefined);
  assert.deepEqual(ofRuns.map(({ name }) => name).toSorted(), wantedGroups.toSorted(), 'resource groups of runs');
  t.diagnostic(`seed ${seed}`);
});
