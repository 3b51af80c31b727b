/**
 * A decision on a site's failure, with everything that it is a function of, so that it can be replayed and explained.
 *
 * Invariants: all times are the service's; the size follows the witnesses and nodes that are configured, never the time
 * that has passed.
 */
import { z } from 'zod';
import { groupIdSchema, nodeSchema } from '../kernel/ids.ts';
import { versionSchema } from '../kernel/versions.ts';
import { actorSchema } from './actor.ts';
import type { DocumentKind } from './store.ts';
import { spokenSchema, timeMsSchema, witnessSchema } from './witness.ts';

/** What a person was asked about this group, and said. */
export const questionSchema = z.looseObject({
  /** The failure that it is about: `about` of the verdict that asked. */
  about: z.string().max(100),
  /** What sort of failure that is: `kind` of that verdict. Questions of before the field have none. */
  kind: z.string().max(100).optional(),
  askedAtMs: timeMsSchema,
  /** No answer by then is the plan's own. */
  untilMs: timeMsSchema,
  answer: z.looseObject({ is: z.enum(['yes', 'no']), by: z.string(), atMs: timeMsSchema }).nullable(),
});
export type Question = z.infer<typeof questionSchema>;

export const siteHistorySchema = z.looseObject({
  nowMs: timeMsSchema,

  // The group's document.
  term: z.int().min(1),
  phase: z.enum(['open', 'closing', 'ended']),
  holder: z.enum(['site', 'cloud']),
  /** The run that moves the group already, if any. */
  run: z.string().nullable(),
  /** Renewals of the group's lease in this term. */
  renewals: z.int().min(0),
  /** Not before the last renewal; null while there was none in this term. */
  lastRenewalMs: timeMsSchema.nullable(),
  /** Whether the group's applications run on when their lease is over: then only a person's word says that they stopped. */
  keep: z.boolean(),
  /** Nodes that have a guard. */
  guards: z.array(nodeSchema),

  // The site's word.
  lastHeartbeatMs: timeMsSchema.nullable(),
  /** Nodes that the group's applications can run on. */
  nodes: z.array(nodeSchema),
  /** Its word on this group: `down` is "stopped, no lease". */
  siteWord: spokenSchema.nullable(),
  /** Its own wish that the group be failed over, in the newest heartbeat, and since when it has had it. */
  wish: z.looseObject({ decision: z.string(), reason: z.string(), sinceMs: timeMsSchema }).nullable(),
  /** Until when it has taken the group, or all of itself, offline on purpose, by its own clock; null where it has not. */
  offlineUntilMs: timeMsSchema.nullable(),

  // The group's plan.
  mode: z.enum(['automatic', 'ask', 'report']),
  consents: z.array(z.string()),
  windowMs: z.int().min(1000),
  /**
   * Every inequality between the plan and what it hangs on that does not hold now (src/health/bounds/bounds.ts); none, if left
   * out.
   */
  unfit: z.array(z.string()).optional(),
  /** What no answer in time means. */
  noAnswer: z.enum(['no', 'fail-over']),
  /** The newest question that was asked in this term. */
  question: questionSchema.nullable(),

  // The monitor's own watch.
  awakeSinceMs: timeMsSchema,
  /** Since when every canary over the public route got through; null while they do not. */
  canarySinceMs: timeMsSchema.nullable(),
  /** The last tick at which it had been awake for the whole window; at first, the first tick. */
  watchedMs: timeMsSchema,
  /** How long no whole window may have been watched before people are told. */
  alertAfterMs: z.int().min(1000),

  /** Every configured witness, with what it said; null for one that never spoke, and for the heartbeat. */
  witnesses: z.array(witnessSchema.and(z.looseObject({ spoken: spokenSchema.nullable() }))),
});
export type SiteHistory = z.infer<typeof siteHistorySchema>;

export const siteVerdictSchema = z.enum(['none', 'alert', 'report', 'ask', 'fail-over']);

export const siteDecisionSchema = z.looseObject({
  version: versionSchema,
  /** Named after what it was made of, so that whoever decides the same again finds it. */
  decision: z.string(),
  group: groupIdSchema,
  actor: actorSchema,
  verdict: siteVerdictSchema,
  reason: z.string(),
  history: siteHistorySchema,
});
export type SiteDecisionDocument = z.infer<typeof siteDecisionSchema>;
export const siteDecisionKind: DocumentKind<SiteDecisionDocument> = {
  what: 'decision on a site',
  schema: siteDecisionSchema,
  labels: ({ verdict, history }) => ({ verdict, made: String(history.nowMs) }),
};
