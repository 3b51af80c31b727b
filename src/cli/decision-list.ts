/** Decisions as a list: a group's by the monitor, and a site's own about its machines, print alike. */
import type { Command } from 'commander';
import { outputOf } from './globals.ts';

export interface ListedDecision {
  readonly id: string;
  readonly atMs: number;
  readonly verdict: string;
  /** What of several ways was taken, where there are any. */
  readonly step?: string;
  readonly reason: string;
}

/** Shows what was decided about `what`. */
export function showDecisions(command: Command, what: string, decisions: readonly ListedDecision[]): void {
  outputOf(command).result(decisions, () =>
    decisions.length === 0
      ? `${what}: nothing was decided yet`
      : decisions
          .map(({ id, atMs, verdict, step, reason }) => {
            const told = step === undefined ? verdict : `${verdict}: ${step}`;
            return `${new Date(atMs).toISOString()}  ${told}  ${id}\n  ${reason}`;
          })
          .join('\n'),
  );
}
