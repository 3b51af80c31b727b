/**
 * The function app put together, once for each process and only when the first call needs it: registering the
 * functions stays fast, and a wrong setting is told by the call that met it.
 */
import { receiveHeartbeat } from '../health/doors/heartbeat.ts';
import { removeOldDecisions } from '../health/monitor/kept-decisions.ts';
import { renewLeases } from '../health/doors/lease.ts';
import { RefusalCounter } from '../health/doors/refusals.ts';
import { receiveStopped } from '../health/doors/stopped.ts';
import { receiveWitness } from '../health/doors/witness-word.ts';
import type { TickReport } from '../health/monitor/monitor.ts';
import type { Door } from '../documents/refusals.ts';
import type { SiteRef } from '../kernel/ids.ts';
import type { HeartbeatAnswer } from '../protocol/heartbeat.ts';
import type { LeaseAnswer, StoppedAnswer } from '../protocol/lease.ts';
import type { WitnessAnswer } from '../protocol/witness.ts';
import { deliverNotices } from '../notify/deliver.ts';
import type { DeliveryReport } from '../notify/deliver.ts';
import { removeOldNotices } from '../notify/kept.ts';
import { answerVolumes } from '../replica/answer/volumes-answer.ts';
import { heedWord } from '../replica/intake/site-word.ts';
import type { ReplicaEngine } from '../replica/apply/engine.ts';
import type { Ingest } from '../replica/intake/ingest.ts';
import type { SweepReport } from '../replica/rounds/sweep.ts';
import { removeOldAside } from '../replica/rounds/aside-upkeep.ts';
import { runUpkeep } from '../replica/rounds/upkeep.ts';
import type { UpkeepReport } from '../replica/rounds/upkeep.ts';
import type { AnswerRequest } from './answer.ts';
import type { Page } from './answer-page.ts';
import { PlainHttp } from '../system/http.ts';
import { monitorTick } from './monitor.ts';
import { openDataPath } from './data-path.ts';
import { judgedQueues } from './poison.ts';
import { deltaLimits, readSettings, webhooksOf } from './settings.ts';
import type { Settings } from './settings.ts';
import { knownSiteStatus } from './status.ts';
import type { KnownSiteStatus } from './status.ts';
import { openStorage } from './storage.ts';
import type { Storage } from './storage.ts';

export type { Door };

export interface App {
  readonly settings: Settings;
  readonly storage: Storage;
  readonly ingest: Ingest;
  readonly engine: ReplicaEngine;
  /** One sweep over all volumes and every poison queue. */
  sweep(): Promise<SweepReport>;
  /** One look at every volume, and at what was set aside, for what nobody needs any more. */
  upkeep(): Promise<
    UpkeepReport & {
      /** Blobs of what had been set aside. */
      readonly aside: number;
      readonly notices: number;
      readonly decisions: number;
    }
  >;
  /** Records a site's heartbeat, as it came; `tell` takes lines for the people who run the cloud's side. */
  heartbeat(data: unknown, tell: (line: string) => void): Promise<HeartbeatAnswer>;
  /** Renews the leases that a site asks for. */
  lease(data: unknown): Promise<LeaseAnswer>;
  /** Takes a guard's promise. */
  stopped(data: unknown): Promise<StoppedAnswer>;
  /** Takes a witness's word. */
  witness(data: unknown): Promise<WitnessAnswer>;
  /** Counts what was refused at a door that anybody can knock at. Never throws. */
  refused(door: Door, error: unknown): Promise<void>;
  /** One tick of the monitor. */
  monitor(): Promise<TickReport>;
  /** One pass over the outbox. */
  notify(): Promise<DeliveryReport>;
  /** The page of an approver's link; an answer that was confirmed is given. `tell` takes what went wrong, a line. */
  answer(request: AnswerRequest, tell: (line: string) => void): Promise<Page>;
  /** What is known of a site. */
  status(site: SiteRef): Promise<KnownSiteStatus>;
}

let opened: App | undefined;

/** The app of this process. Errors: USAGE, a setting is wrong. */
export function app(): App {
  opened ??= openApp(readSettings());
  return opened;
}

function openApp(settings: Settings): App {
  const storage = openStorage(settings);
  const refusals = new RefusalCounter(storage);
  const { engine, ingest, sweep } = openDataPath(settings, storage);
  const answer = {
    accessMs: settings.LEEWARD_ACCESS_MS,
    everyMs: settings.LEEWARD_HEARTBEAT_MS,
    journalKeptMs: settings.LEEWARD_JOURNAL_KEPT_MS,
    limits: deltaLimits(settings),
  };
  return {
    settings,
    storage,
    ingest,
    engine,
    sweep: async () => sweep.run(judgedQueues(storage, ingest)),
    upkeep: async () => ({
      ...(await runUpkeep(storage, { keptMs: settings.LEEWARD_JOURNAL_KEPT_MS })),
      aside: await removeOldAside(storage, { account: storage.account, keptMs: settings.LEEWARD_ASIDE_KEPT_MS }),
      notices: await removeOldNotices(storage.documents, { keptMs: settings.LEEWARD_NOTICES_KEPT_MS }),
      decisions: await removeOldDecisions(storage.documents, { keptMs: settings.LEEWARD_DECISIONS_KEPT_MS }),
    }),
    heartbeat: async (data, tell) =>
      receiveHeartbeat(
        {
          ...storage,
          ...answer,
          heed: async (word, nowMs) => heedWord(storage, word, nowMs),
          answerVolumes: async (of) => answerVolumes({ ...storage, tell }, of),
          tell,
        },
        data,
      ),
    lease: async (data) => renewLeases(storage, data),
    stopped: async (data) => receiveStopped(storage, data),
    witness: async (data) => receiveWitness(storage, data),
    refused: async (door, error) => refusals.count(door, error),
    monitor: async () => monitorTick(settings, storage),
    notify: async () =>
      deliverNotices({
        ...storage,
        http: new PlainHttp(),
        webhooks: webhooksOf(settings),
        publicUrl: settings.LEEWARD_PUBLIC_URL,
      }),
    // Pages are rarely asked for: no other function shall load them.
    answer: async (request, tell) => (await import('./answer.ts')).answerLink(storage, request, tell),
    status: async (site) => knownSiteStatus(storage.documents, site),
  };
}
