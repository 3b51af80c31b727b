/**
 * The monitor's own watch: since when it was awake, and since when its canaries got through.
 *
 * Invariants: all times are the storage service's; a gap between two ticks starts both anew, for nobody was
 * there; so does a clock that jumped back by more than one, for what was recorded lies ahead of it; a
 * canary that failed leaves a time that no window can reach, until one gets through again.
 */
import { monitorKind } from '../../documents/monitor.ts';
import type { MonitorDocument } from '../../documents/monitor.ts';
import type { Documents } from '../../documents/store.ts';
import { documents as names } from '../../kernel/names.ts';
import { CURRENT_VERSION } from '../../kernel/versions.ts';

/** `canarySinceMs` while the last canary did not get through: later than any time. */
export const NOT_THROUGH = Number.MAX_SAFE_INTEGER;

/** The watch after one more tick. Pure. Times in milliseconds on the service's clock; `gapMs` is the longest gap. */
export function nextWatch(
  before: MonitorDocument | undefined,
  tick: { nowMs: number; through: boolean; gapMs: number },
): MonitorDocument {
  const { nowMs, through } = tick;
  const awake = before !== undefined && Math.abs(nowMs - before.lastTickMs) <= tick.gapMs;
  const canarySinceMs = awake && before.canarySinceMs !== NOT_THROUGH ? before.canarySinceMs : nowMs;
  return {
    ...(before ?? { version: CURRENT_VERSION }),
    // Two ticks that overlap may be recorded the other way round: that is no jump.
    lastTickMs: awake ? Math.max(nowMs, before.lastTickMs) : nowMs,
    awakeSinceMs: awake ? before.awakeSinceMs : nowMs,
    canarySinceMs: through ? canarySinceMs : NOT_THROUGH,
  };
}

/** Records a tick. Errors: UNAVAILABLE, CONFLICT when many monitors tick at once. */
export async function keepWatch(
  documents: Documents,
  tick: { through: boolean; gapMs: number },
): Promise<MonitorDocument> {
  const { held } = await documents.record(monitorKind, names.monitor, (found, { serviceNowMs }) =>
    nextWatch(found?.value, { ...tick, nowMs: serviceNowMs }),
  );
  return held.value;
}
