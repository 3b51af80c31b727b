/**
 * Whether a plan fits what it hangs on: its group's lease and margin, its site's witnesses, the monitor's gap.
 *
 * Invariant: whoever stores a plan, or changes what one hangs on, asks here first; a plan that does not fit is refused with the
 * inequality that fails, and nothing is written.
 */
import type { GroupDocument } from '../documents/group.ts';
import type { Plan } from '../documents/plan.ts';
import { witnessesOf } from '../documents/site.ts';
import type { SiteDocument } from '../documents/site.ts';
import { brokenBounds } from '../health/bounds.ts';
import type { MarginAssumptions } from '../health/margin.ts';
import { LeewardError } from '../kernel/errors.ts';
import type { Settings } from './settings.ts';

/** How the monitor and the heartbeats are set. */
export interface Timing {
  /** The longest gap between two ticks of the monitor that counts as awake. */
  readonly gapMs: number;
  /** How often sites are asked for a heartbeat. */
  readonly everyMs: number;
}

export function timingOf(settings: Settings): Timing {
  return { gapMs: settings.LEEWARD_MONITOR_GAP_MS, everyMs: settings.LEEWARD_HEARTBEAT_MS };
}

/** What a group's guards are said to need, and what the margin has to cover. */
export interface Stopping {
  readonly stopMs: number;
  readonly assumptions: MarginAssumptions;
}

/** Errors: USAGE with every inequality that does not hold. */
export function checkFits(
  of: {
    readonly plan: Plan;
    readonly group: Pick<GroupDocument, 'leaseMs' | 'marginMs'>;
    readonly site: Pick<SiteDocument, 'witnesses'>;
  },
  timing: Timing,
  stopping: Stopping,
): void {
  const { plan, group, site } = of;
  const broken = brokenBounds({
    leaseMs: group.leaseMs,
    marginMs: group.marginMs,
    ...stopping,
    windowMs: plan.windowMs,
    witnesses: witnessesOf(site, timing.everyMs),
    gapMs: timing.gapMs,
    alertAfterMs: plan.alertAfterMs,
  });
  if (broken.length > 0)
    throw new LeewardError('USAGE', `the plan of ${plan.group} does not fit: ${broken.join('; ')}`);
}
