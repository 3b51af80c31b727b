/**
 * Whether a plan fits what it hangs on as things stand: its group's lease and margin, its site's witnesses and how long its
 * guards take to stop, how the monitor is set. Pure.
 *
 * Invariant: a plan is judged by this one function wherever it is stored or gone by, or something that it hangs on is changed.
 */
import type { GroupDocument } from '../../documents/group.ts';
import type { Plan } from '../../documents/plan.ts';
import type { Witness } from '../../documents/witness.ts';
import type { GroupWord } from '../../protocol/heartbeat.ts';
import { USUAL_STOP } from '../../protocol/stop-times.ts';
import { brokenBounds } from './bounds.ts';
import { USUAL_ASSUMPTIONS } from '../term/margin.ts';

export interface Fitted {
  readonly plan: Pick<Plan, 'windowMs' | 'alertAfterMs' | 'stopping'>;
  readonly group: Pick<GroupDocument, 'leaseMs' | 'marginMs'>;
  readonly witnesses: readonly Pick<Witness, 'name' | 'everyMs'>[];
  /** What the site's newest heartbeat says of the group, if it names it: its word on how long its guards take counts first. */
  readonly word: Pick<GroupWord, 'stopMs' | 'killMs'> | undefined;
  /** The longest gap between two ticks of the monitor that counts as awake. */
  readonly gapMs: number;
}

/** Every inequality that does not hold, a line each with its numbers; none where all do. */
export function whyUnfit({ plan, group, witnesses, word, gapMs }: Fitted): readonly string[] {
  const { stopMs = USUAL_STOP.stopMs, assumptions = USUAL_ASSUMPTIONS } = plan.stopping ?? {};
  return brokenBounds({
    leaseMs: group.leaseMs,
    marginMs: group.marginMs,
    stopMs: word?.stopMs ?? stopMs,
    assumptions: { ...assumptions, killMs: word?.killMs ?? assumptions.killMs },
    windowMs: plan.windowMs,
    witnesses,
    gapMs,
    alertAfterMs: plan.alertAfterMs,
  });
}
