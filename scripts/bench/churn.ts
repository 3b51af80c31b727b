/**
 * `churn.time` and `churn.optimum`: what a busy database costs its replica under Azure's two figures. The real ingest and
 * engine apply its changes to a replica in memory; each request that reaches it is counted, of whatever kind, and each
 * byte that is written or read. The time is simulated from that alone.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { currentGeneration } from '../../src/documents/volume.ts';
import type { ByteRange } from '../../src/kernel/byte-range.ts';
import { roundUp } from '../../src/kernel/units.ts';
import { planApply } from '../../src/replica/plan/plan.ts';
import { MemoryStorage } from '../../test/support/data-path.ts';
import type { Worker } from '../../test/support/data-path.ts';
import { SiteFixture } from '../../test/support/site-fixture.ts';
import type { Benchmark } from './benchmark.ts';
import { churn } from './churn-database.ts';
import type { Churned } from './churn-database.ts';
import { DeltaChain } from './delta-chain.ts';
import { leastSeconds, requestForEachRun, secondsOf } from './page-time.ts';
import type { PageTraffic } from './page-time.ts';
import { WRITE_BYTES_MAX } from './ranges.ts';

/** Room for what the database grows by. */
const ROOM = 1.25;

export const churnTime: Benchmark = {
  names: ['churn.time', 'churn.optimum'],
  async run(context) {
    const folder = join(context.folder, 'churn');
    await mkdir(folder, { recursive: true });
    let replica: CountedReplica | undefined;
    const times = { ours: 0, each: 0, plan: 0, least: 0 };
    const ours: PageTraffic[] = [];
    let runCount = 0;
    for (const churned of churn(join(folder, 'churn.db'))) {
      if (!replica) {
        replica = await CountedReplica.make(roundUp(Math.ceil(churned.bytes.length * ROOM), WRITE_BYTES_MAX));
        await replica.apply(churned);
        continue;
      }
      const traffic = await replica.apply(churned);
      ours.push(traffic);
      runCount += churned.runs.length;
      times.ours += secondsOf(traffic);
      times.each += secondsOf(requestForEachRun(churned.runs));
      const plan = planApply(churned.runs.map((run) => ({ kind: 'literal', ...run })));
      times.plan += secondsOf(plan);
      times.least += leastSeconds(churned.runs);
      context.tell(`  ${churned.runs.length} runs: ${traffic.requests} requests, ${mib(traffic.bytes)} MiB`);
    }
    const [requests, bytes] = [sum(ours, 'requests'), sum(ours, 'bytes')];
    const of = `${ours.length} checkpoints, ${runCount} runs`;
    return [
      {
        name: 'churn.time',
        value: times.ours / times.each,
        detail: `${times.ours.toFixed(2)} s for ${of}: ${requests} requests, ${mib(bytes)} MiB; ${times.each.toFixed(2)} s with one for each run`,
      },
      {
        name: 'churn.optimum',
        value: times.plan / times.least,
        detail: `${times.plan.toFixed(3)} s planned, no plan below ${times.least.toFixed(3)} s; ${of}`,
      },
    ];
  },
};

/** A volume with its replica in memory, and the traffic that reaches it. */
class CountedReplica {
  readonly #storage = new MemoryStorage();
  readonly #worker: Worker;
  readonly #site: SiteFixture;
  readonly #chain: DeltaChain;
  #requests = 0;
  #bytes = 0;

  private constructor(volumeBytes: number) {
    this.#site = new SiteFixture({ volumeBytes });
    this.#chain = new DeltaChain({ volume: this.#site.id, volumeBytes, key: this.#site.key });
    this.#worker = this.#storage.worker({}, async ({ args, method, port, proceed }) => {
      const result = await proceed();
      if (port === 'replicas') {
        this.#requests += 1;
        this.#bytes += bytesOf(method, args);
      }
      return result;
    });
  }

  static async make(volumeBytes: number): Promise<CountedReplica> {
    const replica = new CountedReplica(volumeBytes);
    await replica.#site.register(replica.#storage.documents);
    return replica;
  }

  /** Applies what changed, in as few deltas as hold it, and gives what that cost. Throws unless the replica holds it then. */
  async apply({ bytes, runs }: Churned): Promise<PageTraffic> {
    [this.#requests, this.#bytes] = [0, 0];
    for (const part of byDelta(runs)) {
      const extents = part.map(({ offset, lengthBytes }) => ({
        offset,
        bytes: bytes.subarray(offset, offset + lengthBytes),
      }));
      const { bytes: encoded, entry, message } = this.#chain.next(extents, { zstdLevel: 1 });
      if (entry !== undefined) await this.#storage.entries.create({ ...this.#site.journal, blob: entry }, encoded);
      const { outcome } = await this.#worker.receive(message);
      if (outcome !== 'applied') throw new Error(`a delta was not applied: ${outcome}`);
    }
    const traffic = { requests: this.#requests, bytes: this.#bytes };
    await this.#check(bytes);
    return traffic;
  }

  async #check(bytes: Buffer): Promise<void> {
    const { replica } = currentGeneration(await this.#storage.volume(this.#site));
    const now = await this.#storage.replicas.read(replica, { offset: 0, lengthBytes: bytes.length });
    if (!bytes.equals(now)) throw new Error('the replica does not hold what the database file holds');
  }
}

/** Bytes of pages that a call moves. */
function bytesOf(method: string, args: readonly unknown[]): number {
  const at: unknown = args[1];
  if (typeof at !== 'object' || at === null) return 0;
  if (method === 'writePages' && 'bytes' in at) {
    if (at.bytes instanceof Uint8Array) return at.bytes.length;
    return bytesOf('read', [undefined, at.bytes]);
  }
  if (method === 'read' && 'lengthBytes' in at && typeof at.lengthBytes === 'number') return at.lengthBytes;
  return 0;
}

/** Literal bytes of a delta of the bench: well below what the format allows. */
const DELTA_BYTES = 15 * 1024 * 1024;

/** The runs in portions that fit a delta; a run that is longer than what is left is cut. */
export function byDelta(runs: readonly ByteRange[]): ByteRange[][] {
  const parts: ByteRange[][] = [];
  let left = 0;
  for (const run of runs) {
    for (let done = 0; done < run.lengthBytes;) {
      if (left === 0) {
        parts.push([]);
        left = DELTA_BYTES;
      }
      const lengthBytes = Math.min(left, run.lengthBytes - done);
      parts.at(-1)?.push({ offset: run.offset + done, lengthBytes });
      left -= lengthBytes;
      done += lengthBytes;
    }
  }
  return parts;
}

function sum<Key extends string>(values: readonly Readonly<Record<Key, number>>[], key: Key): number {
  return values.reduce((total, value) => total + value[key], 0);
}

function mib(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}
