/**
 * What people took offline on purpose above the single application: a machine, a group, the whole site. The command writes
 * the marks and the agent reads them, so that one can be set while the agent is dead.
 *
 * Invariants: each has an end, at most {@link OFFLINE_MS_MAX} away; at its end it means nothing any more; one is written or
 * removed without touching another.
 */
import { LeewardError } from '../../kernel/errors.ts';
import { CURRENT_VERSION } from '../../kernel/versions.ts';
import type { KeptTexts } from '../../ports/kept-texts.ts';
import type { OfflineMark } from '../decide/policies.ts';
import { markSchema, readRecord, writeRecord } from './records.ts';

/** As long as the cloud believes one: docs/site-protocol.md, "Heartbeat". */
export const OFFLINE_MS_MAX = 30 * 86_400_000;

/** What is marked, without its end. */
export type Marked = Pick<OfflineMark, 'what' | 'name'>;

function nameOf({ what, name }: Marked): string {
  return what === 'site' ? 'site' : `${what}.${name}`;
}

/** Marks it. Errors: USAGE for an end that has passed, or is too far away. */
export async function setMark(texts: KeptTexts, mark: OfflineMark, nowWallMs: number): Promise<void> {
  const { what, name, untilWallMs } = mark;
  if (untilWallMs <= nowWallMs) throw new LeewardError('USAGE', `${what} ${name}: the end has passed already`);
  if (untilWallMs > nowWallMs + OFFLINE_MS_MAX) {
    throw new LeewardError('USAGE', `${what} ${name}: give an end at most 30 days from now`);
  }
  await writeRecord(texts, nameOf(mark), markSchema, { version: CURRENT_VERSION, what, name, untilWallMs });
}

/** Takes the mark away; one that is not there is well. */
export async function clearMark(texts: KeptTexts, of: Marked): Promise<void> {
  await texts.remove(nameOf(of));
}

/** All marks, ended ones too. Errors: DOCUMENT_INVALID, VERSION_TOO_NEW. */
export async function readMarks(texts: KeptTexts): Promise<readonly OfflineMark[]> {
  const marks: OfflineMark[] = [];
  for (const name of await texts.list()) {
    // It may be taken away between the two.
    const mark = await readRecord(texts, name, markSchema);
    if (mark !== undefined) marks.push(mark);
  }
  return marks;
}

/** Of the marks on this that are in effect, the end of the one that lasts longest. */
export function offlineUntilMs(
  marks: readonly OfflineMark[],
  of: readonly Marked[],
  nowWallMs: number,
): number | undefined {
  const ends = marks
    .filter(({ what, name }) => of.some((one) => one.what === what && (what === 'site' || one.name === name)))
    .map(({ untilWallMs }) => untilWallMs)
    .filter((untilWallMs) => untilWallMs > nowWallMs);
  return ends.length === 0 ? undefined : Math.max(...ends);
}
