/**
 * A YAML file that people write, read by a schema: every fault with the line that it stands in.
 *
 * Invariants: everything that is wrong is told at once; an unknown word is told where it stands; a file that grows by its
 * aliases is refused.
 */
import { LineCounter, isMap, isNode, isScalar, parseDocument } from 'yaml';
import type { Document } from 'yaml';
import type { z } from 'zod';
import { LeewardError } from './errors.ts';

/** More lines of faults help nobody. */
const FAULTS_MAX = 50;
const FILE_BYTES_MAX = 1024 * 1024;

/** What is wrong with what stands at `path`. */
export interface PathFault {
  readonly path: readonly PropertyKey[];
  readonly problem: string;
}

interface Fault {
  readonly line: number;
  readonly problem: string;
}

/**
 * Reads the text of `file`. `check` finds what the schema alone cannot. Throws USAGE that tells each fault in a line of its
 * own: file, line, where in it, what is wrong.
 */
export function parseConfigFile<T>(
  file: string,
  text: string,
  of: { readonly schema: z.ZodType<T>; readonly check: (config: T) => readonly PathFault[] },
): T {
  if (Buffer.byteLength(text) > FILE_BYTES_MAX) {
    throw new LeewardError('USAGE', `${file}: more than ${FILE_BYTES_MAX} bytes are no configuration`);
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const told = ({ path, problem }: PathFault): Fault => ({
    line: lineOf(document, path, lines),
    problem: path.length === 0 ? problem : `${path.join('.')}: ${problem}`,
  });
  refuseAny(
    file,
    document.errors.map(({ pos, message }) => ({ line: lines.linePos(pos[0]).line, problem: message })),
  );
  const parsed = of.schema.safeParse(valueOf(file, document) ?? {});
  if (!parsed.success) refuse(file, parsed.error.issues.flatMap(faultsOf).map(told));
  refuseAny(file, of.check(parsed.data).map(told));
  return parsed.data;
}

/** Aliases that stand for more than they say are no way to write a configuration. */
function valueOf(file: string, document: Document): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    return refuse(file, [{ line: 1, problem: error instanceof Error ? error.message : 'cannot be read' }]);
  }
}

function refuseAny(file: string, faults: readonly Fault[]): void {
  if (faults.length > 0) refuse(file, faults);
}

function refuse(file: string, faults: readonly Fault[]): never {
  const told = [...faults].sort((a, b) => a.line - b.line).slice(0, FAULTS_MAX);
  const more = faults.length > told.length ? [`${file}: and ${faults.length - told.length} more`] : [];
  const lines = told.map(({ line, problem }) => `${file}:${line}: ${problem.replaceAll(/\s+/g, ' ')}`);
  throw new LeewardError('USAGE', [...lines, ...more].join('; '));
}

function faultsOf(issue: z.core.$ZodIssue): PathFault[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: [...issue.path, key], problem: 'is no word of this file' }));
  }
  // What is wrong with a key of a map, rather than that it is.
  const problem = issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message;
  return [{ path: issue.path, problem }];
}

/** The line of the word that `path` ends with, or of the nearest thing around it that is there. */
function lineOf(document: Document, path: readonly PropertyKey[], lines: LineCounter): number {
  for (let length = path.length; length > 0; length -= 1) {
    const node: unknown = document.getIn(path.slice(0, length), true);
    if (!isNode(node) || !node.range) continue;
    const around: unknown = length === 1 ? document.contents : document.getIn(path.slice(0, length - 1), true);
    const key = isMap(around)
      ? around.items.find((pair) => isScalar(pair.key) && String(pair.key.value) === String(path[length - 1]))?.key
      : undefined;
    const at = isNode(key) && key.range ? key.range : node.range;
    return lines.linePos(at[0]).line;
  }
  return 1;
}
