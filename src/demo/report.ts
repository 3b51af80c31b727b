/** What a demo has shown: one JSON document, which other programs read (docs/cli.md, "The demo"). */
import type { Scenario } from './stage.ts';
import type { Tally } from './tally.ts';
import type { Writes } from './who-wrote-when.ts';

/** Each is true or false, and only if all are true everything was proved. */
export interface Proofs {
  /** The run's actor is the monitor, by a decision of its own: nobody called for the failover. */
  readonly failedOverByItself: boolean;
  /**
   * When the agent alone was killed, the application ran on under its guard, and no failover began. Only with the demo's own
   * volume.
   */
  readonly agentAloneStoppedNothing?: boolean;
  /** The application was gone before the cloud ended the site's term. */
  readonly applicationGoneBeforeTermEnded: boolean;
  /** The site's last write was before the cloud's first. Only where a machine boots, and something writes. */
  readonly lastWriteBeforeFirstInCloud?: boolean;
  /** When the site came back, it heard who has the term, said so, and started nothing. Only after a partition. */
  readonly siteStaysOnStandby?: boolean;
  /** An interval in which nothing was written made no delta and sent nothing. */
  readonly unchangedIntervalSentNothing: boolean;
  /** The replica is a fixed VHD that Azure would import, of the volume's size in whole MiB. */
  readonly replicaIsFixedVhd: boolean;
  /** Every byte of the replica is the volume's, zeros beyond its end. */
  readonly replicaEqualsVolume: boolean;
  /** The disk of the machine has the same hash as the replica. */
  readonly diskEqualsReplica: boolean;
  /** The file that was written last before the last point is on the machine's disk, as it stood at the site then. */
  readonly lastFileReadBack?: boolean;
  /** Files of the volume, spread over all of them, are on the machine's disk, byte for byte. */
  readonly filesReadBack?: boolean;
  /** The database on the machine's disk passes its integrity check. */
  readonly databaseIntact?: boolean;
  /** It has exactly the rows of the last recovery point. */
  readonly databaseComplete?: boolean;
}

/** How long each part of the recovery took, in seconds from the end of the part before. */
export interface RecoveryParts {
  readonly silenceNoticed: number;
  readonly leaseOverAndTermEnded: number;
  readonly drain: number;
  readonly point: number;
  readonly disk: number;
  readonly machine: number;
  readonly health: number;
}

export interface DemoReport {
  readonly scenario: Scenario;
  /** True only if every proof is. */
  readonly proved: boolean;
  readonly proofs: Proofs;
  readonly machine: {
    readonly kind: 'qemu' | 'simulated';
    /** What booted, or why nothing did. */
    readonly booted: string;
    /** How the disk's content was read, as the end of a sentence. */
    readonly readFrom: string;
  };
  readonly replicas: readonly {
    readonly volume: string;
    /** The replica's data, without the footer; so is the hash. */
    readonly sizeBytes: number;
    /** Reads the blob, a fixed VHD, without further credentials for some hours. */
    readonly url: string;
    readonly sha256: string;
  }[];
  readonly bytes: {
    /** Read of the volume at the site. */
    readonly read: number;
    /** Deltas sent by the site, repeats included. */
    readonly sent: number;
    /** In the cloud: the journal and the pages that the replica really holds. */
    readonly stored: number;
    readonly journal: number;
    readonly replicaPages: number;
  };
  readonly deltas: number;
  readonly intervals: number;
  readonly requests: Tally;
  /** From the newest recovery point to the failure: what was written in that time is lost. */
  readonly rpoSeconds: number;
  /** From the failure to the machine's healthy answer. */
  readonly rtoSeconds: number;
  readonly rtoParts: RecoveryParts;
  /** Null for a volume of the user's own, to which nothing was written. */
  readonly application: {
    /** How its files got onto the volume. */
    readonly how: string;
    readonly rowsAtPoint: number;
    /** Rows written after the last point: lost. Null if they cannot be counted. */
    readonly rowsLost: number | null;
    /** Who wrote when around the failover. */
    readonly writes: Writes | null;
    /** The file that was written last before the last point, as it was read on the machine's disk; null where it is not. */
    readonly lastFile: { readonly name: string; readonly text: string } | null;
  } | null;
  /** What people were told when the agent alone was dead; null with a volume of the user's own. */
  readonly alert: string | null;
  /** The decision to fail over, told from its stored history. */
  readonly explanation: readonly string[];
  readonly volume: { readonly path: string; readonly sizeBytes: number; readonly content: string };
  readonly stack: {
    /** Folder for `leeward --state`, where the stack was started by the demo. */
    readonly state: string;
    readonly functionsUrl: string;
    readonly kept: boolean;
  };
}
