/**
 * What runs a virtual machine of the local ARM: a port with two adapters, QEMU and simulated.
 *
 * Promises an adapter keeps: `start` resolves when the machine's power is on (its programs may still be starting) and
 * rejects with PLATFORM_FAILED, one line and no credential in it, when it cannot be switched on; `stop` ends it for good,
 * may be called twice, and leaves the machine's disks as its last completed write left them; a machine never outlives
 * the process that started it.
 */

/** Port on which a machine answers, on its own address. */
export const MACHINE_PORT = 8080;

/** Kinds of machine: a booted one, or one that only says that it is none. */
export type MachineKind = 'qemu' | 'simulated';

/** A data disk as a machine gets it. */
export interface MachineDisk {
  readonly lun: number;
  /** The disk's own folder: what machines wrote to it. It stays the disk's when it is attached elsewhere. */
  readonly folder: string;
  /** Reads the disk's fixed VHD over HTTP, its credential included; never changed by the machine. */
  readonly url: string;
}

export interface MachineSpec {
  /** For people: logs and error messages. */
  readonly name: string;
  /** The machine's own folder, where its serial console is logged. */
  readonly folder: string;
  /** An address of the loopback network, 127.0.0.0/8, where {@link MACHINE_PORT} is free. */
  readonly address: string;
  readonly disks: readonly MachineDisk[];
}

export interface RunningMachine {
  /** False once it has ended, by {@link stop} or by itself. */
  running(): boolean;
  stop(): Promise<void>;
}

export interface MachineRunner {
  readonly kind: MachineKind;
  start(spec: MachineSpec): Promise<RunningMachine>;
}
