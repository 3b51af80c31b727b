/** Whether a systemd unit is active, as `systemctl is-active` says it. */
import type { Finding, UnitCheck } from '../../ports/probe.ts';
import { runBounded } from '../bounded-process.ts';
import { bad, quoted, well } from './words.ts';

export async function checkUnit({ unit }: UnitCheck, signal: AbortSignal): Promise<Finding> {
  const end = await runBounded('systemctl', ['is-active', '--', unit], signal);
  if (end.how !== 'exited') return bad(`systemctl: ${end.how}`);
  // Source: systemctl(1), "is-active": exit code 0 if at least one unit is active.
  if (end.code === 0) return well(`unit ${unit} is active`);
  const said = end.stdout.trim() === '' ? end.stderr : end.stdout;
  return bad(`unit ${unit} is not active: ${quoted(said)}`);
}
