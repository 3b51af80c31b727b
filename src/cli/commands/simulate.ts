/** `leeward simulate`: what the monitor would make of a scenario, by a plan. Nothing is asked of the cloud, nothing changed. */
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { z } from 'zod';
import { decidingSchema } from '../../documents/plan.ts';
import { scenarioSchema } from '../../health/simulate/scenario.ts';
import { simulate } from '../../health/simulate/simulation.ts';
import type { SimulatedMoment } from '../../health/simulate/simulation.ts';
import { parseConfigFile } from '../../kernel/config-file.ts';
import { LeewardError } from '../../kernel/errors.ts';
import { isMissing } from '../../system/durable-file.ts';
import { word } from '../arguments.ts';
import { outputOf } from '../globals.ts';

export function addSimulate(program: Command): void {
  program
    .command('simulate')
    .requiredOption('--plan <file>', 'a plan, or as much of one as says who decides: YAML or JSON', word)
    .requiredOption('--scenario <file>', 'what happens to the site, over time: YAML', word)
    .description('what the monitor would decide, and when, if this happened')
    .action(run);
}

async function run(_options: unknown, command: Command): Promise<void> {
  const files = z.object({ plan: z.string(), scenario: z.string() }).parse(command.opts());
  const none = (): [] => [];
  const plan = parseConfigFile(files.plan, await textOf(files.plan), { schema: decidingSchema, check: none });
  const scenario = parseConfigFile(files.scenario, await textOf(files.scenario), {
    schema: scenarioSchema,
    check: ({ witnesses = [], events }) =>
      events.flatMap(({ witness }, at) =>
        witness && !witnesses.some(({ name }) => name === witness.name)
          ? [{ path: ['events', at, 'witness'], problem: `there is no witness "${witness.name}"` }]
          : [],
      ),
  });
  const moments = simulate(plan, scenario);
  outputOf(command).result(moments, () =>
    moments.length === 0 ? 'nothing happens, and nothing is decided' : moments.map(line).join('\n'),
  );
}

function line({ atMs, what, verdict, text }: SimulatedMoment): string {
  return `${`${(atMs / 1000).toFixed(0)} s`.padStart(8)}  ${(verdict ?? what).padEnd(9)}  ${text}`;
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw isMissing(error) ? new LeewardError('USAGE', `there is no file ${file}`) : error;
  }
}
