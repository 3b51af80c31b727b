/**
 * `npm run bench -- [--only NAME,NAME] [--pairs N] [--json FILE]`: measures what docs/bench.md promises and prints it as a
 * table. Ends with 1 when a bound is not held. What goes on is told on stderr.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { LeewardError, describeError } from '../src/kernel/errors.ts';
import { BENCHMARKS } from './bench/all.ts';
import { NAMES, isName } from './bench/bounds.ts';
import type { MeasurementName } from './bench/bounds.ts';
import { jsonOf, tableOf } from './bench/report.ts';
import { runBenchmarks } from './bench/run.ts';

const PAIRS = 5;

interface Order {
  readonly only: readonly MeasurementName[] | undefined;
  readonly pairs: number;
  readonly json: string | undefined;
}

function readOrder(): Order {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({ options: { only: text, pairs: text, json: text } });
  const pairs = values.pairs === undefined ? PAIRS : Number(values.pairs);
  if (!Number.isInteger(pairs) || pairs < 1) throw new LeewardError('USAGE', '--pairs needs a whole number from 1');
  const only = values.only?.split(',').map((name) => {
    if (isName(name)) return name;
    throw new LeewardError('USAGE', `--only ${name}: use ${NAMES.join(', ')}`);
  });
  return { only, pairs, json: values.json };
}

const folder = await mkdtemp(join(tmpdir(), 'leeward-bench-'));
const endings: (() => Promise<void>)[] = [];
const end = async (): Promise<void> => {
  for (const work of endings.splice(0).toReversed()) await work().catch(() => undefined);
  await rm(folder, { recursive: true, force: true });
};
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void end().finally(() => process.exit(130)));
}

try {
  const { only, pairs, json } = readOrder();
  const outcomes = await runBenchmarks(
    BENCHMARKS,
    {
      folder,
      pairs,
      tell: (line) => process.stderr.write(`${line}\n`),
      atEnd: (work) => endings.push(work),
    },
    only,
  );
  process.stdout.write(`${tableOf(outcomes)}\n`);
  if (json !== undefined) await writeFile(json, jsonOf(outcomes));
  process.exitCode = outcomes.every(({ held }) => held) ? 0 : 1;
} catch (error) {
  process.stderr.write(`bench: ${describeError(error)}\n`);
  process.exitCode = 2;
} finally {
  await end();
}
