/**
 * Who decides on a group: its plan shown and changed, and whether it fits what it hangs on: the group's lease and margin, its
 * site's witnesses and how long its guards take to stop, the monitor's gap.
 *
 * Invariant: whoever stores a plan, or changes what one hangs on, asks here first; a plan that does not fit is refused with the
 * inequality that fails, and nothing is written.
 */
import { groupKind } from '../documents/group.ts';
import type { GroupDocument } from '../documents/group.ts';
import { mayMoveUnasked, planKind } from '../documents/plan.ts';
import type { Plan } from '../documents/plan.ts';
import { heartbeatKind, siteKind, witnessesOf } from '../documents/site.ts';
import type { SiteDocument } from '../documents/site.ts';
import type { Documents } from '../documents/store.ts';
import { whyUnfit } from '../health/bounds/fit.ts';
import { whyNotByItself } from '../health/decide/site-failure.ts';
import { LeewardError } from '../kernel/errors.ts';
import type { GroupRef, SiteRef } from '../kernel/ids.ts';
import { documents as names } from '../kernel/names.ts';
import { firstIssue } from '../kernel/schema.ts';
import type { GroupWord } from '../protocol/heartbeat.ts';
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

/** A plan, with what it has to fit. */
export interface PlanAtSite {
  readonly plan: Plan;
  readonly group: Pick<GroupDocument, 'leaseMs' | 'marginMs'>;
  readonly site: Pick<SiteDocument, 'witnesses'>;
  /** What the site's newest heartbeat says of the group, if it names it. */
  readonly word?: GroupWord | undefined;
}

/** Errors: USAGE with every inequality that does not hold. */
export function checkFits(of: PlanAtSite, timing: Timing): void {
  const broken = brokenBy(of, timing);
  if (broken.length > 0)
    throw new LeewardError('USAGE', `the plan of ${of.plan.group} does not fit: ${broken.join('; ')}`);
}

function brokenBy({ plan, group, site, word }: PlanAtSite, { everyMs, gapMs }: Timing): readonly string[] {
  return whyUnfit({ plan, group, witnesses: witnessesOf(site, everyMs), word, gapMs });
}

/** What the site's newest heartbeat says of its groups. */
export async function groupWords(documents: Documents, site: SiteRef): Promise<readonly GroupWord[]> {
  return (await documents.read(heartbeatKind, names.heartbeat(site)))?.value.heartbeat.groups ?? [];
}

/** What of a plan says who decides. */
export type Deciding = Pick<Plan, 'mode' | 'consents' | 'windowMs' | 'noAnswer' | 'answerMs' | 'alertAfterMs'>;

/**
 * Changes who decides on a group, and when. Errors: NOT_FOUND for a group without a plan; USAGE for a plan that does not fit,
 * lacks a consent, or would move unasked what runs on without a lease.
 */
export async function changePlan(
  documents: Documents,
  group: GroupRef,
  of: { readonly change: Partial<Deciding>; readonly timing: Timing },
): Promise<Plan> {
  const [{ value: site }, { value: known }, words] = await Promise.all([
    documents.need(siteKind, names.site(group)),
    documents.need(groupKind, names.group(group)),
    groupWords(documents, group),
  ]);
  const word = words.find((one) => one.group === known.group);
  const { value } = await documents.update(planKind, names.plan(group), (found) => {
    const parsed = planKind.schema.safeParse({ ...found, ...of.change });
    if (!parsed.success) throw new LeewardError('USAGE', `the plan of ${found.group}: ${firstIssue(parsed.error)}`);
    const plan = parsed.data;
    if (known.lease === 'keep' && mayMoveUnasked(plan)) {
      throw new LeewardError('USAGE', `${found.group} runs on without a lease: it is never failed over by itself`);
    }
    checkFits({ plan, group: known, site, word }, of.timing);
    return plan;
  });
  return value;
}

/**
 * A group's plan, and what is missing, a reason each: why the group would not be failed over without anybody's yes as things
 * stand, and what no longer fits, since sites set their own times.
 */
export async function planOf(
  documents: Documents,
  group: GroupRef,
  timing: Timing,
): Promise<{ readonly plan: Plan; readonly missing: readonly string[] }> {
  const [{ value: site }, { value: known }, { value: plan }, words] = await Promise.all([
    documents.need(siteKind, names.site(group)),
    documents.need(groupKind, names.group(group)),
    documents.need(planKind, names.plan(group)),
    groupWords(documents, group),
  ]);
  const word = words.find((one) => one.group === known.group);
  const missing = whyNotByItself({
    witnesses: witnessesOf(site, timing.everyMs).map((witness) => ({ ...witness, spoken: null })),
    consents: plan.consents,
    keep: known.lease === 'keep',
    nodes: word?.nodes ?? [],
    guards: (known.guards ?? []).map(({ node }) => node),
    renewals: known.renewals,
    term: known.term,
  });
  return { plan, missing: [...missing, ...brokenBy({ plan, group: known, site, word }, timing)] };
}
