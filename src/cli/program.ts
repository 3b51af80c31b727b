/**
 * The command `leeward`, put together and run once (docs/cli.md).
 *
 * Invariants: stdout is data, stderr is talk; exit codes are fixed; an error is told in one line that says what, where
 * and what to do.
 */
import { Command, CommanderError } from 'commander';
import { describeError } from '../kernel/errors.ts';
import { addAgent } from './commands/agent.ts';
import { addApp } from './commands/app.ts';
import { addDecisions } from './commands/decisions.ts';
import { addFailover } from './commands/failover.ts';
import { addGuard } from './commands/guard.ts';
import { addHeartbeat } from './commands/heartbeat.ts';
import { addInspect } from './commands/inspect.ts';
import { addOffline } from './commands/offline.ts';
import { addPerson } from './commands/person.ts';
import { addPlan } from './commands/plan.ts';
import { addReplicate } from './commands/replicate.ts';
import { addSimulate } from './commands/simulate.ts';
import { addSite } from './commands/site.ts';
import { addStatus } from './commands/status.ts';
import { addVolume } from './commands/volume.ts';
import { addWitness } from './commands/witness.ts';
import { EXIT, exitCodeOf } from './exit-codes.ts';
import { addGlobals } from './globals.ts';

/** Puts one command, with those below it, into the program. */
type AddCommand = (program: Command) => void;

/** Those that need nothing but this program and the cloud. */
const COMMANDS: readonly AddCommand[] = [
  addVolume,
  addSite,
  addPerson,
  addReplicate,
  addAgent,
  addGuard,
  addApp,
  addOffline,
  addWitness,
  addHeartbeat,
  addStatus,
  addFailover,
  addDecisions,
  addPlan,
  addSimulate,
  addInspect,
];

/** What commander has to say about the command line, in one line like any other error. */
function wrongUsage(text: string): string {
  const said = text
    .trim()
    .replace(/^error: /, '')
    .replaceAll(/\s*\n\s*/g, ' ');
  return `leeward: ${said} (--help lists what there is)\n`;
}

/** The program of this version with all that it can do: `more` commands than every leeward has. */
export function createProgram(version: string, more: readonly AddCommand[]): Command {
  const program = new Command('leeward')
    .version(version, '--version', 'print which version this is')
    .description('Disaster recovery to Azure without a server waiting there.')
    .configureOutput({
      outputError: (text, write) => {
        write(wrongUsage(text));
      },
    })
    .exitOverride();
  addGlobals(program);
  for (const add of [...COMMANDS, ...more]) add(program);
  return program;
}

/** Runs the command line of this process, with `more` commands than every leeward has. Sets the exit code; throws nothing. */
export async function runLeeward(version: string, more: readonly AddCommand[]): Promise<void> {
  const program = createProgram(version, more);
  try {
    await program.parseAsync();
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    } else {
      process.stderr.write(`leeward: ${describeError(error)}\n`);
      process.exitCode = exitCodeOf(error);
    }
  }
}
