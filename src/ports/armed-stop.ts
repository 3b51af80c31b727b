/**
 * A stop that is armed outside the guard's process, as a port: what ends the applications when the guard cannot.
 *
 * Promises an adapter keeps: once `arm` has resolved, everything of the applications is killed at that time on boot time,
 * however this process fares, and nothing kills it earlier; an arming replaces the one before in one step, so that there
 * is one at any moment; after a reboot nothing is armed.
 */
export interface ArmedStop {
  /** Arms it for `untilBootMs`. Errors: UNAVAILABLE when it cannot be made sure of: what was armed before stays. */
  arm(untilBootMs: number): Promise<void>;
  /** Nothing kills them any more. Errors: UNAVAILABLE: what was armed may be. */
  disarm(): Promise<void>;
  /** For when it is armed, on boot time; 0 where nothing is. */
  armedBootMs(): Promise<number>;
}
