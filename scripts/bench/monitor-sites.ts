/** Sites in a control store of the bench's own, each of them silent, and passes of the monitor over them. */
import { BlobServiceClient } from '@azure/storage-blob';
import type { ContainerClient } from '@azure/storage-blob';
import { BlobState } from '../../src/azure/state.ts';
import { groupKind } from '../../src/documents/group.ts';
import { monitorKind } from '../../src/documents/monitor.ts';
import { planKind } from '../../src/documents/plan.ts';
import { heartbeatKind, siteKind } from '../../src/documents/site.ts';
import { Documents } from '../../src/documents/store.ts';
import { resumeRuns } from '../../src/failover/tickets.ts';
import { CANARY_SITE } from '../../src/health/monitor/canary.ts';
import { tick } from '../../src/health/monitor/monitor.ts';
import type { TickReport } from '../../src/health/monitor/monitor.ts';
import { fewAtOnce } from '../../src/kernel/few-at-once.ts';
import { groupId, siteId } from '../../src/kernel/ids.ts';
import type { GroupRef } from '../../src/kernel/ids.ts';
import { parseJson } from '../../src/kernel/json.ts';
import { documents as names } from '../../src/kernel/names.ts';
import { CURRENT_VERSION } from '../../src/kernel/versions.ts';
import type { Http } from '../../src/ports/http.ts';
import type { HeartbeatAnswer } from '../../src/protocol/heartbeat.ts';
import { leaseRequestSchema } from '../../src/protocol/lease.ts';
import type { LeaseAnswer } from '../../src/protocol/lease.ts';
import { parseSigned, readPayload } from '../../src/protocol/signed.ts';
import { SystemClock } from '../../src/system/clock.ts';
import { SystemRandom } from '../../src/system/random.ts';
import { openGroup } from '../../test/support/group.ts';
import { MemoryQueues } from '../../test/support/memory/queues.ts';
import { reportingPlan } from '../../test/support/plan.ts';

const AT_ONCE = 16;
/** The shortest that there is: each pass is to decide anew, on heartbeats that came just before it. */
const WINDOW_MS = 1000;
const clock = new SystemClock();

/** What the canary is answered: its own way is no part of what is measured. */
const http: Http = {
  get: async () => ({ status: 200, body: '' }),
  post: async (url, { body }) => ({
    status: 200,
    body: JSON.stringify(url.endsWith('/lease') ? granted(body) : HEARTBEAT_ANSWER),
  }),
};

const HEARTBEAT_ANSWER: HeartbeatAnswer = {
  version: CURRENT_VERSION,
  site: siteId(CANARY_SITE),
  volumes: [],
  groups: [],
  access: {
    queues: { deltas: 'https://b.example', bulk: 'https://b.example' },
    journal: 'https://b.example',
    expiresAtMs: 1,
  },
  everyMs: 1000,
};

function granted(body: string): LeaseAnswer {
  const { groups } = readPayload(parseSigned(parseJson(body), 'lease'), leaseRequestSchema);
  const grants = groups.map(({ group, nonce }) => ({ group, nonce, granted: true, term: 1, leaseMs: 60_000 }));
  return { version: CURRENT_VERSION, groups: grants };
}

export class SilentSites {
  readonly documents: Documents;
  readonly container: ContainerClient;
  readonly groups: readonly GroupRef[];

  private constructor(container: ContainerClient, groups: readonly GroupRef[]) {
    this.container = container;
    this.documents = new Documents(new BlobState(container));
    this.groups = groups;
  }

  /** `count` sites with a group and a plan each, in a container of their own. */
  static async make(connectionString: string, name: string, count: number): Promise<SilentSites> {
    const container = BlobServiceClient.fromConnectionString(connectionString).getContainerClient(name);
    await container.create();
    const groups = Array.from({ length: count }, (_, at) => ({ tenant: 'bench', site: `site-${at}`, group: 'erp' }));
    const sites = new SilentSites(container, groups);
    await fewAtOnce(AT_ONCE, groups, (group) => sites.#makeSite(group));
    return sites;
  }

  async #makeSite(group: GroupRef): Promise<void> {
    const version = CURRENT_VERSION;
    const keys = [{ name: 'k1', state: 'active' as const }];
    await this.documents.create(siteKind, names.site(group), { version, site: siteId(group), keys, account: 'bench' });
    const open = { ...openGroup(group), marginMs: 7060, guards: [{ node: 'node-1' }] };
    await this.documents.create(groupKind, names.group(group), open);
    const plan = reportingPlan(group, [{ volume: `${groupId(group)}/data`, lun: 0 }]);
    await this.documents.create(planKind, names.plan(group), { ...plan, windowMs: WINDOW_MS });
  }

  /** Each site is heard once more, and has then been silent for a window that a monitor watched. */
  async fallSilent(): Promise<void> {
    const counter = clock.wallMs();
    await fewAtOnce(AT_ONCE, this.groups, async (group) => {
      const name = names.heartbeat(group);
      const word = { group: groupId(group), term: 1, lease: 'held' as const, nodes: ['node-1'] };
      const now = { key: 'k1', heartbeat: { counter, volumes: [], groups: [word] } };
      const held = await this.documents.read(heartbeatKind, name);
      if (held) await this.documents.replace(heartbeatKind, held, { ...held.value, ...now });
      else {
        const fresh = { version: CURRENT_VERSION, site: siteId(group), ...now };
        await this.documents.create(heartbeatKind, name, fresh);
      }
    });
    // The service's times have whole seconds.
    await clock.sleep(2 * WINDOW_MS + 1000);
    const { held, serviceNowMs } = await this.documents.readWithTime(monitorKind, names.monitor);
    const awake = { lastTickMs: serviceNowMs, awakeSinceMs: 0, canarySinceMs: 0 };
    if (held) await this.documents.replace(monitorKind, held, { ...held.value, ...awake });
    else await this.documents.create(monitorKind, names.monitor, { version: CURRENT_VERSION, ...awake });
  }

  /** One pass of the monitor. Throws where it did not decide on each of them. */
  async pass(): Promise<TickReport> {
    const queues = new MemoryQueues(clock);
    const report = await tick({
      documents: this.documents,
      http,
      random: new SystemRandom(),
      keySecret: new Uint8Array(32),
      publicUrl: 'http://bench.example',
      account: 'bench',
      gapMs: 60_000,
      everyMs: 300,
      failover: {
        startRun: async () => Promise.reject(new Error('nothing is failed over here')),
        resumeRuns: () => resumeRuns({ documents: this.documents, queues }),
        freeOfFailedRun: async () => false,
      },
    });
    const [trouble] = report.troubles;
    if (trouble !== undefined) throw new Error(trouble);
    const decided = report.groups.filter(({ verdict }) => verdict === 'report').length;
    if (decided !== this.groups.length) throw new Error(`${decided} of ${this.groups.length} sites were decided on`);
    return report;
  }
}
