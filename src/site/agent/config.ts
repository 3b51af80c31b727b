/**
 * The site's configuration file, leeward.yaml: what people write about how a site is worked on (docs/operation.md, "The agent as a service").
 *
 * Invariants: an unknown word is refused, never passed over; everything that is wrong is told at once, each with its line;
 * what comes out has nothing left to default.
 */
import { LineCounter, isNode, parseDocument } from 'yaml';
import type { Document } from 'yaml';
import { z } from 'zod';
import { LeewardError } from '../../kernel/errors.ts';
import { nameInSite } from '../../kernel/ids.ts';

/** Intervals below would leave no time for a heartbeat between them; a week is as good as never. */
const INTERVAL_MS = { least: 1000, most: 7 * 86_400_000, usual: 300_000 };
/** More lines of faults help nobody. */
const FAULTS_MAX = 50;
const FILE_BYTES_MAX = 1024 * 1024;

const intervalMs = z.int().min(INTERVAL_MS.least).max(INTERVAL_MS.most);

const volumeSchema = z.strictObject({
  intervalMs: intervalMs.optional().meta({ description: 'For this volume, in place of the one for all.' }),
});

export const configSchema = z
  .strictObject({
    intervalMs: intervalMs.default(INTERVAL_MS.usual).meta({
      description: 'From the beginning of one interval of a volume to the beginning of the next, in milliseconds.',
    }),
    volumes: z
      .record(z.string(), volumeSchema)
      .default({})
      .meta({ description: 'What is said of single volumes, by GROUP/VOLUME.' }),
  })
  .meta({ title: 'How Leeward works on a site' });

export type SiteConfig = z.infer<typeof configSchema>;

/** For editors: JSON Schema of the file. Source: JSON Schema, draft 2020-12. */
export function configJsonSchema(): object {
  return z.toJSONSchema(configSchema, { io: 'input' });
}

/** How often a volume, by its whole id tenant/site/group/volume, is looked at, in milliseconds. */
export function intervalOf(config: SiteConfig, volume: string): number {
  return config.volumes[nameInSite(volume)]?.intervalMs ?? config.intervalMs;
}

/**
 * Reads the text of `file`, for a site with these volumes, each GROUP/VOLUME. Throws USAGE that tells each fault in a line of
 * its own: file, line, where in it, what is wrong.
 */
export function parseConfig(file: string, text: string, volumes: readonly string[]): SiteConfig {
  if (Buffer.byteLength(text) > FILE_BYTES_MAX) {
    throw new LeewardError('USAGE', `${file}: more than ${FILE_BYTES_MAX} bytes are no configuration`);
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const faults = document.errors.map(({ pos, message }) => ({ line: lines.linePos(pos[0]).line, problem: message }));
  if (faults.length > 0) refuse(file, faults);
  const parsed = configSchema.safeParse(valueOf(file, document) ?? {});
  if (!parsed.success)
    refuse(
      file,
      parsed.error.issues.flatMap((issue) => faultsOf(issue, document, lines)),
    );
  const unknown = Object.keys(parsed.data.volumes).filter((volume) => !volumes.includes(volume));
  if (unknown.length > 0) {
    refuse(
      file,
      unknown.map((volume) => {
        const known = volumes.length === 0 ? 'it has none' : `it has ${volumes.join(', ')}`;
        const problem = `volumes.${volume}: is no volume of the site kept here; ${known}`;
        return { line: lineOf(document, ['volumes', volume], lines), problem };
      }),
    );
  }
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

interface Fault {
  readonly line: number;
  readonly problem: string;
}

function refuse(file: string, faults: readonly Fault[]): never {
  const told = [...faults].sort((a, b) => a.line - b.line).slice(0, FAULTS_MAX);
  const more = faults.length > told.length ? [`${file}: and ${faults.length - told.length} more`] : [];
  const lines = told.map(({ line, problem }) => `${file}:${line}: ${problem.replaceAll(/\s+/g, ' ')}`);
  throw new LeewardError('USAGE', [...lines, ...more].join('; '));
}

/** An unknown word is told where it stands, not where it is missing from. */
function faultsOf(issue: z.core.$ZodIssue, document: Document, lines: LineCounter): Fault[] {
  const at = (path: readonly PropertyKey[], problem: string): Fault => ({
    line: lineOf(document, path, lines),
    problem: path.length === 0 ? problem : `${path.join('.')}: ${problem}`,
  });
  if (issue.code !== 'unrecognized_keys') return [at(issue.path, issue.message)];
  return issue.keys.map((key) => at([...issue.path, key], 'is no word of this file'));
}

/** The line of what is at `path`, or of the nearest thing around it that is there. */
function lineOf(document: Document, path: readonly PropertyKey[], lines: LineCounter): number {
  for (let length = path.length; length > 0; length -= 1) {
    const node: unknown = document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
  }
  return 1;
}
