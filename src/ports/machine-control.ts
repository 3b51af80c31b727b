/**
 * Control of a machine of the site from outside it, as a port: the step that is left when what runs in it answers no more.
 *
 * Promises an adapter keeps: a call always comes back, whatever the machine and its control do; nothing is changed but by
 * `restart`, which touches no disk and no other machine.
 */

/** Off means that nothing of it is there, or that it was switched off; paused, that it is there and stands still. */
export type MachineState = 'running' | 'paused' | 'off';

export interface MachineControl {
  /** What its control says of it; that says nothing of what runs in it. Errors: UNAVAILABLE when the control does not answer. */
  state(): Promise<MachineState>;
  /**
   * Resets it in place, as the button on a machine does: what it had not written is lost. Resolves once it was begun anew and
   * runs, also where it was paused before; its programs start after that. Repeating it resets it again. Errors: UNAVAILABLE
   * when nothing of it is there, or its control does not answer, and then it may still be reset late; PLATFORM_FAILED when it
   * refuses; DENIED when its control is not for us; the signal's reason.
   */
  restart(signal: AbortSignal): Promise<void>;
}
