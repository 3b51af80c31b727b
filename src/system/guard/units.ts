/** What systemd says of a unit. Source: systemctl(1), "show"; org.freedesktop.systemd1(5), "Unit Objects". */
import { LeewardError } from '../../kernel/errors.ts';
import { toolSays } from './tool.ts';

/** Its properties by name, each as text. Errors: UNAVAILABLE, REFUSED. */
export async function unitProperties<Name extends string>(
  unit: string,
  names: readonly Name[],
): Promise<ReadonlyMap<Name, string>> {
  const said = await toolSays('systemctl', ['show', ...names.map((name) => `--property=${name}`), '--', unit]);
  const properties = new Map<Name, string>();
  for (const line of said.split('\n')) {
    const name = names.find((one) => line.startsWith(`${one}=`));
    if (name !== undefined) properties.set(name, line.slice(name.length + 1));
  }
  return properties;
}

export async function unitState(unit: string): Promise<'running' | 'stopped' | 'unknown'> {
  try {
    const state = (await unitProperties(unit, ['ActiveState'])).get('ActiveState');
    if (state === undefined) return 'unknown';
    return state === 'inactive' || state === 'failed' ? 'stopped' : 'running';
  } catch {
    return 'unknown';
  }
}

/** What would start it, or start it again, without the guard; of each, what to do. */
const STARTED_BY = ['WantedBy', 'RequiredBy', 'UpheldBy', 'BoundBy', 'TriggeredBy'] as const;

/**
 * Makes sure that nothing but the guard starts it; `own` are the units of the same guard, which may. Errors: NOT_FOUND; REFUSED
 * with what starts it and what to do about it; UNAVAILABLE where systemd does not answer.
 */
export async function checkUnit(unit: string, own: readonly string[]): Promise<void> {
  const said = await unitProperties(unit, ['LoadState', 'UnitFileState', 'Restart', ...STARTED_BY]);
  const load = said.get('LoadState') ?? 'unknown';
  if (load === 'not-found')
    throw new LeewardError('NOT_FOUND', `there is no unit ${unit}: write it, then systemctl daemon-reload`);
  if (load !== 'loaded') throw new LeewardError('REFUSED', `unit ${unit} is ${load}: see systemctl status ${unit}`);
  const atBoot = said.get('UnitFileState') ?? '';
  if (atBoot.startsWith('enabled')) {
    throw new LeewardError('REFUSED', `unit ${unit} starts at boot, without the lease: systemctl disable ${unit}`);
  }
  const restart = said.get('Restart') ?? 'no';
  if (restart !== 'no') {
    const what = `set Restart=no by systemctl edit ${unit}; a monitor has it restarted under the lease`;
    throw new LeewardError('REFUSED', `unit ${unit} is restarted by systemd (Restart=${restart}): ${what}`);
  }
  for (const by of STARTED_BY) {
    const other = (said.get(by) ?? '').split(' ').find((name) => name !== '' && !own.includes(name));
    if (other !== undefined) {
      throw new LeewardError(
        'REFUSED',
        `unit ${unit} is started by ${other} (${by}): take that out, or disable ${other}`,
      );
    }
  }
}
