/** Whether a command ends as expected. */
import type { CommandCheck, Finding } from '../../ports/probe.ts';
import { runBounded } from '../bounded-process.ts';
import type { ProcessEnd } from '../bounded-process.ts';
import { bad, quoted, well } from './words.ts';

export async function checkCommand(check: CommandCheck, signal: AbortSignal): Promise<Finding> {
  const { command, args, expectExitCode, expectText } = check;
  const end = await runBounded(command, args, signal);
  if (end.how !== 'exited') return bad(notExited(end));
  const { code, stdout, stderr } = end;
  if (code !== expectExitCode) {
    const ended = typeof code === 'number' ? `exit code ${code}` : `ended by ${code}`;
    return bad(`${ended}, not ${expectExitCode}${stderr.trim() === '' ? '' : `: ${quoted(stderr)}`}`);
  }
  if (expectText !== undefined && !stdout.includes(expectText)) {
    return bad(`exit code ${code}, without the expected text on stdout`);
  }
  return well(`exit code ${code}`);
}

/** Why a process gave no result, in words. */
export function notExited(end: Exclude<ProcessEnd, { how: 'exited' }>): string {
  return end.how === 'not started' ? `not started: ${end.why}` : `wrote more than ${end.bytesMax} bytes`;
}
