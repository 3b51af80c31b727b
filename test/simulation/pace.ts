/** How fast a simulated world lives. Virtual time is free, but each sweep and each heartbeat in it costs. */

export interface Pace {
  /** For how long faults happen. */
  readonly faultsMs: number;
  /** Within what time after the last fault sweeps alone bring every volume to its tip. */
  readonly sweptWithinMs: number;
  /** Within what time after that everything has come to rest. */
  readonly restWithinMs: number;
  readonly sweepMs: number;
  /** How long a worker waits at most between two looks for unnamed snapshots. */
  readonly cleanMsMax: number;
  readonly heartbeatMs: number;
  /** After how long without progress a site sends again. */
  readonly resendMs: number;
  /** How long a site waits at most before it makes the next delta. */
  readonly makeMsMax: number;
  /** How late a message comes at most. */
  readonly delayMsMax: number;
  readonly stallMsMax: number;
  /** How long a server-side copy takes at most while there are faults. */
  readonly copyMsMax: number;
  /** How long upkeep keeps what nobody needs. */
  readonly keptMs: number;
  /** How likely a message is to kill whoever takes it, until it is poison. */
  readonly deadly: number;
}

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/** A busy minute. */
export const BRISK: Pace = {
  faultsMs: MINUTE_MS,
  sweptWithinMs: 150 * SECOND_MS,
  restWithinMs: HOUR_MS,
  sweepMs: 20 * SECOND_MS,
  cleanMsMax: 8 * SECOND_MS,
  heartbeatMs: 5 * SECOND_MS,
  resendMs: 45 * SECOND_MS,
  makeMsMax: 6 * SECOND_MS,
  delayMsMax: 8 * SECOND_MS,
  stallMsMax: 30 * SECOND_MS,
  copyMsMax: 15 * SECOND_MS,
  keptMs: 40 * SECOND_MS,
  deadly: 0,
};

/** Half a night: messages come hours late, workers stall for as long, and one message kills five workers. */
export const SLOW: Pace = {
  faultsMs: 3 * HOUR_MS,
  sweptWithinMs: HOUR_MS,
  restWithinMs: 48 * HOUR_MS,
  sweepMs: 5 * MINUTE_MS,
  cleanMsMax: 20 * MINUTE_MS,
  heartbeatMs: 5 * MINUTE_MS,
  resendMs: 40 * MINUTE_MS,
  makeMsMax: 25 * MINUTE_MS,
  delayMsMax: 6 * HOUR_MS,
  stallMsMax: 2 * HOUR_MS,
  copyMsMax: 40 * MINUTE_MS,
  keptMs: HOUR_MS,
  deadly: 0.06,
};
