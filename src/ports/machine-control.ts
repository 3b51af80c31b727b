/**
 * Control of a machine of the site from outside it, as a port: the step that is left when what runs in it answers no more.
 *
 * Promises an adapter keeps: a call always comes back, whatever the machine and its control do; nothing is changed but by
 * `restart`, which touches no disk and no other machine.
 *
 * Whether a machine stands still on purpose no control can tell: QEMU pauses one at a panic too. People say it, by
 * `leeward machine offline`, and then nothing is decided about it.
 */

export interface MachineControl {
  /**
   * Resets it in place, as the button on a machine does: what it had not written is lost. Resolves once it was begun anew and
   * runs, also where it was paused before; its programs start after that. Repeating it resets it again. Errors: UNAVAILABLE
   * when nothing of it is there, or its control does not answer, and then it may still be reset late; PLATFORM_FAILED when it
   * refuses; DENIED when its control is not for us; the signal's reason.
   */
  restart(signal: AbortSignal): Promise<void>;
}
