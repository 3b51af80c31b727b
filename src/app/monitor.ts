/** The monitor put together: it starts and resumes runs, and needs no client of the recovery region for that. */
import { freeOfFailedRun } from '../failover/binding.ts';
import { startRun } from '../failover/start.ts';
import { resumeRuns } from '../failover/tickets.ts';
import { tick } from '../health/monitor/monitor.ts';
import type { TickReport } from '../health/monitor/monitor.ts';
import { PlainHttp } from '../system/http.ts';
import { SystemRandom } from '../system/random.ts';
import type { Settings } from './settings.ts';
import type { Storage } from './storage.ts';

/** One tick of the monitor, as `src/health/monitor/monitor.ts` defines it. */
export async function monitorTick(settings: Settings, storage: Storage): Promise<TickReport> {
  return tick({
    ...storage,
    http: new PlainHttp(),
    random: new SystemRandom(),
    publicUrl: settings.LEEWARD_PUBLIC_URL,
    gapMs: settings.LEEWARD_MONITOR_GAP_MS,
    everyMs: settings.LEEWARD_HEARTBEAT_MS,
    failover: {
      startRun: async (order) => startRun(storage, order),
      resumeRuns: async () => resumeRuns(storage),
      freeOfFailedRun: async (group, run) => freeOfFailedRun(storage.documents, group, run),
    },
  });
}
