/**
 * The record of a witness, as each of its words leaves it: the run of one verdict, however long that lasts.
 *
 * Invariants: a run ends with another verdict, and with a silence of more than {@link WORDS_MISSED_MAX} of the witness's
 * intervals, for nobody knows what it would have said; a word that arrives late can shorten a run of `down`, never lengthen
 * one; after the clock jumped back, a record from ahead ends; nothing grows with time. Pure.
 */
import type { Spoken, Witness } from '../../documents/witness.ts';

/** A witness that is silent for this many of its intervals says nothing any more: two words may be lost. */
export const WORDS_MISSED_MAX = 3;

/** How long a witness may be silent without its run ending, in milliseconds. */
export function silenceAllowedMs({ everyMs }: Pick<Witness, 'everyMs'>): number {
  return everyMs * WORDS_MISSED_MAX;
}

/** The record after one more word, which came at `atMs` on the service's clock. */
export function spoke(
  before: Spoken | undefined,
  word: { readonly verdict: Spoken['verdict']; readonly atMs: number },
  witness: Pick<Witness, 'everyMs'>,
): Spoken {
  const { verdict, atMs } = word;
  const hasJumped = before !== undefined && before.lastSeenMs - atMs > silenceAllowedMs(witness);
  if (before === undefined || hasJumped) {
    return { ...before, verdict, sinceMs: atMs, lastSeenMs: atMs, lastUpMs: verdict === 'up' ? atMs : null };
  }
  const lastUpMs = verdict === 'up' ? Math.max(atMs, before.lastUpMs ?? 0) : before.lastUpMs;
  if (atMs < before.lastSeenMs) {
    // A late word tells of the past, not of the present; but a site that was not `down` then has not been `down` all along.
    const breaks = before.verdict === 'down' && verdict !== 'down' && atMs >= before.sinceMs;
    return { ...before, sinceMs: breaks ? before.lastSeenMs : before.sinceMs, lastUpMs };
  }
  const goesOn = before.verdict === verdict && atMs - before.lastSeenMs <= silenceAllowedMs(witness);
  return { ...before, verdict, sinceMs: goesOn ? before.sinceMs : atMs, lastSeenMs: atMs, lastUpMs };
}

/**
 * The last tick at which the monitor had been awake for a whole window: this one if it has, else the one before. It
 * shows a monitor that starts anew again and again, however often it does.
 */
export function watchedUntilMs(
  beforeMs: number | undefined,
  at: { readonly nowMs: number; readonly awakeSinceMs: number; readonly windowMs: number },
): number {
  const { nowMs, awakeSinceMs, windowMs } = at;
  return beforeMs === undefined || awakeSinceMs <= nowMs - windowMs ? nowMs : beforeMs;
}
