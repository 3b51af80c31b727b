/**
 * The clock as a port. Production code never reads the time where it stands, so that the simulator owns it.
 *
 * Wall time is for people and for records. Deadlines that safety hangs on use boot time, which runs through sleep and
 * is never set; cloud-side time is the storage service's own (`ports/state.ts`), never an instance's.
 */
export interface Clock {
  /** Milliseconds since 1970-01-01T00:00:00Z, as this machine believes. May jump. */
  wallMs(): number;
  /** Milliseconds since this machine booted; runs through sleep and never jumps back within one boot. */
  bootMs(): number;
  /**
   * Wall time on a clock of the hardware that runs on while this whole machine stands still, as a virtual one may without boot
   * time or wall time noticing; in whole seconds. Undefined where none can be read.
   */
  hardwareMs?(): number | undefined;
  /** Resolves after `ms` milliseconds, or rejects with the signal's reason when it is aborted before. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The latest wall time that is a date, in milliseconds since 1970. Source: ECMA-262, "Time Values and Time Range". */
export const WALL_MS_MAX = 8_640_000_000_000_000;

/** Randomness as a port. */
export interface Random {
  /** `count` bytes that nobody can predict. */
  bytes(count: number): Uint8Array;
}
