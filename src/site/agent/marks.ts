/**
 * What people took offline on purpose above the single application: a machine, a group, the whole site. The command writes
 * the marks and the agent reads them, so that one can be set while the agent is dead.
 *
 * Invariants: each has an end, at most {@link OFFLINE_MS_MAX} away, since the cloud believes none for longer; at its end it means
 * nothing any more; one is written or removed without touching another; a file among them that is no mark keeps
 * none of them from counting.
 */
import { LeewardError, isLeewardError } from '../../kernel/errors.ts';
import { nameSchema } from '../../kernel/ids.ts';
import { CURRENT_VERSION } from '../../kernel/versions.ts';
import type { KeptTexts } from '../../ports/kept-texts.ts';
import { OFFLINE_MS_MAX } from '../../protocol/heartbeat.ts';
import type { OfflineWord } from '../../protocol/heartbeat.ts';
import type { OfflineMark } from '../decide/policies.ts';
import { markSchema, readRecord, writeRecord } from './records.ts';

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

export interface MarksFound {
  /** Those that have ended, too. */
  readonly marks: readonly OfflineMark[];
  /** Files that are no marks, by name: what is wrong with each, in words, and what to do. */
  readonly faults: ReadonlyMap<string, string>;
}

/** All marks. Errors: those of the texts, for what cannot be read now. */
export async function readMarks(texts: KeptTexts): Promise<MarksFound> {
  const marks: OfflineMark[] = [];
  const faults = new Map<string, string>();
  for (const name of await texts.list()) {
    try {
      // A mark may be taken away between the listing and the read.
      const mark = await readRecord(texts, name, markSchema);
      if (mark === undefined) continue;
      if (nameOf(mark) !== name) throw new LeewardError('DOCUMENT_INVALID', `it names ${mark.what} ${mark.name}`);
      marks.push(mark);
    } catch (error) {
      if (!isLeewardError(error)) throw error;
      const instead = 'nothing is offline by it: remove it, and mark anew what it was for';
      faults.set(name, `${name}.json in the site's folder offline is no mark: ${error.message}: ${instead}`);
    }
  }
  return { marks, faults };
}

/** Those that are in effect, as a heartbeat lists them; a name that it would not take is none that the cloud knows. */
export function offlineWords(marks: readonly OfflineMark[], nowWallMs: number): OfflineWord[] {
  return marks
    .filter(({ what, name, untilWallMs }) => {
      return untilWallMs > nowWallMs && (what === 'site' || nameSchema.safeParse(name).success);
    })
    .map(({ what, name, untilWallMs: untilMs }) => ({ what, ...(what !== 'site' && { name }), untilMs }));
}

/** The latest end of the marks on any of these that are in effect; undefined without one. */
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
