/**
 * When a timer fires: NCRONTAB, in UTC, or a fixed interval.
 *
 * Invariants: an occurrence lies strictly after the moment that is asked about; day and weekday both have to match, as in
 * NCrontab, where plain cron takes either. Source: "Timer trigger for Azure Functions", NCRONTAB expressions.
 */
import { Cron } from 'croner';
import { LeewardError } from '../../kernel/errors.ts';
import { parseTimeSpan } from './timespan.ts';

export interface Schedule {
  /** The first occurrence after `afterMs`, both in milliseconds since 1970. */
  next(afterMs: number): number;
  /** Azure's `Schedule.AdjustForDST`: true for NCRONTAB. */
  readonly adjustForDst: boolean;
}

/** A timer that fires more often than this is not watched for missed occurrences. Source: ScheduleMonitor's docs. */
const WATCHED_FROM_MS = 60_000;

/** NCrontab knows numbers, English names, lists, ranges and steps, and none of croner's further signs. */
const NCRONTAB = /^(?:[\dA-Za-z*,/-]+ ){4,5}[\dA-Za-z*,/-]+$/;
const NAMES = /^(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|sun|mon|tue|wed|thu|fri|sat)$/i;

/** Reads a timer's schedule. Throws USAGE that names the function. */
export function parseSchedule(text: string, name: string): Schedule {
  const intervalMs = parseTimeSpan(text.trim());
  if (intervalMs !== undefined && intervalMs > 0) {
    return { next: (afterMs) => afterMs + intervalMs, adjustForDst: false };
  }
  const pattern = text.trim().replaceAll(/\s+/g, ' ');
  const wrong = `function ${name}: schedule "${text}" is neither NCRONTAB (5 or 6 fields) nor a TimeSpan`;
  const words = pattern.match(/[A-Za-z]+/g) ?? [];
  if (!NCRONTAB.test(pattern) || !words.every((word) => NAMES.test(word))) throw new LeewardError('USAGE', wrong);
  let cron: Cron;
  try {
    cron = new Cron(pattern, { paused: true, mode: '5-or-6-parts', domAndDow: true, timezone: 'UTC' });
  } catch (error) {
    throw new LeewardError('USAGE', wrong, { cause: error });
  }
  return {
    adjustForDst: true,
    next(afterMs) {
      const next = cron.nextRun(new Date(afterMs));
      if (!next) throw new LeewardError('USAGE', `function ${name}: schedule "${text}" never comes`);
      return next.getTime();
    },
  };
}

/** Whether missed occurrences are looked for: not where any of the next five follows its predecessor within a minute. */
export function isWatched(schedule: Schedule, nowMs: number): boolean {
  let at = schedule.next(nowMs);
  for (let count = 0; count < 5; count += 1) {
    const following = schedule.next(at);
    if (following - at < WATCHED_FROM_MS) return false;
    at = following;
  }
  return true;
}
