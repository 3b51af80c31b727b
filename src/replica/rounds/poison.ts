/**
 * The poison queues: what failed too often goes back to work if it is sound, and is set aside if it is not.
 *
 * Invariants: a message is deleted only after it lies elsewhere; one that cannot be judged now stays and keeps no other
 * waiting. The platform gives poisoned messages seven days, so whoever sweeps must do so more often.
 */
import { describeError, isLeewardError } from '../../kernel/errors.ts';
import { poisonQueue } from '../../kernel/names.ts';
import type { Queues, TakenMessage } from '../../ports/queue.ts';

/** A queue, and who can judge what is in it. */
export interface JudgedQueue {
  readonly queue: string;
  /** Whether a message that failed is worth another try. Errors: passing faults, for which it stays. */
  isSound(text: string): Promise<boolean>;
  /** Keeps aside what is not, with its reason. `body` is not even text that a sender could have meant if it is no base64. */
  setAside(body: string): Promise<void>;
}

/** Messages taken from a queue at once, and how long they are hidden meanwhile. */
const TAKEN = 32;
const HIDDEN_MS = 5 * 60_000;

/** How long a sound message waits before it is tried again: what made it fail may take a while to pass. */
const RETRY_DELAY_MS = 30_000;

export interface Revived {
  readonly requeued: number;
  readonly setAside: number;
  readonly failed: readonly { readonly what: string; readonly reason: string }[];
}

/** Looks once at the poison queue beside `of`. */
export async function revivePoison(queues: Queues, of: JudgedQueue): Promise<Revived> {
  const poison = poisonQueue(of.queue);
  const failed: { what: string; reason: string }[] = [];
  let requeued = 0;
  let setAside = 0;
  for (const message of await queues.take(poison, { countMax: TAKEN, hiddenMs: HIDDEN_MS })) {
    try {
      if (await revive(queues, of, message)) requeued += 1;
      else setAside += 1;
    } catch (error) {
      failed.push({ what: poison, reason: describeError(error) });
    }
  }
  return { requeued, setAside, failed };
}

/** True when the message went back to its queue; false when it was set aside. */
async function revive(queues: Queues, of: JudgedQueue, message: TakenMessage): Promise<boolean> {
  const text = decodeBody(message.body);
  const sound = text !== undefined && (await of.isSound(text));
  if (sound) await queues.send(of.queue, text, { delayMs: RETRY_DELAY_MS });
  else await of.setAside(text ?? message.body);
  try {
    await message.done();
  } catch (error) {
    // Its invisibility ran out: whoever has it now does the same, and a repeated message is harmless.
    if (!isLeewardError(error, 'NOT_FOUND')) throw error;
  }
  return sound;
}

/** The text in a message's body; undefined if it is not base64 of UTF-8, as the host demands it. */
function decodeBody(body: string): string | undefined {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(body) || body.length % 4 !== 0) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(body, 'base64'));
  } catch {
    return undefined;
  }
}
