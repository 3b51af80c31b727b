/**
 * What a service says while it runs, on stderr, a line each: for people, or as JSON for what collects logs.
 *
 * Invariant: a line of JSON is one object with `at` (ISO 8601, UTC) and `line`, the words for people; whatever else it has is
 * the same in numbers and names.
 */
import { Option } from 'commander';
import { z } from 'zod';
import type { Clock } from '../kernel/clock.ts';

export const logSchema = z.enum(['text', 'json']).default('text');

/** The option that says which. */
export function logOption(): Option {
  return new Option('--log <form>', 'lines on stderr for people, or JSON for what collects logs')
    .choices(logSchema.unwrap().options)
    .default('text');
}

export type Say = (line: string, facts?: Readonly<Record<string, unknown>>) => void;

export function serviceLog(form: z.infer<typeof logSchema>, clock: Clock): Say {
  return (line, facts = {}) => {
    const at = new Date(clock.wallMs()).toISOString();
    process.stderr.write(`${form === 'json' ? JSON.stringify({ at, line, ...facts }) : line}\n`);
  };
}
