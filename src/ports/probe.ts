/**
 * One look at an application, as a port: is the process there, does the port answer, does the query give what it should?
 *
 * Promises an adapter keeps: what is found wrong is a result and never an error; a check changes nothing of the application
 * beyond what its command does by itself; memory is bounded whatever answers; once the signal is aborted, all that the
 * check started is ended, and only then does the call come back. A call may come back late, or not at all, where the kernel
 * itself holds it up: the caller judges its time-out by itself. A reason is one line, and never holds a credential that Leeward
 * was given; what a command writes about itself is the command's own responsibility.
 */

/** A process of this node. At least one of the two is given; with both, the process must be the one and look like the other. */
export interface ProcessCheck {
  readonly kind: 'process';
  /** A file that begins with the process's number. */
  readonly pidFile?: string | undefined;
  /** A regular expression that is found in the command line, whose arguments are joined by spaces. */
  readonly commandPattern?: string | undefined;
}

/** A systemd unit that must be active. */
export interface UnitCheck {
  readonly kind: 'unit';
  readonly unit: string;
}

/** A port that takes a connection. */
export interface TcpCheck {
  readonly kind: 'tcp';
  readonly host: string;
  readonly port: number;
}

/** A GET request. No redirect is followed, and every check makes a connection of its own. */
export interface HttpCheck {
  readonly kind: 'http';
  readonly url: string;
  /** Any of these is well. */
  readonly expectStatus: readonly number[];
  /** Must be found within the first 64 KiB of the answer. */
  readonly expectText?: string | undefined;
}

/** A query in PostgreSQL, by `psql`, in a read-only transaction that is rolled back. */
export interface PostgresqlCheck {
  readonly kind: 'postgresql';
  /** A name, an address, or the folder of a Unix socket. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  /** In libpq's form; only its owner may read it. Source: PostgreSQL, "The Password File". */
  readonly passwordFile?: string | undefined;
  readonly query: string;
  /** What the first column of the first row must be, as text; without it, any row is well. */
  readonly expectValue?: string | undefined;
}

/** A query in an SQLite database, which is opened read-only. */
export interface SqliteCheck {
  readonly kind: 'sqlite';
  readonly file: string;
  readonly query: string;
  /** As in {@link PostgresqlCheck}. */
  readonly expectValue?: string | undefined;
}

/** A command, run without a shell. */
export interface CommandCheck {
  readonly kind: 'command';
  readonly command: string;
  readonly args: readonly string[];
  readonly expectExitCode: number;
  /** Must be found in what it writes to stdout. */
  readonly expectText?: string | undefined;
}

export type Check = ProcessCheck | UnitCheck | TcpCheck | HttpCheck | PostgresqlCheck | SqliteCheck | CommandCheck;

/** What a look found. */
export interface Finding {
  readonly isWell: boolean;
  /** In words, on one line: what was found. */
  readonly reason: string;
}

export interface ProbeResult extends Finding {
  /** From the beginning of the check to its result, in milliseconds, with fractions. */
  readonly responseMs: number;
}

export interface Prober {
  /**
   * Looks once. `timeoutMs` is for what can be told it (a server that ends a query by itself); the signal is aborted at that
   * time, or when the site ends. Rejects with the signal's reason then, and for nothing else that the checked thing can bring
   * about.
   */
  probe(check: Check, options: { readonly timeoutMs: number; readonly signal: AbortSignal }): Promise<ProbeResult>;
}
