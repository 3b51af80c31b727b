/**
 * Has the cloud hear what is offline on purpose, before whoever marked it goes on: by the agent where one runs, by a heartbeat of
 * our own where none does.
 *
 * Invariant: what is returned was in a heartbeat that began after the call, and that the cloud has answered.
 */
import { join } from 'node:path';
import type { Clock } from '../kernel/clock.ts';
import { isLeewardError } from '../kernel/errors.ts';
import type { OfflineWord } from '../protocol/heartbeat.ts';
import type { SiteAccess } from '../site/send/access.ts';
import { isLocked } from '../system/folder-lock.ts';
import { askToTell } from '../system/guard/agent-socket.ts';
import { openSite } from './site.ts';

/** How long it is tried: the folder may be in use for a while by a command that is no agent. */
const TRIED_MS = 20_000;
const PAUSE_MS = 1000;

export interface TellingSite {
  readonly folder: string;
  readonly access: SiteAccess;
  /** Where its agent listens. */
  readonly agentSocket: string;
  readonly clock: Clock;
}

/** What the cloud was told, and has taken. Errors: whatever kept it from being told, the last of several tries. */
export async function tellOffline(site: TellingSite): Promise<readonly OfflineWord[]> {
  const { clock } = site;
  const endBootMs = clock.bootMs() + TRIED_MS;
  for (;;) {
    try {
      return await tellOnce(site, endBootMs - clock.bootMs());
    } catch (error) {
      const isOver = clock.bootMs() + PAUSE_MS >= endBootMs;
      if (isOver || !isLeewardError(error) || !error.retryHelps) throw error;
    }
    await clock.sleep(PAUSE_MS);
  }
}

async function tellOnce(
  { folder, access, agentSocket }: TellingSite,
  timeoutMs: number,
): Promise<readonly OfflineWord[]> {
  if (isLocked(join(folder, 'agent'))) return askToTell(agentSocket, timeoutMs);
  const open = await openSite({ folder, access });
  try {
    const { offline = [] } = await open.siteLink.tell();
    await open.siteLink.heard();
    return offline;
  } finally {
    await open.close();
  }
}
