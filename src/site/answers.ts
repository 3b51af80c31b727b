/**
 * What a volume makes of the cloud's answers.
 *
 * Invariants: what an answer says is heeded in this order, each step of which does no harm when it is taken again:
 * generation, repair, base, what was acknowledged, term. Whatever shows that somebody else writes this volume's chain, or
 * that the cloud's store was set back, fails no heartbeat: the volume stands still, and says why.
 */
import { LeewardError, isLeewardError } from '../kernel/errors.ts';
import { volumeId } from '../kernel/ids.ts';
import type { VolumeRef } from '../kernel/ids.ts';
import { journalPrefix } from '../kernel/names.ts';
import type { VolumeAnswer } from '../protocol/heartbeat.ts';
import type { Base } from './base/base.ts';
import type { VolumeLog } from './chain/volume-log.ts';
import type { VolumeReport } from './send/site-link.ts';
import type { DeltaSender } from './send/delta-sender.ts';
import type { Standing } from './standing.ts';

/** What an answer has to do with. */
export interface AnsweredVolume {
  /** What the heartbeat said of the volume that the answer is to. */
  readonly report: VolumeReport | undefined;
  readonly volume: VolumeRef;
  readonly standing: Standing;
  readonly log: VolumeLog;
  readonly base: Base;
  readonly sender: DeltaSender;
}

/** Takes an answer; undefined where the cloud did not name the volume. Errors: this site's own faults, as a full disk. */
export async function takeAnswer(of: AnsweredVolume, answer: VolumeAnswer | undefined): Promise<void> {
  const { volume, standing } = of;
  standing.hear(answer);
  if (answer === undefined) {
    standing.pause(new LeewardError('NOT_FOUND', `${volumeId(volume)}: the cloud does not know this volume`));
    return;
  }
  try {
    await follow(of, answer);
  } catch (error) {
    if (!isLeewardError(error)) throw error;
    standing.pause(error);
  }
}

async function follow(of: AnsweredVolume, answer: VolumeAnswer): Promise<void> {
  const { standing, log, base, sender } = of;
  const volume = volumeId(of.volume);
  if (answer.entryPrefix !== journalPrefix(of.volume, answer.generation)) {
    throw new LeewardError('REFUSED', `${volume}: the cloud names its journal otherwise than this program does`);
  }
  await followGeneration(of, answer);
  // Before the base is taken for ready: its delta 1 must hold the repair.
  if (answer.repair) await log.comparison.repair(answer.repair);
  await base.hear(answer, of.report);
  const before = log.state?.acknowledged.number;
  await log.acknowledge(answer.acknowledged, answer.appliedNumber);
  const { generation, acknowledged } = answer;
  if (acknowledged.number !== before) await sender.noteProgress({ generation, number: acknowledged.number });
  sender.noteReleased(log.state?.releasedNumber ?? 0);
  if (!answer.writable) {
    standing.standBy(new LeewardError('REFUSED', `${volume}: term ${answer.term} has ended for this site: on standby`));
    return;
  }
  if (answer.term !== log.state?.term) {
    // What is left over of the term before belongs to no chain any more.
    if (log.waiting.length > 0) standing.wantGeneration();
    await log.continueIn(answer.term);
  }
  standing.goOn();
}

/** Begins the generation that the answer is of, where that is a new one. */
async function followGeneration(of: AnsweredVolume, answer: VolumeAnswer): Promise<void> {
  const { standing, log, base, sender } = of;
  const volume = volumeId(of.volume);
  const { generation, term } = answer;
  const { state } = log;
  const isNew = state === undefined || generation > state.generation;
  if (!isNew && (generation < state.generation || term < state.term)) {
    throw new LeewardError(
      'REFUSED',
      `${volume}: the cloud speaks of generation ${generation}, term ${term}, and was at ${state.generation}, ${state.term}: its store was set back; nothing is sent until a person has looked`,
    );
  }
  const why = whyImpossible(isNew ? undefined : state, answer);
  if (why !== undefined) {
    standing.wantGeneration();
    throw new LeewardError('REFUSED', `${volume}: generation ${generation}: ${why}: another generation was asked for`);
  }
  if (!isNew) return;
  await log.begin({ generation, term, from: answer.base?.from });
  sender.forget();
  base.forget();
  standing.begin();
}

/**
 * Why nothing can ever come of the generation here; undefined where it can. Without a `state` nothing is known of it, and
 * it must not be begun either: what is begun goes on after a restart without a word of the cloud, and would fork the chain.
 */
function whyImpossible(state: VolumeLog['state'], { acknowledged, base }: VolumeAnswer): string | undefined {
  if ((state?.last.number ?? 0) === 0 && acknowledged.number > 0) {
    return `the cloud has ${acknowledged.number} deltas of it and nothing of them is known here`;
  }
  // An upload that was asked for and that the cloud did not speak of may have been opened late.
  if (state?.base === null && state.last.number > 0 && base !== undefined) {
    return 'the cloud makes it from a base, and here it was begun without one';
  }
  return undefined;
}
