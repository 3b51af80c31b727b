/** The data path put together: what the ingest functions and the sweep call. */
import { Chores } from '../replica/generation/chores.ts';
import { ReplicaEngine } from '../replica/apply/engine.ts';
import { Ingest } from '../replica/intake/ingest.ts';
import { SiteKeys } from '../replica/intake/site-keys.ts';
import { Sweep } from '../replica/rounds/sweep.ts';
import { deltaLimits } from './settings.ts';
import type { Settings } from './settings.ts';
import type { Storage } from './storage.ts';

/**
 * How long one call works on a volume before it leaves the rest to the next: well below the ten minutes for which the
 * host hides a message, and far below the limit of a function's run.
 */
const BUDGET_MS = 120_000;

export interface DataPath {
  readonly engine: ReplicaEngine;
  readonly chores: Chores;
  readonly ingest: Ingest;
  readonly sweep: Sweep;
}

export function openDataPath(settings: Settings, storage: Storage): DataPath {
  const engine = new ReplicaEngine(storage, {
    claimMs: settings.LEEWARD_CLAIM_MS,
    snapshotsKept: settings.LEEWARD_SNAPSHOTS_KEPT,
    budgetMs: BUDGET_MS,
    volumesAtOnce: settings.LEEWARD_VOLUMES_AT_ONCE,
    limits: deltaLimits(settings),
  });
  const chores = new Chores(storage, { budgetMs: BUDGET_MS });
  const ingest = new Ingest({ ...storage, keys: new SiteKeys(storage, storage.keySecret), engine, chores });
  return { engine, chores, ingest, sweep: new Sweep({ ...storage, engine, chores }) };
}
