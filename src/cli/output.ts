/**
 * What the command says: data on stdout, talk on stderr.
 *
 * Invariant: with `--json`, stdout holds exactly one JSON document, or nothing when the command failed.
 */
import Table from 'cli-table3';

export interface Output {
  /** One line of progress, on stderr. */
  say(line: string): void;
  /** The result: `data` as JSON, or `text` for people, on stdout. */
  result(data: unknown, text: () => string): void;
}

export function createOutput(json: boolean): Output {
  return {
    say: (line) => process.stderr.write(`${line}\n`),
    result: (data, text) => process.stdout.write(json ? `${JSON.stringify(data, undefined, 2)}\n` : `${text()}\n`),
  };
}

/** A plain table without frames; `head` may be left out. */
export function table(rows: readonly (readonly (string | number)[])[], head: readonly string[] = []): string {
  const bare = { top: '', mid: '', left: '', right: '', bottom: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' };
  const frame = {
    ...bare,
    'top-mid': '',
    'top-left': '',
    'top-right': '',
    'bottom-mid': '',
    'bottom-left': '',
    'bottom-right': '',
  };
  const drawn = new Table({
    head: [...head],
    chars: { ...frame, middle: '  ' },
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] },
  });
  drawn.push(...rows.map((row) => [...row]));
  return drawn
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

/** `bytes` for people, with binary units. */
export function showBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit] ?? ''}`;
}

/** A duration for people. */
export function showDuration(ms: number): string {
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const minutes = Math.floor(ms / 60_000);
  return `${minutes} min ${Math.round((ms % 60_000) / 1000)} s`;
}
