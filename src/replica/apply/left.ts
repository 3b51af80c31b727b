/** Whether a claim was left by its worker, found out by looking on: nobody else can tell a dead worker from a slow one. */
import { currentGeneration, hasWork } from '../../documents/volume.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { Seen } from './recalled.ts';

/** Between two looks: short at first, since most claims end soon, and longer each time. */
const LOOK_MS = { first: 250, longest: 4000 };

/** Whether a worker has a claim in the state that was seen, as far as its time tells. */
export function isClaimAlive({ held, nowMs }: Seen): boolean {
  const { claim } = currentGeneration(held.value);
  return claim !== null && claim.untilMs > nowMs;
}

/**
 * Waits until it shows whether somebody is at work on the volume whose state `met` has a living claim. False once a claim
 * moves, by its renewal or to the next delta: its worker lives, and does what there is to do. False too where there is
 * nothing to do any more, or the time is over. True when a claim ends as it was seen, and when two looks in a row
 * find work that nobody claims. Holds the state alone. Errors: those of `look`.
 */
export async function isLeft(
  met: Seen,
  { look, clock, untilBootMs }: { look: () => Promise<Seen>; clock: Clock; untilBootMs: number },
): Promise<boolean> {
  let before = met;
  let waitMs = LOOK_MS.first;
  while (clock.bootMs() < untilBootMs) {
    await clock.sleep(waitMs);
    waitMs = Math.min(2 * waitMs, LOOK_MS.longest);
    const now = await look();
    if (!hasWork(now.held.value)) return false;
    if (standsAs(before, now)) {
      if (!isClaimAlive(now)) return true;
    } else if (isClaimAlive(now)) {
      return false;
    }
    before = now;
  }
  return false;
}

/** Whether neither the claim nor what is applied has changed. */
function standsAs(before: Seen, now: Seen): boolean {
  const [one, other] = [currentGeneration(before.held.value), currentGeneration(now.held.value)];
  return (
    one.generation === other.generation &&
    one.applied.number === other.applied.number &&
    one.claim?.entry === other.claim?.entry &&
    one.claim?.untilMs === other.claim?.untilMs
  );
}
