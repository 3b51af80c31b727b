/**
 * The host's log: stderr, one line for each event.
 *
 * Invariants: an event never spans two lines; account keys, signatures, function keys and every secret that was announced
 * with `hide` are masked in whatever is written, also in what a function logs.
 */
export const LOG_LEVELS = ['trace', 'debug', 'information', 'warning', 'error', 'critical', 'none'] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];

/** Whose event it is: a function's invocation, or the host itself. */
export interface LogScope {
  /** Category as in host.json's logging.logLevel, such as `Function.ingest` or `Host.Queues`. */
  readonly category: string;
  /** Name and invocation id, printed in front of the message. */
  readonly invocation?: { readonly name: string; readonly id: string };
}

export interface Log {
  write(level: LogLevel, scope: LogScope, message: string): void;
  /** Masks `secret` from now on. */
  hide(secret: string): void;
  /** Sets the lowest level written for each category; `default` stands for all others. */
  limit(levels: ReadonlyMap<string, LogLevel>): void;
}

const MASK = '***';
const SECRET_FORMS = [
  /(?<=(?:AccountKey|SharedAccessSignature|SharedAccessKey)=)[^;\s"']+/gi,
  /(?<=[?&](?:sig|code)=)[^&\s"']+/gi,
];

/** A log that writes each line to `sink`, by default stderr. */
export function createLog(sink: (line: string) => void = (line) => process.stderr.write(`${line}\n`)): Log {
  const hidden = new Set<string>();
  let limits: ReadonlyMap<string, LogLevel> = new Map();
  return {
    write(level, scope, message) {
      if (LOG_LEVELS.indexOf(level) < LOG_LEVELS.indexOf(limitOf(limits, scope.category))) return;
      const who = scope.invocation ? `${scope.invocation.name} ${scope.invocation.id}` : scope.category;
      let text = message.trim().replaceAll(/\s*[\r\n]+\s*/g, ' | ');
      for (const form of SECRET_FORMS) text = text.replaceAll(form, MASK);
      for (const secret of hidden) text = text.replaceAll(secret, MASK);
      sink(`${new Date().toISOString()} ${level} [${who}] ${text}`);
    },
    hide(secret) {
      if (secret !== '') hidden.add(secret);
    },
    limit(levels) {
      limits = levels;
    },
  };
}

function limitOf(limits: ReadonlyMap<string, LogLevel>, category: string): LogLevel {
  let best: { prefix: string; level: LogLevel } = { prefix: '', level: limits.get('default') ?? 'information' };
  for (const [prefix, level] of limits) {
    const matches = category === prefix || category.startsWith(`${prefix}.`);
    if (matches && prefix.length > best.prefix.length) best = { prefix, level };
  }
  return best.level;
}
