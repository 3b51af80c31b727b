/**
 * A small world for the deciding and the failing over: one site with one group of two volumes, a plan with one machine,
 * everything in memory on one clock, and processes that can die at any call.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { groupKind } from '../../src/documents/group.ts';
import type { GroupDocument } from '../../src/documents/group.ts';
import { SINGLE_WITNESS_CONSENT, STRICT_LEASE_CONSENT, planKind } from '../../src/documents/plan.ts';
import type { Plan } from '../../src/documents/plan.ts';
import { runKind } from '../../src/documents/run.ts';
import type { RunDocument } from '../../src/documents/run.ts';
import { siteKind } from '../../src/documents/site.ts';
import type { SiteDocument } from '../../src/documents/site.ts';
import { Documents } from '../../src/documents/store.ts';
import type { Witness } from '../../src/documents/witness.ts';
import { currentGeneration, volumeKind, withGeneration } from '../../src/documents/volume.ts';
import type { VolumeDocument } from '../../src/documents/volume.ts';
import { freeOfFailedRun } from '../../src/failover/binding.ts';
import { receiveOrder } from '../../src/failover/orders.ts';
import type { OrderPorts } from '../../src/failover/orders.ts';
import type { GroupVolumes } from '../../src/failover/ports.ts';
import { startRun } from '../../src/failover/start.ts';
import type { StartOrder } from '../../src/failover/start.ts';
import { resumeRuns } from '../../src/failover/tickets.ts';
import { receiveHeartbeat } from '../../src/health/doors/heartbeat.ts';
import type { HeartbeatPorts } from '../../src/health/doors/heartbeat.ts';
import { renewLeases } from '../../src/health/doors/lease.ts';
import { lastGranted } from '../../src/health/term/term.ts';
import { tick } from '../../src/health/monitor/monitor.ts';
import type { TickReport } from '../../src/health/monitor/monitor.ts';
import type { MonitorPorts } from '../../src/health/monitor/monitor-ports.ts';
import type { ChainPoint } from '../../src/kernel/chain-point.ts';
import { CHAIN_START } from '../../src/kernel/chain-point.ts';
import { LeewardError } from '../../src/kernel/errors.ts';
import { parseGroup, parseSite, volumeId } from '../../src/kernel/ids.ts';
import type { VolumeRef } from '../../src/kernel/ids.ts';
import { QUEUES, documents as names, journalContainer, replicaBlob } from '../../src/kernel/names.ts';
import { CURRENT_VERSION } from '../../src/kernel/versions.ts';
import type { AccessIssuer } from '../../src/ports/access.ts';
import type { Http } from '../../src/ports/http.ts';
import type { Queues } from '../../src/ports/queue.ts';
import type { RecoveryCloud } from '../../src/ports/recovery-cloud.ts';
import type { ReplicaStore } from '../../src/ports/replica-store.ts';
import type { StateStore } from '../../src/ports/state.ts';
import { answerVolumes } from '../../src/replica/answer/volumes-answer.ts';
import { deriveKey, sign, witnessKey } from '../../src/protocol/signed.ts';
import type { Heartbeat } from '../../src/protocol/heartbeat.ts';
import type { MessageKind, SignedMessage } from '../../src/protocol/signed.ts';
import { SystemRandom } from '../../src/system/random.ts';
import { ManualClock } from '../support/memory/clock.ts';
import { intercept } from '../support/memory/intercept.ts';
import type { PortCall } from '../support/memory/intercept.ts';
import { MemoryQueues } from '../support/memory/queues.ts';
import { MemoryRecoveryCloud } from '../support/memory/recovery-cloud.ts';
import { MemoryReplicaStore } from '../support/memory/replica-store.ts';
import { MemoryState } from '../support/memory/state.ts';

export const SITE = 'acme/harbour';
export const GROUP = `${SITE}/shop`;
export const VOLUMES = [`${GROUP}/data`, `${GROUP}/log`] as const;
export const ACCOUNT = 'account';
export const IMAGE = '/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/galleries/l/images/stack';
export const WINDOW_MS = 120_000;
export const LEASE_MS = 30_000;
export const MARGIN_MS = 5000;
export const MONITOR_EVERY_MS = 30_000;
export const HEARTBEAT_EVERY_MS = 15_000;
export const NODE = 'north';
const KEY_SECRET = new Uint8Array(32).fill(7);

/** What a call of a dead process gives. */
export class Crash extends Error {}

/** Methods that change something outside the process. */
const WRITES = new Set([
  'create',
  'replace',
  'send',
  'ensureResourceGroup',
  'startDisk',
  'startInterface',
  'startMachine',
  'startRemoval',
  'copySnapshot',
  'endTerm',
  'drain',
]);

export interface World {
  readonly clock: ManualClock;
  /** These never die. */
  readonly state: MemoryState;
  readonly documents: Documents;
  readonly queues: MemoryQueues;
  readonly cloud: MemoryRecoveryCloud;
  readonly replicas: MemoryReplicaStore;
  readonly ports: OrderPorts;
  readonly heartbeats: HeartbeatPorts;
  readonly monitor: MonitorPorts;
  /** Status of the machines' probe. */
  healthStatus: number;
  /** Whether the public route works. */
  route: 'up' | 'down' | 'other' | 'no leases';
  /** What an address answers: a status, or nothing until this has come. The machines' probe answers anywhere else. */
  readonly seen: Map<string, number | Promise<unknown>>;
  /** Requests that hung. */
  hanging: number;
  /** Volumes whose chain has lost this delta. */
  readonly lost: Map<string, number>;
  /** Lines that were told. */
  readonly told: string[];
  /** How many writes were counted since {@link dieAt}. */
  writes(): number;
  /** Lets the process that makes the `write`th write from now on die before or after it. 0: nobody dies. */
  dieAt(write: number, when: 'before' | 'after'): void;
  /** Sends a message of the site, as it would be signed. */
  signed(kind: MessageKind, payload: unknown, signer?: { signer: string; name: string }): SignedMessage;
  /** A heartbeat; `says` is what this one says of its group beyond the usual, `machines` of its machines. */
  heartbeat(of?: { readonly says?: object; readonly machines?: Heartbeat['machines'] }): Promise<unknown>;
  renew(): Promise<Awaited<ReturnType<typeof renewLeases>>>;
  /** Starts a run, in a process of its own. Undefined when it died. */
  start(order: StartOrder): Promise<RunDocument | undefined>;
  /** One tick of the monitor, in a process of its own. Undefined when it died. */
  tick(): Promise<TickReport | undefined>;
  /** Works on what the failover queue shows. A message whose process died is lost. */
  work(): Promise<void>;
  /** Time passes, with queue and monitor, until nothing is left to do or `ms` have passed. */
  live(ms: number, options?: { monitor?: boolean }): Promise<void>;
  group(): Promise<GroupDocument>;
  runs(): Promise<RunDocument[]>;
}

interface WorldOptions {
  readonly plan?: Partial<Plan>;
  /** Who says whether the site is up; its heartbeats alone by default. */
  readonly witnesses?: readonly Witness[];
  /** Nodes that have a guard; {@link NODE} by default. */
  readonly guards?: readonly string[];
  /** What its heartbeats say of its group beyond the usual. */
  readonly says?: object;
}

export async function createWorld(of: WorldOptions = {}): Promise<World> {
  const clock = new ManualClock();
  const state = new MemoryState(clock);
  const documents = new Documents(state);
  const queues = new MemoryQueues(clock);
  const replicas = new MemoryReplicaStore();
  const cloud = new MemoryRecoveryCloud({ clock, images: [IMAGE] });
  const { guards = [NODE] } = of;
  await seed(documents, replicas, { ...of, guards });

  const dying = { writes: 0, at: 0, when: 'before', dead: false };
  const mortal = async ({ method, proceed }: PortCall): Promise<unknown> => {
    if (dying.dead) throw new Crash(`${method} of a dead process`);
    if (!WRITES.has(method)) return await proceed();
    dying.writes += 1;
    dying.dead = dying.writes === dying.at;
    if (dying.dead && dying.when === 'before') throw new Crash(`died before ${method}`);
    const answer = await proceed();
    if (dying.writes === dying.at) throw new Crash(`died after ${method}`);
    return answer;
  };
  /** Runs as a process: when it dies, what it was at is over. */
  const asProcess = async <T>(work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      if (dying.dead) return undefined;
      throw error;
    } finally {
      dying.dead = false;
    }
  };

  const http: Http = {
    get: async (url) => {
      const seen = world.seen.get(url) ?? world.healthStatus;
      if (typeof seen === 'number') return { status: seen, body: '' };
      world.hanging += 1;
      await seen;
      throw new LeewardError('UNAVAILABLE', 'time out');
    },
    post: async (url, { body }) => {
      if (world.route === 'down') throw new LeewardError('UNAVAILABLE', 'no answer');
      if (world.route === 'other') return { status: 200, body: '<html>Please log in</html>' };
      const data: unknown = JSON.parse(body);
      if (url.endsWith('/api/heartbeat')) {
        return { status: 200, body: JSON.stringify(await receiveHeartbeat(world.heartbeats, data)) };
      }
      assert.equal(url, 'http://leeward.example/api/lease');
      if (world.route === 'no leases') return { status: 500, body: '' };
      return { status: 200, body: JSON.stringify(await renewLeases(world.heartbeats, data)) };
    },
  };
  const lost = new Map<string, number>();
  const mortalDocuments = new Documents(intercept<StateStore>(state, mortal));
  const ports: OrderPorts = {
    documents: mortalDocuments,
    queues: intercept<Queues>(queues, mortal),
    cloud: intercept<RecoveryCloud>(cloud, mortal),
    replicas: intercept<ReplicaStore>(replicas, mortal),
    volumes: intercept<GroupVolumes>(groupVolumes(documents, lost), mortal),
    http,
    storageAccountId: (account) => `/storage/${account}`,
    keySecret: KEY_SECRET,
  };
  const access = memoryAccess();
  const tell = (line: string): void => void world.told.push(line);
  let counter = 0;
  let tickMs = clock.wallMs() + MONITOR_EVERY_MS;

  const world: World = {
    clock,
    state,
    documents,
    queues,
    cloud,
    replicas,
    ports,
    heartbeats: {
      documents,
      access,
      keySecret: KEY_SECRET,
      accessMs: 3_600_000,
      everyMs: HEARTBEAT_EVERY_MS,
      journalKeptMs: 7 * 86_400_000,
      heed: async () => undefined,
      answerVolumes: async (of) => answerVolumes({ documents, access, tell }, of),
      tell,
    },
    monitor: {
      documents: mortalDocuments,
      http,
      keySecret: KEY_SECRET,
      publicUrl: 'http://leeward.example/',
      account: ACCOUNT,
      random: new SystemRandom(),
      gapMs: 2 * MONITOR_EVERY_MS,
      everyMs: HEARTBEAT_EVERY_MS,
      failover: {
        startRun: (order) => startRun(ports, order),
        resumeRuns: () => resumeRuns(ports),
        freeOfFailedRun: (ref, run) => freeOfFailedRun(mortalDocuments, ref, run),
      },
    },
    healthStatus: 200,
    route: 'up',
    seen: new Map(),
    hanging: 0,
    lost,
    told: [],
    writes: () => dying.writes,
    dieAt(write, when) {
      Object.assign(dying, { writes: 0, at: write, when });
    },
    signed(kind, payload, signer = { signer: SITE, name: 'k1' }) {
      return sign(deriveKey(KEY_SECRET, signer), kind, payload);
    },
    heartbeat: async ({ says = of.says, machines } = {}) => {
      counter += 1;
      const groups = [{ group: GROUP, term: 1, lease: 'held', nodes: [NODE], ...says }];
      const word = { counter, volumes: [], groups, ...(machines && { machines }) };
      return await receiveHeartbeat(world.heartbeats, world.signed('heartbeat', word));
    },
    renew: async () => {
      const [node] = guards;
      const nonce = randomBytes(16).toString('hex');
      const after = lastGranted(await world.group(), node);
      const request = { groups: [{ group: GROUP, nonce, after, ...(node !== undefined && { node }) }] };
      return await renewLeases({ documents, keySecret: KEY_SECRET }, world.signed('lease', request));
    },
    start: (order) => asProcess(() => startRun(ports, order)),
    tick: () => asProcess(() => tick(world.monitor)),
    async work() {
      for (const message of await queues.take(QUEUES.failover, { countMax: 1, hiddenMs: 600_000 })) {
        const body: unknown = JSON.parse(Buffer.from(message.body, 'base64').toString('utf8'));
        await asProcess(() => receiveOrder(ports, body, { byHand: false }));
        await message.done();
      }
    },
    async live(ms, { monitor = true } = {}) {
      const endMs = clock.wallMs() + ms;
      while (clock.wallMs() < endMs) {
        const visibleMs = queues.nextVisibleMs(QUEUES.failover) ?? Infinity;
        if (visibleMs <= clock.wallMs()) {
          await world.work();
          continue;
        }
        clock.advance(Math.max(1, Math.min(visibleMs, tickMs, endMs) - clock.wallMs()));
        if (clock.wallMs() < tickMs) continue;
        if (monitor) await world.tick();
        tickMs = clock.wallMs() + MONITOR_EVERY_MS;
      }
    },
    group: async () => (await documents.need(groupKind, names.group(parseGroup(GROUP)))).value,
    runs: async () => {
      const runs: RunDocument[] = [];
      for await (const { name } of documents.list(names.allRuns))
        runs.push((await documents.need(runKind, name)).value);
      return runs;
    },
  };
  return world;
}

async function seed(
  documents: Documents,
  replicas: MemoryReplicaStore,
  { plan = {}, witnesses, guards }: WorldOptions & { guards: readonly string[] },
): Promise<void> {
  const site = parseSite(SITE);
  const group = parseGroup(GROUP);
  const version = CURRENT_VERSION;
  const siteDocument: SiteDocument = {
    version,
    site: SITE,
    keys: [
      { name: 'k1', state: 'active' },
      { name: 'k0', state: 'revoked' },
      ...(witnesses ?? []).map(({ name }) => ({ name: witnessKey(name), state: 'active' as const })),
    ],
    account: ACCOUNT,
    ...(witnesses && { witnesses: [...witnesses] }),
  };
  await documents.create(siteKind, names.site(site), siteDocument);
  await documents.create(groupKind, names.group(group), {
    version,
    group: GROUP,
    term: 1,
    phase: 'open',
    holder: 'site',
    leaseMs: LEASE_MS,
    marginMs: MARGIN_MS,
    guards: guards.map((node) => ({ node })),
    renewals: 0,
    run: null,
    closing: null,
  });
  const planDocument: Plan = {
    version,
    group: GROUP,
    mode: 'automatic',
    consents: [SINGLE_WITNESS_CONSENT, STRICT_LEASE_CONSENT],
    windowMs: WINDOW_MS,
    noAnswer: 'no',
    answerMs: 60_000,
    alertAfterMs: 900_000,
    location: 'westeurope',
    subnet: '/subscriptions/s/subnet',
    machines: [
      {
        name: 'web',
        image: IMAGE,
        size: 'Standard_B2s',
        disks: VOLUMES.map((volume, lun) => ({ volume, lun })),
        probe: { port: 8080, path: '/' },
      },
    ],
    healthMs: 60_000,
    stopping: { stopMs: 10_000, assumptions: { driftPpm: 1000, pauseMs: 2000, killMs: 1000 } },
    ...plan,
  };
  await documents.create(planKind, names.plan(group), planDocument);
  for (const volume of VOLUMES) await seedVolume(documents, replicas, { ...group, volume: volume.split('/')[3] ?? '' });
}

/** A volume with a published generation, a recovery point, and three deltas that are durable and not yet applied. */
async function seedVolume(documents: Documents, replicas: MemoryReplicaStore, volume: VolumeRef): Promise<void> {
  const replica = { account: ACCOUNT, container: 'replicas', blob: replicaBlob(volume, 1) };
  await replicas.create(replica, 1024);
  const snapshots = [];
  for (const number of [2, 4]) {
    const { etag } = (await replicas.properties(replica)) ?? { etag: '' };
    const snapshot = await replicas.snapshot(replica, { etag, number });
    snapshots.push({
      number,
      digest: digestOf(number),
      snapshot,
      marker: `m${number}`,
      consistency: 'crash' as const,
      takenAtMs: number,
    });
  }
  await documents.create(volumeKind, names.volume(volume), {
    version: CURRENT_VERSION,
    volume: volumeId(volume),
    term: 1,
    current: 1,
    published: 1,
    generations: {
      1: {
        generation: 1,
        replica,
        journal: { account: ACCOUNT, container: journalContainer(volume) },
        volumeBytes: 512,
        properties: {},
        createdAtMs: 0,
        epoch: 1,
        applied: { number: 4, digest: digestOf(4), sourceTimeMs: 4 },
        claim: null,
        tip: { number: 7, digest: digestOf(7) },
        snapshots,
        cut: null,
        beyond: 0,
      },
    },
    resend: [{ generation: 1, number: 8, form: 'literal-1' }],
    trouble: null,
  });
}

export function digestOf(number: number): string {
  return number === 0 ? CHAIN_START.digest : String(number % 10).repeat(64);
}

/** The replica's side of a run, over the same documents: what `src/replica` does, without the bytes. */
function groupVolumes(documents: Documents, lost: ReadonlyMap<string, number>): GroupVolumes {
  return {
    async endTerm(volume: VolumeRef, term: number): Promise<ChainPoint> {
      const { value } = await documents.update(
        volumeKind,
        names.volume(volume),
        (found): VolumeDocument | undefined => {
          const generation = currentGeneration(found);
          if (found.term !== term) throw new LeewardError('REFUSED', `${found.volume} is in term ${found.term}`);
          if (generation.cut) return undefined;
          const cut = { ...generation.tip, term };
          return withGeneration(found, { ...generation, cut, epoch: generation.epoch + 1 });
        },
      );
      return currentGeneration(value).cut ?? CHAIN_START;
    },
    async drain(volume: VolumeRef): Promise<'drained' | 'more'> {
      const { value } = await documents.update(volumeKind, names.volume(volume), (found) => {
        const generation = currentGeneration(found);
        const number = generation.applied.number + 1;
        if (number > generation.tip.number) return undefined;
        if (number === lost.get(found.volume)) throw new LeewardError('DELTA_INVALID', `delta ${number} is lost`);
        const applied = { number, digest: digestOf(number), sourceTimeMs: number };
        return withGeneration(found, { ...generation, applied });
      });
      const { applied, cut } = currentGeneration(value);
      return applied.number === cut?.number ? 'drained' : 'more';
    },
  };
}

function memoryAccess(): AccessIssuer {
  return {
    queueUrl: async (queue, expiresAtMs) => `https://queue.example/${queue}?until=${expiresAtMs}`,
    journalUrl: async ({ container }, expiresAtMs) => `https://blob.example/${container}?until=${expiresAtMs}`,
    uploadUrl: async ({ container, blob }, expiresAtMs) =>
      `https://blob.example/${container}/${blob}?until=${expiresAtMs}`,
    ensureContainer: async () => undefined,
    removeContainer: async () => undefined,
  };
}
