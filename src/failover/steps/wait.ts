/**
 * wait: until the last lease that can have been granted is over, margin included, by the storage service's clock.
 */
import { groupKind } from '../../documents/group.ts';
import { LeewardError } from '../../kernel/errors.ts';
import { documents as names } from '../../kernel/names.ts';
import type { Step } from '../ports.ts';

/**
 * The service's times have whole seconds, cut off: what is recorded for one moment may have happened almost a second
 * later. Source: RFC 9110, "HTTP-date", which Last-Modified and Date are.
 */
const SERVICE_CLOCK_GRAIN_MS = 1000;

export const wait: Step = async ({ ports, group, run }) => {
  const { held, serviceNowMs } = await ports.documents.readWithTime(groupKind, names.group(group));
  const closing = held?.value.closing;
  if (!held || closing?.run !== run.run) {
    throw new LeewardError('REFUSED', `run ${run.run} did not close its group: the control store may be rolled back`);
  }
  const { leaseMs, marginMs } = held.value;
  const leftMs = closing.lastGrantMs + SERVICE_CLOCK_GRAIN_MS + leaseMs + marginMs - serviceNowMs;
  if (leftMs <= 0) return { kind: 'done', detail: 'the last lease and its margin are over' };
  return { kind: 'again', afterMs: leftMs, detail: `the last lease and its margin are over in ${leftMs} ms` };
};
