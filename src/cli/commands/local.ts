/** `leeward local up|down|status`: everything that Leeward has in Azure, on this machine. */
import { join } from 'node:path';
import type { Command } from 'commander';
import { z } from 'zod';
import { LeewardError } from '../../kernel/errors.ts';
import { downStack, statusOfStack, upStack } from '../../local/stack/stack.ts';
import type { StackFacts } from '../../local/stack/stack.ts';
import { folder, httpUrl } from '../arguments.ts';
import { outputOf, placesOf } from '../globals.ts';
import { table } from '../output.ts';

/** The project's own folder: its functions run from source, as they are. */
const PROJECT = join(import.meta.dirname, '../../..');

const upSchema = z.object({
  withoutHost: z.boolean().default(false),
  functions: z.string().optional(),
  app: z.string().optional(),
});

export function addLocal(program: Command): void {
  const local = program
    .command('local')
    .description('the local stack: storage, Azure Resource Manager, functions host');
  local
    .command('up')
    .option('--without-host', "start everything but the functions host, and write local.settings.json for Azure's own")
    .option('--functions <url>', 'with --without-host: where that host answers', httpUrl)
    .option('--app <folder>', 'folder of the function app to run (default: this project, from source)', folder)
    .description('start what does not run yet; repeat it as you like')
    .action(async (_options: unknown, command: Command) => {
      const options = upSchema.parse(command.opts());
      if (options.functions !== undefined && !options.withoutHost) {
        throw new LeewardError('USAGE', '--functions says where another host answers: give --without-host with it');
      }
      const facts = await upStack({
        stateDir: placesOf(command).stack,
        appDir: options.app ?? PROJECT,
        ...(options.withoutHost && {
          withoutHost: {
            projectFolder: process.cwd(),
            ...(options.functions !== undefined && { functionsUrl: options.functions }),
          },
        }),
      });
      outputOf(command).result(facts, () => describe(facts));
    });
  local
    .command('down')
    .option('--wipe', 'remove everything that the stack keeps, replicas too', false)
    .description('stop the local stack')
    .action(async (_options: unknown, command: Command) => {
      const { wipe } = z.object({ wipe: z.boolean() }).parse(command.opts());
      const ended = await downStack(placesOf(command).stack, { wipe });
      outputOf(command).result(ended, () => table(Object.entries(ended)) || 'there is no local stack here');
    });
  local
    .command('status')
    .description('what of the local stack runs')
    .action(async (_options: unknown, command: Command) => {
      const status = await statusOfStack(placesOf(command).stack);
      outputOf(command).result(status ?? null, () =>
        status
          ? [describe(status.facts), table(status.parts.map(({ part, state, log }) => [part, state, log]))].join('\n\n')
          : 'there is no local stack here: `leeward local up` makes one',
      );
    });
}

function describe(facts: StackFacts): string {
  return table([
    ['functions', facts.functionsUrl],
    ['blobs', facts.blobEndpoint],
    ['queues', facts.queueEndpoint],
    ['resource manager', facts.armUrl],
    ['machines', facts.machinery.kind === 'qemu' ? 'boot in QEMU' : `simulated: ${facts.machinery.reason}`],
    ['settings', facts.settingsFile],
    ['logs', facts.logFolder],
  ]);
}
