/** What the monitor remembers of itself, and the decisions it made, each with the history it was made from. */
import { z } from 'zod';
import { groupIdSchema } from '../kernel/ids.ts';
import { versionSchema } from '../kernel/versions.ts';
import { actorSchema } from './actor.ts';
import type { DocumentKind } from './store.ts';

/**
 * The monitor's own watch. All times are the service's. A gap between two ticks that is longer than allowed, or a
 * failed canary, starts its watch anew: silence only counts while somebody was there to hear it.
 */
export const monitorSchema = z.looseObject({
  version: versionSchema,
  lastTickMs: z.int(),
  /** Since when ticks came without a gap. */
  awakeSinceMs: z.int(),
  /** Since when every canary over the public route got through. */
  canarySinceMs: z.int(),
});
export type MonitorDocument = z.infer<typeof monitorSchema>;
export const monitorKind: DocumentKind<MonitorDocument> = { what: 'monitor', schema: monitorSchema };

/** Everything that a decision on silence is a function of. All times are the service's. */
export const silenceHistorySchema = z.looseObject({
  nowMs: z.int(),
  lastHeartbeatMs: z.int().nullable(),
  silenceMs: z.int(),
  awakeSinceMs: z.int(),
  canarySinceMs: z.int(),
  term: z.int(),
  phase: z.string(),
  mode: z.string(),
  holder: z.enum(['site', 'cloud']),
  /** The run that moves the group already, if any. */
  run: z.string().nullable(),
  /** Renewals of the group's lease in this term: how a later reader sees whether there was one since. */
  renewals: z.int().min(0),
  /** Not before the last renewal; null while there was none in this term. */
  lastRenewalMs: z.int().nullable(),
});
export type SilenceHistory = z.infer<typeof silenceHistorySchema>;

export const decisionSchema = z.looseObject({
  version: versionSchema,
  decision: z.string(),
  group: groupIdSchema,
  actor: actorSchema,
  verdict: z.enum(['fail-over', 'report']),
  reason: z.string(),
  history: silenceHistorySchema,
});
export type DecisionDocument = z.infer<typeof decisionSchema>;
export const decisionKind: DocumentKind<DecisionDocument> = { what: 'decision', schema: decisionSchema };
