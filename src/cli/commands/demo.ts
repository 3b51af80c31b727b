/** `leeward demo`: the project's main job from end to end on this machine, proved and told in a table. */
import { join } from 'node:path';
import { Option } from 'commander';
import type { Command } from 'commander';
import { z } from 'zod';
import { SCENARIOS } from '../../demo/stage.ts';
import { LeewardError } from '../../kernel/errors.ts';
import { httpUrl, word } from '../arguments.ts';
import { storageOfStack } from '../context.ts';
import { describeDemo } from '../demo-table.ts';
import { EXIT } from '../exit-codes.ts';
import { outputOf, placesOf } from '../globals.ts';

/** The project's own folder. */
const PROJECT = join(import.meta.dirname, '../../..');

const optionsSchema = z.object({
  volume: z.string().optional(),
  functions: z.string().optional(),
  scenario: z.enum(SCENARIOS),
  key: z.string().optional(),
  mount: z.boolean(),
  keep: z.boolean(),
});

export function addDemo(program: Command): void {
  program
    .command('demo')
    .option('--volume <path>', 'protect this block device or image file, which is only read (default: one is made)')
    .addOption(
      new Option('--scenario <name>', 'how the site fails: everything at once, or only its line to the cloud')
        .choices(SCENARIOS)
        .default('power-cut'),
    )
    .option('--keep', 'leave the local stack up afterwards', false)
    .option('--functions <url>', 'use the local stack that is up, with functions that answer at this address', httpUrl)
    .option('--key <key>', 'a function key of theirs', word)
    .option('--no-mount', 'never mount the volume that is made: its application writes through debugfs')
    .description('replicate a volume, let its site fail, watch the cloud take over, and prove every byte of it')
    .action(demo);
}

async function demo(_options: unknown, command: Command): Promise<void> {
  const output = outputOf(command);
  const places = placesOf(command);
  const options = optionsSchema.parse(command.opts());
  if ((options.functions === undefined) !== (options.key === undefined)) {
    throw new LeewardError('USAGE', '--functions and --key belong together: an address, and a function key for it');
  }
  const stopping = new AbortController();
  const stop = (): void => {
    stopping.abort(new LeewardError('UNAVAILABLE', 'the demo was stopped'));
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop);
  // Loaded here: no other command needs what the demo is made of.
  const { runDemo } = await import('../../demo/demo.ts');
  const report = await runDemo({
    project: PROJECT,
    stateFolder: places.state,
    volume: options.volume,
    functions:
      options.functions !== undefined && options.key !== undefined
        ? { url: options.functions, key: options.key, stackFolder: places.stack }
        : undefined,
    scenario: options.scenario,
    mayMount: options.mount,
    keep: options.keep,
    openStorage: storageOfStack,
    say: (line) => {
      output.say(line);
    },
    signal: stopping.signal,
  });
  output.say('');
  output.result(report, () => describeDemo(report));
  if (!report.proved) process.exitCode = EXIT.failed;
}
