/**
 * Queues as a port. At least once, in no order, and messages never expire (time to live −1).
 */

/** A message taken from a queue outside the functions host, for the poison queues. */
export interface TakenMessage {
  /** The body as it lies in the queue: base64 of the text when it was sent by a sound sender. */
  readonly body: string;
  /** Deletes it. Errors: NOT_FOUND when its invisibility ran out and somebody else has it. */
  done(): Promise<void>;
}

export interface Queues {
  /** Sends `text` (UTF-8, base64 on the way), visible after `delayMs`. Errors: UNAVAILABLE with an unknown effect. */
  send(queue: string, text: string, options?: { delayMs?: number }): Promise<void>;

  /** Takes at most 32 messages and hides them for `hiddenMs`. A queue that does not exist has none. */
  take(queue: string, options: { countMax: number; hiddenMs: number }): Promise<readonly TakenMessage[]>;
}
