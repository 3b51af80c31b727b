/**
 * Whether something is to be done about a machine, by the weight of its applications. Made at the site, without the cloud.
 * Pure: what it was made from is stored, and gives the same verdict in the same words again.
 *
 * Invariants: nothing is done unless at least one application has failed with its restart attempts used up, whatever the
 * policy; nothing is done to what people took offline on purpose; a tie acts; the order of the applications means nothing.
 */
import { LeewardError } from '../../kernel/errors.ts';

/** The largest priority: sums of thousands of them stay far inside the numbers that are exact. */
export const PRIORITY_MAX = 1_000_000;

/**
 * Sums nearer than this to each other, as a share of the larger, are a tie: 0.1 and 0.2 weigh what 0.3 does, though the sum of
 * the two doubles is a little more.
 */
const TIE_SHARE = 1e-12;

/** What decides about the machine. */
export const MACHINE_POLICIES = [
  /**
   * The application of highest priority: failed, something is done; offline on purpose or running, nothing. Of several with
   * the same highest priority any failed one decides.
   */
  'highest-decides',
  /** The failed applications' priorities against those of the running; what is offline on purpose is on neither side. */
  'failed-against-running',
  /** The same, with what is offline on purpose on the side of the running. */
  'failed-against-running-and-offline',
] as const;

export type MachinePolicy = (typeof MACHINE_POLICIES)[number];

/** One application of the machine. */
export type MachineApplication = {
  readonly name: string;
  /** Its weight: above zero, at most {@link PRIORITY_MAX}. */
  readonly priority: number;
  /**
   * `failed` is only what has used up its restart attempts. One that fails with attempts left counts as `running`: those
   * attempts are the milder remedy and under way, and to act on the machine meanwhile would take them away, and the
   * machine's other applications with them. `offline` is what people stopped on purpose.
   */
  readonly state: 'running' | 'failed' | 'offline';
};

/** The machine itself, its group or its site, taken offline on purpose: all its applications count as offline until then. */
export type OfflineMark = {
  readonly what: 'machine' | 'group' | 'site';
  readonly name: string;
  /** The first moment that it is no longer offline. Wall time, because a person set it: milliseconds since 1970. */
  readonly untilWallMs: number;
};

/** All that the decision is made from. */
export interface MachineHistory {
  readonly policy: MachinePolicy;
  readonly applications: readonly MachineApplication[];
  /** Marks on this machine, its group and its site, ended ones too. */
  readonly offline: readonly OfflineMark[];
  readonly nowWallMs: number;
}

/** The priorities summed by state, with the marks taken into account. */
export interface WeightSums {
  readonly failed: number;
  readonly running: number;
  readonly offline: number;
}

export interface MachineVerdict {
  /** `act`: the next step of the escalation is due (`nextStep`). */
  readonly verdict: 'nothing' | 'act';
  /** Why, in words. */
  readonly reason: string;
  readonly sums: WeightSums;
}

/**
 * Decides about one machine. Errors: USAGE, with all faults at once, where a priority or an end time is out of its range; no
 * verdict is given on such numbers, because a comparison with them would say "nothing" for ever.
 */
export function decideMachine(history: MachineHistory): MachineVerdict {
  refuseFaults(history);
  const mark = markInEffect(history);
  const applications = history.applications.map((application) =>
    mark === undefined ? application : { ...application, state: 'offline' as const },
  );
  const sums = {
    failed: weight(applications, 'failed'),
    running: weight(applications, 'running'),
    offline: weight(applications, 'offline'),
  };
  if (mark !== undefined) {
    const until = new Date(mark.untilWallMs).toISOString();
    return { verdict: 'nothing', reason: `${mark.what} ${mark.name} is offline on purpose until ${until}`, sums };
  }
  if (!applications.some(({ state }) => state === 'failed')) {
    return { verdict: 'nothing', reason: 'no application has failed with its restart attempts used up', sums };
  }
  const { isDue, reason } =
    history.policy === 'highest-decides'
      ? byHighest(applications)
      : bySums(applications, sums, history.policy === 'failed-against-running-and-offline');
  return { verdict: isDue ? 'act' : 'nothing', reason, sums };
}

interface Judgement {
  readonly isDue: boolean;
  readonly reason: string;
}

function byHighest(applications: readonly MachineApplication[]): Judgement {
  const highest = Math.max(...applications.map(({ priority }) => priority));
  const top = applications.filter(({ priority }) => priority === highest);
  const failed = top.filter(({ state }) => state === 'failed');
  const deciding = failed.length > 0 ? failed : top;
  const words = { failed: 'has failed', running: 'is running', offline: 'is offline on purpose' };
  const said = deciding.map(({ name, state }) => `${name} ${words[state]}`).join(', ');
  return { isDue: failed.length > 0, reason: `the highest priority (${highest}) decides: ${said}` };
}

function bySums(applications: readonly MachineApplication[], sums: WeightSums, isOfflineRunning: boolean): Judgement {
  const { failed, running, offline } = sums;
  const against = isOfflineRunning ? running + offline : running;
  const isTie = Math.abs(failed - against) <= TIE_SHARE * Math.max(failed, against);
  const isDue = isTie || failed > against;
  const names = applications.filter(({ state }) => state === 'failed').map(({ name }) => name);
  const offlineSide = isOfflineRunning ? `offline ${offline} beside them` : `offline ${offline} on neither side`;
  const outcome = isTie ? 'a tie, which acts' : isDue ? 'the failed outweigh' : 'the failed do not outweigh';
  const scales = `failed ${failed} (${names.join(', ')}) against ${against} (running ${running}, ${offlineSide})`;
  return { isDue, reason: `${scales}: ${outcome}` };
}

/** Of several that are in effect, the one that lasts longest: it says when the machine is decided about again. */
function markInEffect({ offline, nowWallMs }: MachineHistory): OfflineMark | undefined {
  return offline
    .filter(({ untilWallMs }) => nowWallMs < untilWallMs)
    .toSorted((a, b) => b.untilWallMs - a.untilWallMs)[0];
}

function weight(applications: readonly MachineApplication[], of: MachineApplication['state']): number {
  return applications.reduce((sum, { priority, state }) => (state === of ? sum + priority : sum), 0);
}

function refuseFaults({ applications, offline }: MachineHistory): void {
  const faults = [
    ...applications
      .filter(({ priority }) => !(priority > 0 && priority <= PRIORITY_MAX))
      .map(
        ({ name, priority }) => `application ${name}: priority ${priority} is not above 0 and at most ${PRIORITY_MAX}`,
      ),
    ...offline
      .filter(({ untilWallMs }) => Number.isNaN(new Date(untilWallMs).getTime()))
      .map(({ what, name, untilWallMs }) => `${what} ${name}: ${untilWallMs} is no end time`),
  ];
  if (faults.length > 0) throw new LeewardError('USAGE', faults.join('; '));
}
