/**
 * What is remembered about a timer, so that an occurrence that came while no host ran is made good.
 *
 * Invariants: stored where Azure's host stores it, in its form (azure-webjobs-sdk-extensions, ScheduleMonitor); a changed
 * schedule counts from now and is not past due.
 */
import type { BlockBlobClient } from '@azure/storage-blob';
import { z } from 'zod';
import { readJson, writeJson } from './host-blobs.ts';
import type { Schedule } from './schedule.ts';

/** Milliseconds since 1970; `lastMs` is undefined before the first run. */
export interface TimerStatus {
  readonly lastMs: number | undefined;
  readonly nextMs: number;
  readonly updatedMs: number;
}

/** .NET's default DateTime, which stands for "not yet". */
const NOT_YET = '0001-01-01T00:00:00';

const dateTime = z.iso.datetime({ offset: true, local: true });
const stored = z.looseObject({ Last: z.string(), Next: dateTime, LastUpdated: dateTime });

/** The form in which a status is stored and handed to functions. */
export function statusToJson(status: TimerStatus): { Last: string; Next: string; LastUpdated: string } {
  const date = (ms: number): string => new Date(ms).toISOString();
  return {
    Last: status.lastMs === undefined ? NOT_YET : date(status.lastMs),
    Next: date(status.nextMs),
    LastUpdated: date(status.updatedMs),
  };
}

/** The stored status; undefined when there is none that can be read. */
export async function readStatus(blob: BlockBlobClient): Promise<TimerStatus | undefined> {
  const parsed = stored.safeParse(await readJson(blob));
  if (!parsed.success) return undefined;
  const { Last: last, Next: next, LastUpdated: updated } = parsed.data;
  return {
    lastMs: last.startsWith('0001-') ? undefined : Date.parse(last),
    nextMs: Date.parse(next),
    updatedMs: Date.parse(updated),
  };
}

export async function writeStatus(blob: BlockBlobClient, status: TimerStatus): Promise<void> {
  await writeJson(blob, statusToJson(status));
}

/** What to go on with at `nowMs`: the remembered status, or a fresh one for a timer that is new or was rescheduled. */
export function continueStatus(old: TimerStatus | undefined, schedule: Schedule, nowMs: number): TimerStatus {
  const fresh: TimerStatus = { lastMs: undefined, nextMs: schedule.next(nowMs), updatedMs: nowMs };
  if (!old) return fresh;
  // A timer that never ran has nothing to count from: what was announced for it stands if it is due or still right.
  const expectedMs = old.lastMs === undefined ? schedule.next(old.updatedMs) : schedule.next(old.lastMs);
  return expectedMs === old.nextMs ? old : fresh;
}
