/**
 * Making a volume stand still while it is read, as a port: its applications wait, and have written everything they hold.
 *
 * Promises an adapter keeps: whatever becomes of this process, what is held goes on again; nothing is held for longer than
 * the adapter's own limit.
 */
export interface Quiesce {
  /**
   * Resolves once the volume stands still. Errors: UNAVAILABLE where it cannot be made to, and then nothing is held; the
   * signal's reason.
   */
  hold(signal?: AbortSignal): Promise<HeldStill>;
}

export interface HeldStill {
  /** Lets the applications go on, and says whether the volume stood still until now. Never rejects; can be repeated. */
  release(): Promise<boolean>;
}
