/**
 * The site's own decisions as they are kept: each with the history that it was made from.
 *
 * Invariants: one is on stable storage before anything is done about it; of each machine the newest {@link KEPT_MAX} are
 * kept; an id is never given twice.
 */
import { LeewardError } from '../../kernel/errors.ts';
import type { KeptTexts } from '../../ports/kept-texts.ts';
import { machineDecisionSchema } from '../decide/decision.ts';
import type { MachineDecision } from '../decide/decision.ts';
import { readRecord, writeRecord } from './records.ts';

/** Decisions of one machine. */
const KEPT_MAX = 100;

/** Form of an id: the machine, a dot, and a number that grows. */
const ID = /^([a-z0-9-]+)\.(\d{13,16})$/;

/** Whether it is the id of a decision about a machine. */
export function isMachineDecision(id: string): boolean {
  return ID.test(id);
}

/** An id above all that the machine's decisions have so far: the time, where the clock was not set back. */
export async function newDecisionId(texts: KeptTexts, machine: string, nowWallMs: number): Promise<string> {
  const last = (await idsOf(texts, machine)).at(-1);
  const number = Math.max(Math.floor(nowWallMs), Number(last === undefined ? 0 : numberOf(last)) + 1);
  return `${machine}.${String(number).padStart(13, '0')}`;
}

/** Keeps the decision, and removes the machine's oldest beyond {@link KEPT_MAX}. */
export async function keepDecision(texts: KeptTexts, decision: MachineDecision): Promise<void> {
  await writeRecord(texts, decision.decision, machineDecisionSchema, decision);
  for (const old of (await idsOf(texts, decision.machine)).slice(0, -KEPT_MAX)) await texts.remove(old);
}

/** One decision. Errors: NOT_FOUND, DOCUMENT_INVALID, VERSION_TOO_NEW. */
export async function readDecision(texts: KeptTexts, id: string): Promise<MachineDecision> {
  const found = isMachineDecision(id) ? await readRecord(texts, id, machineDecisionSchema) : undefined;
  if (found === undefined) throw new LeewardError('NOT_FOUND', `this site keeps no decision ${id}`);
  return found;
}

/** Ids of all that are kept, each machine's oldest first. */
export async function listDecisions(texts: KeptTexts): Promise<readonly string[]> {
  return (await texts.list()).filter(isMachineDecision);
}

async function idsOf(texts: KeptTexts, machine: string): Promise<string[]> {
  const own = (await texts.list()).filter((id) => ID.exec(id)?.[1] === machine);
  return own.toSorted((a, b) => Number(numberOf(a)) - Number(numberOf(b)));
}

function numberOf(id: string): string {
  return ID.exec(id)?.[2] ?? '0';
}
