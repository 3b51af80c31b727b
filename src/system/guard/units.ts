/** What systemd says of a unit. Source: systemctl(1), "show"; org.freedesktop.systemd1(5), "Unit Objects". */
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
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
const STARTED_BY = [
  ...['WantedBy', 'RequiredBy', 'UpheldBy', 'BoundBy', 'TriggeredBy'],
  ...['OnFailureOf', 'OnSuccessOf'],
] as const;

/** Where D-Bus looks for what it may start. Source: dbus-daemon(1), "standard_system_servicedirs". */
const BUS_FOLDERS = ['/etc', '/run', '/usr/local/share', '/usr/share', '/lib'].map((folder) =>
  join(folder, 'dbus-1/system-services'),
);

/**
 * Makes sure that nothing but the guard starts it; `own` are the units of the same guard, which may. Errors: NOT_FOUND; REFUSED
 * with what starts it and what to do about it; UNAVAILABLE where systemd does not answer.
 */
export async function checkUnit(unit: string, own: readonly string[], busFolders = BUS_FOLDERS): Promise<void> {
  const said = await unitProperties(unit, [
    ...(['LoadState', 'Id', 'Names', 'UnitFileState', 'Restart', 'RestartForceExitStatus', 'BusName'] as const),
    ...STARTED_BY,
  ]);
  const load = said.get('LoadState') ?? 'unknown';
  if (load === 'not-found')
    throw new LeewardError('NOT_FOUND', `there is no unit ${unit}: write it, then systemctl daemon-reload`);
  if (load !== 'loaded') throw new LeewardError('REFUSED', `unit ${unit} is ${load}: see systemctl status ${unit}`);
  const id = said.get('Id') ?? unit;
  if (id !== unit) throw new LeewardError('REFUSED', `unit ${unit} is another name of ${id}: write that one`);
  const atBoot = said.get('UnitFileState') ?? '';
  if (atBoot.startsWith('enabled')) {
    throw new LeewardError('REFUSED', `unit ${unit} starts at boot, without the lease: systemctl disable ${unit}`);
  }
  const restart = said.get('Restart') ?? 'no';
  if (restart !== 'no') {
    const what = `set Restart=no by systemctl edit ${unit}; a monitor has it restarted under the lease`;
    throw new LeewardError('REFUSED', `unit ${unit} is restarted by systemd (Restart=${restart}): ${what}`);
  }
  // Whatever Restart= says. Source: systemd.service(5), "RestartForceExitStatus=".
  const forced = said.get('RestartForceExitStatus') ?? '';
  if (forced !== '') {
    const what = `set RestartForceExitStatus= to nothing by systemctl edit ${unit}`;
    throw new LeewardError('REFUSED', `unit ${unit} is restarted by systemd after an exit with ${forced}: ${what}`);
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
  const activation = await busActivation(busFolders, {
    units: (said.get('Names') ?? unit).split(' '),
    busName: said.get('BusName') ?? '',
  });
  if (activation !== undefined) {
    throw new LeewardError('REFUSED', `unit ${unit} is started by D-Bus when it is asked for: remove ${activation}`);
  }
}

/**
 * The file by which D-Bus has systemd start one of these; undefined where there is none. Source: D-Bus Specification, "Message
 * Bus Starting Services (Activation)", `Name` and `SystemdService`.
 */
async function busActivation(
  folders: readonly string[],
  { units, busName }: { readonly units: readonly string[]; readonly busName: string },
): Promise<string | undefined> {
  for (const folder of folders) {
    const files = await readdir(folder).catch(() => []);
    for (const file of files.filter((name) => name.endsWith('.service'))) {
      const path = join(folder, file);
      const lines = (await readFile(path, 'utf8').catch(() => '')).split('\n').map((line) => line.trim());
      const isIts = (line: string): boolean =>
        (busName !== '' && line === `Name=${busName}`) || units.some((unit) => line === `SystemdService=${unit}`);
      if (lines.some(isIts)) return path;
    }
  }
  return undefined;
}
