/**
 * How values on the command line are read. What is wrong is told by commander, with the option's name, before the command
 * does anything.
 */
import { statSync } from 'node:fs';
import { InvalidArgumentError } from 'commander';
import { REASON_MAX } from '../protocol/order.ts';
import { STOP_MS_MAX } from '../protocol/stop-times.ts';
import { z } from 'zod';

/** Longest time that an option takes: a day. Node's timers end soon after three weeks. */
const SECONDS_MAX = 86_400;

/** A number of seconds above zero, fractions allowed. */
export function seconds(text: string): number {
  return number(text, { above: 0, words: 'above zero' });
}

/** The same, no longer than a guard may let anything take to stop. */
export function stopSeconds(text: string): number {
  return number(text, { above: 0, words: 'above zero', most: STOP_MS_MAX / 1000 });
}

/** A number of seconds from 1 on: what a lease or a silence is at least. */
export function wholeSeconds(text: string): number {
  const value = number(text, { above: 0.999, words: 'from 1' });
  if (!Number.isInteger(value)) throw new InvalidArgumentError('Give whole seconds.');
  return value;
}

function number(text: string, of: { above: number; words: string; most?: number }): number {
  const value = Number(text);
  const { most = SECONDS_MAX } = of;
  if (!/^\d+(\.\d+)?$/.test(text) || value <= of.above || value > most) {
    throw new InvalidArgumentError(`Give a number of seconds ${of.words} up to ${most}.`);
  }
  return value;
}

/** Any text but an empty one. */
export function word(text: string): string {
  if (text.trim() === '') throw new InvalidArgumentError('Give more than nothing.');
  return text;
}

/** How hard to compress. */
export function zstdLevel(text: string): number {
  const value = Number(text);
  if (!/^\d{1,2}$/.test(text) || value > 19) throw new InvalidArgumentError('Give a level from 0 (none) to 19.');
  return value;
}

/** A size in bytes. */
export function bytes(text: string): number {
  const value = Number(text);
  if (!/^\d{1,15}$/.test(text) || value < 1) throw new InvalidArgumentError('Give a number of bytes from 1.');
  return value;
}

/** A TCP port. */
export function port(text: string): number {
  const value = Number(text);
  if (!/^\d{1,5}$/.test(text) || value < 1 || value > 65_535) {
    throw new InvalidArgumentError('Give a port from 1 to 65535.');
  }
  return value;
}

/** The path of a URL. */
export function urlPath(text: string): string {
  if (!/^\/[!-~]*$/.test(text)) throw new InvalidArgumentError('Give a path that begins with /.');
  return text;
}

/** The id of a resource in Azure. */
export function resourceId(text: string): string {
  if (!/^\/subscriptions\/[^/\s]+\/\S+$/i.test(text)) {
    throw new InvalidArgumentError('Give a resource id: /subscriptions/…');
  }
  return text;
}

/** An address of a function app, without a slash at its end. */
export function httpUrl(text: string): string {
  if (!URL.canParse(text) || !/^https?:/i.test(text)) {
    throw new InvalidArgumentError('Give an address that begins with http:// or https://.');
  }
  return text.replace(/\/+$/, '');
}

/** A folder, or the name of one that is to be made. */
export function folder(text: string): string {
  if (statSync(text, { throwIfNoEntry: false })?.isDirectory() === false) {
    throw new InvalidArgumentError('Give a folder.');
  }
  return text;
}

/** The name of an operator, as the failover function takes it. */
export function operator(text: string): string {
  if (!/^[a-z0-9][a-z0-9-]{0,63}$/.test(text)) {
    throw new InvalidArgumentError('Give 1 to 64 lower-case letters, digits and hyphens.');
  }
  return text;
}

/** Why something is ordered: as much as an order holds. */
export function reasonText(text: string): string {
  if (text.length > REASON_MAX) throw new InvalidArgumentError(`Give at most ${REASON_MAX} characters.`);
  return text;
}

/** A moment: itself, or how far it is from now, in milliseconds. What {@link until} gives. */
export const untilSchema = z.union([z.object({ wallMs: z.number() }), z.object({ fromNowMs: z.number() })]);
export type Until = z.infer<typeof untilSchema>;

const UNITS_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** An end: `2026-11-23T06:00Z`, or `90m`, `12h`, `7d` from now. */
export function until(text: string): Until {
  const [, count = '', unit = ''] = /^(\d{1,4})([mhd])$/.exec(text) ?? [];
  if (unit !== '') return { fromNowMs: Number(count) * (UNITS_MS[unit] ?? 0) };
  const wallMs = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)$/.test(text) ? Date.parse(text) : NaN;
  if (Number.isFinite(wallMs)) return { wallMs };
  throw new InvalidArgumentError('Give a time such as 2026-11-23T06:00Z, or 90m, 12h or 7d from now.');
}

/** The moment itself. */
export function wallMsOf(end: Until, nowWallMs: number): number {
  return 'wallMs' in end ? end.wallMs : nowWallMs + end.fromNowMs;
}
