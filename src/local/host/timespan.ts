/** .NET TimeSpan text, the form in which host.json and timer schedules give durations. */
import { LeewardError } from '../../kernel/errors.ts';

/** `[d.]hh:mm:ss[.fraction]`. Source: .NET, "Standard TimeSpan format strings", the constant format "c". */
const FORM = /^(?:(\d{1,8})\.)?(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,7}))?)?$/;

/** Milliseconds of a TimeSpan text; undefined when `text` is none. */
export function parseTimeSpan(text: string): number | undefined {
  const match = FORM.exec(text);
  if (!match) return undefined;
  const [, days = '0', hours = '0', minutes = '0', seconds = '0', fraction = '0'] = match;
  if (Number(hours) > 23 || Number(minutes) > 59 || Number(seconds) > 59) return undefined;
  const whole = ((Number(days) * 24 + Number(hours)) * 60 + Number(minutes)) * 60 + Number(seconds);
  return whole * 1000 + Math.floor(Number(`0.${fraction}`) * 1000);
}

/** Like {@link parseTimeSpan}, for text that must be one; `what` names it in the error. Throws USAGE. */
export function requireTimeSpan(text: string, what: string): number {
  const ms = parseTimeSpan(text);
  if (ms === undefined) throw new LeewardError('USAGE', `${what} is "${text}": use the form hh:mm:ss`);
  return ms;
}
