/**
 * Making the demo's volume stand still, and go on: the two commands that leeward.yaml names as its `quiesce`. Called as
 * `stillness.ts freeze|thaw CONTROL-FOLDER`, by the agent; the demo itself asks for a stillness that stays.
 *
 * Invariants: while `stay` is there, what stands still goes on standing still, whoever thaws: all intervals then read the same
 * bytes. Once that was ended nothing is frozen any more until it is allowed again, not by a command either that was begun
 * before.
 */
import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { LeewardError } from '../kernel/errors.ts';
import { SystemClock } from '../system/clock.ts';
import { exists } from '../system/processes.ts';
import { SystemRandom } from '../system/random.ts';
import { goOn, pause, pidFile, putWhole, writtenSchema } from './application-control.ts';
import type { Written } from './application-control.ts';
import { openedVolumeSchema, rest, wake } from './application-volume.ts';
import type { OpenedVolume } from './application-volume.ts';

/** The application commits ten times a second. */
const PAUSE_MS = 5000;

const stillSchema = z.object({ written: writtenSchema });

function volumeFile(control: string): string {
  return join(control, 'volume.json');
}

/** There while it stands still, with what the application had written. */
function stillFile(control: string): string {
  return join(control, 'still.json');
}

function stayFile(control: string): string {
  return join(control, 'stay');
}

/** There once somebody would have thawed what is to stay. */
function staysFile(control: string): string {
  return join(control, 'stays');
}

/** There while nothing may be frozen. */
function closedFile(control: string): string {
  return join(control, 'closed');
}

/** Says which volume it is, for the commands. */
export async function prepareStillness(control: string, volume: OpenedVolume): Promise<void> {
  await putWhole(volumeFile(control), JSON.stringify(volume));
}

/** As the agent's command. Errors: REFUSED while nothing may be frozen. */
export async function freeze(control: string): Promise<void> {
  if (existsSync(stillFile(control))) return;
  if (existsSync(closedFile(control))) throw new LeewardError('REFUSED', 'nothing may be frozen now');
  const clock = new SystemClock();
  const written = (await applicationRuns(control))
    ? await pause(control, { clock, random: new SystemRandom(), timeoutMs: PAUSE_MS })
    : { rows: 0, files: 0 };
  await rest(await volumeOf(control));
  await putWhole(stillFile(control), JSON.stringify({ written }));
}

/** As the agent's command. */
export async function thaw(control: string): Promise<void> {
  if (existsSync(stayFile(control)) && existsSync(stillFile(control))) await writeFile(staysFile(control), '');
  else await letGo(control);
}

/** From the next interval on it stays still. Returns once it does, with what the application had written. */
export async function stay(control: string, signal: AbortSignal): Promise<Written> {
  const clock = new SystemClock();
  await writeFile(stayFile(control), '');
  while (!existsSync(staysFile(control))) await clock.sleep(PAUSE_MS / 100, signal);
  return stillSchema.parse(JSON.parse(await readFile(stillFile(control), 'utf8'))).written;
}

/** Ends a stay: everything goes on, and nothing is frozen from now on. */
export async function endStay(control: string): Promise<void> {
  // Before it goes on: a command that has not looked yet finds one or the other.
  await writeFile(closedFile(control), '');
  await letGo(control);
}

/** What {@link endStay} has forbidden is allowed again. */
export async function allowFreezing(control: string): Promise<void> {
  await rm(closedFile(control), { force: true });
}

/** Everything goes on, whatever was asked for. Can be repeated. */
export async function letGo(control: string): Promise<void> {
  await rm(stayFile(control), { force: true });
  await rm(staysFile(control), { force: true });
  await wake(await volumeOf(control));
  await goOn(control);
  await rm(stillFile(control), { force: true });
}

/** Whether there is anybody to be asked to wait. */
export async function applicationRuns(control: string): Promise<boolean> {
  return exists(Number(await readFile(pidFile(control), 'utf8').catch(() => '0')));
}

async function volumeOf(control: string): Promise<OpenedVolume> {
  return openedVolumeSchema.parse(JSON.parse(await readFile(volumeFile(control), 'utf8')));
}

if (import.meta.main) {
  const [order, control = ''] = process.argv.slice(2);
  await (order === 'freeze' ? freeze : thaw)(control);
}
