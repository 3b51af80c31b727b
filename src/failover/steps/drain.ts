/**
 * drain: what the chains hold up to their cuts is applied, a bounded piece of it each time.
 *
 * Invariants: one volume's trouble keeps no other from being drained; a chain that cannot be applied, since a delta of it
 * is lost, is tried again for a while and then given up, which the step's detail says: what is given up is no more than
 * what that volume cannot be had of.
 */
import { currentGeneration, volumeKind } from '../../documents/volume.ts';
import type { Documents } from '../../documents/store.ts';
import { describeError, isLeewardError } from '../../kernel/errors.ts';
import type { VolumeRef } from '../../kernel/ids.ts';
import { documents as names } from '../../kernel/names.ts';
import { volumesOfGroup } from '../volumes.ts';
import type { Step } from '../ports.ts';

/**
 * How long a chain that cannot be applied is waited for, from the step's beginning. The site is asked for the lost delta
 * with each heartbeat, which comes every few seconds while it lives: ten minutes outlast a restart of it. A dead site
 * never answers, and its group must not stay stopped for what nobody has.
 */
export const DRAIN_PATIENCE_MS = 10 * 60_000;

/** How soon a chain that cannot be applied is looked at again: the site has to be asked first, and to answer. */
const LOST_AFTER_MS = 5000;

export const drain: Step = async ({ ports, group, plan, nowMs, startedAtMs }) => {
  const volumes = await volumesOfGroup(ports.documents, group, plan);
  const left: string[] = [];
  const lost: string[] = [];
  const failures: unknown[] = [];
  for (const volume of volumes) {
    try {
      if ((await ports.volumes.drain(volume)) === 'more') left.push(volume.volume);
    } catch (error) {
      if (isLeewardError(error, 'DELTA_INVALID')) lost.push(await describeLost(ports.documents, volume, error));
      else failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
  const told = lost.join('; ');
  if (left.length > 0) {
    const detail = `still to be applied: ${left.join(', ')}`;
    return { kind: 'again', afterMs: 0, detail: lost.length > 0 ? `${detail}; ${told}` : detail };
  }
  if (lost.length === 0) return { kind: 'done', detail: `${volumes.length} volume(s) are applied up to their cuts` };
  if (nowMs - startedAtMs < DRAIN_PATIENCE_MS) return { kind: 'again', afterMs: LOST_AFTER_MS, detail: told };
  const given = `given up after ${DRAIN_PATIENCE_MS / 60_000} minutes, to start from the newest recovery point below`;
  return {
    kind: 'done',
    detail: `${given}: ${told}; ${volumes.length - lost.length} volume(s) are applied up to their cuts`,
  };
};

async function describeLost(documents: Documents, volume: VolumeRef, error: unknown): Promise<string> {
  const { value } = await documents.need(volumeKind, names.volume(volume));
  const { applied, cut, tip } = currentGeneration(value);
  return `${value.volume} is applied up to delta ${applied.number} of its cut ${(cut ?? tip).number}: ${describeError(error)}`;
}
