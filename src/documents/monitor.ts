/** What the monitor remembers of itself: when it was there, and whether it could be reached. */
import { z } from 'zod';
import { versionSchema } from '../kernel/versions.ts';
import type { DocumentKind } from './store.ts';

/** The longest gap between two ticks that counts as awake, where nothing else is said: three of its intervals. */
export const USUAL_GAP_MS = 45_000;

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
