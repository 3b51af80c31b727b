/** .NET TimeSpan text, the form in which host.json and timer schedules give durations. */

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
