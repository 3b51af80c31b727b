/**
 * The act in which the agent alone is killed: people are told, and nothing else happens. The guard renews its lease by itself,
 * and the application goes on.
 */
import { noticeKind } from '../documents/notice.ts';
import type { NoticeDocument } from '../documents/notice.ts';
import { LeewardError } from '../kernel/errors.ts';
import { documents as names } from '../kernel/names.ts';
import { intervalLimitMs, tellInterval } from './replicate.ts';
import type { Site } from './site.ts';
import type { Stage } from './stage.ts';
import { newestRun } from './watch.ts';

const ALERT_MS = 60_000;
const LOOK_MS = 150;

export interface AgentAlone {
  /** What people were told. */
  readonly alert: string;
  /** Whether the application ran all the time, under the guard that it had, and no run began. */
  readonly nothingElseHappened: boolean;
}

/** Kills the agent, waits for the alert, and starts the agent again, which goes on where the other was. */
export async function killAgentAlone(stage: Stage, site: Site): Promise<AgentAlone> {
  const { clock, progress, ref, signal, storage } = stage;
  site.signalAgent('SIGKILL');
  progress.line('the agent is killed (SIGKILL): no heartbeat comes any more, the guard renews its lease by itself');
  const since = await toldAbout(stage);
  let isSteady = true;
  const deadlineBootMs = clock.bootMs() + ALERT_MS;
  let alert: NoticeDocument | undefined;
  while (alert === undefined) {
    isSteady &&= site.isGuardRunning && (await site.isApplicationRunning());
    alert = (await toldAbout(stage)).find(({ id }) => since.every((before) => before.id !== id));
    if (clock.bootMs() > deadlineBootMs) {
      throw new LeewardError('UNAVAILABLE', `nobody was told of the agent's death within ${ALERT_MS / 1000} s`);
    }
    if (alert === undefined) await clock.sleep(LOOK_MS, signal);
  }
  progress.line(`people are told: ${alert.title}: ${alert.text}`);
  const run = await newestRun({ documents: storage.documents, group: ref });
  await site.startAgent();
  const [next] = await site.intervals(1, intervalLimitMs(stage));
  if (next) progress.line(`the next agent goes on where the other was: ${tellInterval(next, undefined)}, acknowledged`);
  return { alert: alert.text, nothingElseHappened: isSteady && run === undefined };
}

/** What people were told of the site's group. */
async function toldAbout({ ref, storage }: Stage): Promise<readonly NoticeDocument[]> {
  const notices: NoticeDocument[] = [];
  for await (const { name } of storage.documents.list(names.noticesOf(ref))) {
    notices.push((await storage.documents.need(noticeKind, name)).value);
  }
  return notices;
}
