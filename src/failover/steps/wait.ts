/**
 * wait: until every guard has promised, or the last lease that can have been granted is over, margin included, by the
 * storage service's clock. Where leases keep, only promises or a person's word end it.
 */
import { groupKind } from '../../documents/group.ts';
import { describeActor } from '../../documents/actor.ts';
import { untilStoppedMs } from '../../health/term/term.ts';
import { LeewardError } from '../../kernel/errors.ts';
import { documents as names } from '../../kernel/names.ts';
import type { Step } from '../ports.ts';

/** How long after a look at the promises the next one is taken. */
const LOOK_MS = 2000;
/** The same where it may take a person. */
const KEEP_LOOK_MS = 10_000;

export const wait: Step = async ({ ports, group, run }) => {
  const { held, serviceNowMs } = await ports.documents.readWithTime(groupKind, names.group(group));
  if (!held)
    throw new LeewardError('REFUSED', `run ${run.run}: its group is gone: the control store may be rolled back`);
  const { value } = held;
  const leftMs = untilStoppedMs(value, run.run, serviceNowMs);
  if (value.closing?.confirmed) {
    const { actor, atMs } = value.closing.confirmed;
    const who = `${describeActor(actor)} confirmed at ${new Date(atMs).toISOString()}`;
    return { kind: 'done', detail: `${who} that nothing runs at the site` };
  }
  if (leftMs <= 0)
    return { kind: 'done', detail: 'every guard has stopped, or the last lease and its margin are over' };
  const promised = value.closing?.stopped?.length ?? 0;
  const guards = value.guards?.length ?? 0;
  if (leftMs === Infinity) {
    const told = `${promised} of ${guards} guard(s) have stopped`;
    const detail = `leases keep, and ${told}: where the others cannot, "leeward failover confirm-stopped ${value.group} --run ${run.run}" is a person's word that nothing runs there`;
    return { kind: 'again', afterMs: KEEP_LOOK_MS, detail };
  }
  const detail = `the last lease and its margin are over in ${leftMs} ms; ${promised} of ${guards} guard(s) have stopped`;
  return { kind: 'again', afterMs: guards > 0 ? Math.min(leftMs, LOOK_MS) : leftMs, detail };
};
