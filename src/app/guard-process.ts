/** A guard put together on this machine, for one group's applications on its node. */
import { existsSync, readdirSync } from 'node:fs';
import { rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { LeewardError, isLeewardError } from '../kernel/errors.ts';
import type { GroupRef } from '../kernel/ids.ts';
import { groupId, parseSite } from '../kernel/ids.ts';
import { sideBySide } from '../kernel/together.ts';
import type { ArmedStop } from '../ports/armed-stop.ts';
import type { Launch } from '../ports/launch.ts';
import { OrderedApplications } from '../site/applications/ordered.ts';
import { Desk } from '../site/guard/desk.ts';
import { Guard } from '../site/guard/guard.ts';
import { guardSigningKey } from '../site/guard/access.ts';
import type { GuardAccess } from '../site/guard/access.ts';
import { whyNotStarted } from '../site/guard/core.ts';
import type { GuardTimes } from '../site/guard/core.ts';
import type { GuardNews } from '../site/guard/news.ts';
import { isAnswerTo } from '../site/guard/sealed.ts';
import { OneStop } from '../site/guard/one-stop.ts';
import { SystemClock } from '../system/clock.ts';
import { HttpCloudLink } from '../system/cloud-link.ts';
import { makeFolder } from '../system/durable-file.ts';
import { isLocked, lockFolder, unlockFolder } from '../system/folder-lock.ts';
import { CarriedLink } from '../system/guard/agent-socket.ts';
import { applicationsHere } from '../system/guard/applications.ts';
import type { ApplicationsHere, LaunchHere } from '../system/guard/applications.ts';
import { hasControlGroups } from '../system/guard/control-groups.ts';
import { GuardFiles } from '../system/guard/files.ts';
import { listenForOrders } from '../system/guard/guard-socket.ts';
import { ProcessStop } from '../system/guard/process-stop.ts';
import { KeptApplicationsFile } from '../system/guard/kept-applications-file.ts';
import { GuardRecordFile } from '../system/guard/record-file.ts';
import { TimerStop, checkTimers } from '../system/guard/timer-stop.ts';
import { prepareWatchdog } from '../system/guard/watchdog.ts';
import { bootId } from '../system/processes.ts';
import { SystemRandom } from '../system/random.ts';

/**
 * How long the guard waits for one answer of the cloud's: a small part of a lease. What is lost in a network is sent again at
 * growing distances, so that an old request may hear of a cut's end half a minute late, and a new one does at once.
 */
const REQUEST_TIMEOUT_MS = 5000;

/** What stops the applications when the guard cannot: docs/safety.md, "Guards". */
export const ARMS = ['process', 'systemd', 'watchdog'] as const;
export type Arm = (typeof ARMS)[number];

/** One of the group's applications on the guard's node. */
export interface GuardedLaunch {
  readonly name: string;
  /** Applications of the group; those of other nodes are none of this guard's business. */
  readonly dependsOn: readonly string[];
  readonly launch: Launch;
}

export interface GuardProcessOptions {
  readonly access: GuardAccess;
  /** Folder that the guards of this node keep their records in. */
  readonly folder: string;
  /** Name of the group within the access file's site. */
  readonly group: string;
  readonly applications: readonly GuardedLaunch[];
  readonly times: GuardTimes;
  /** Without one, systemd where it can, and a second process otherwise. */
  readonly arm: Arm | undefined;
  /** Device of the watchdog, which is used for that way of arming alone. */
  readonly watchdog: string;
  /** Where the agent of the site listens, if it runs on this machine. */
  readonly agentSocket: string;
  readonly tell: (line: string, news?: GuardNews) => void;
}

/**
 * Guards until the signal is aborted, and leaves everything as it is then; takes over what an earlier guard has left running.
 * Errors: CONFLICT while another guard does so; DOCUMENT_INVALID, its records; USAGE, REFUSED and NOT_FOUND, with what to do,
 * where something of what it is to run cannot be guarded.
 */
export async function runGuard(options: GuardProcessOptions, signal: AbortSignal): Promise<void> {
  const own = guardFolder(options.folder, options.group);
  await makeFolder(own);
  await lockFolder(own, 'one guard of a group runs on a node at a time');
  try {
    await guardFrom(own, options, signal);
  } finally {
    await unlockFolder(own);
  }
}

/** Where the guard of a group keeps its files, its socket among them. */
export function guardFolder(folder: string, group: string): string {
  return join(folder, group);
}

/**
 * Removes what the guard of a group has kept in the node's folder, and the node's access file where it is good for nothing
 * any more. Gives false, and leaves all of it, while a guard runs there, or something may under a stop that is armed: that
 * stop needs these files. Errors: DOCUMENT_INVALID.
 */
export async function forgetGuard(folder: string, group: string, isRevoked: boolean): Promise<boolean> {
  const own = guardFolder(folder, group);
  if (isLocked(own)) return false;
  const armed = await new GuardFiles(own).read('armed');
  if (armed?.boot === bootId() && armed.untilBootMs > 0) return false;
  await rm(own, { recursive: true, force: true });
  if (isRevoked) await rm(join(folder, 'access.json'), { force: true });
  if (existsSync(folder) && readdirSync(folder).length === 0) await rmdir(folder);
  return true;
}

async function guardFrom(own: string, options: GuardProcessOptions, signal: AbortSignal): Promise<void> {
  const { access, times, tell } = options;
  const group = groupId({ ...parseSite(access.site), group: options.group } satisfies GroupRef);
  const clock = new SystemClock();
  const files = new GuardFiles(own);
  const launches = options.applications.map(({ name, launch }): LaunchHere => ({ name, ...launch }));
  const means = { hasGroups: hasControlGroups(), whyNoTimers: await whyNoTimers() };
  const arm = armOf(options, means);
  const stopMs = times.stopMs;
  const isArmed = async (): Promise<boolean> => {
    const ways = [new ProcessStop(files, clock, undefined), ...(means.whyNoTimers ? [] : [timerOf(files, clock)])];
    return (await Promise.all(ways.map(async (way) => way.armedBootMs()))).some((untilBootMs) => untilBootMs > 0);
  };
  const here = await applicationsHere({
    files,
    launches,
    clock,
    stopMs,
    needsControlGroups: arm === 'systemd',
    isArmed,
  });
  if (!means.hasGroups) tell(`${group}: what a command starts in a session of its own is not seen here`);

  // Only a guard that is there can allow a start.
  const guarded: { guard?: Guard } = {};
  const names = new Set(launches.map(({ name }) => name));
  const tellOf = (line: string): void => {
    tell(`${group}: ${line}`);
  };
  const applications = await OrderedApplications.open({
    applications: here.applications,
    dependents: options.applications.map(({ name, dependsOn }) => ({
      name,
      dependsOn: dependsOn.filter((other) => names.has(other)),
    })),
    leftovers: here.leftovers,
    kept: new KeptApplicationsFile(files),
    clock,
    times,
    whyNotStarted: () =>
      guarded.guard ? whyNotStarted(guarded.guard.state, clock.bootMs(), times) : 'the guard is only coming up',
    tell: tellOf,
  });
  const { stop, watch } = await stopOf(arm, { files, clock, here, options, means, tell: tellOf });
  const { node } = access;
  const key = guardSigningKey(access);
  const guard = await Guard.open({
    group,
    node,
    key,
    clock,
    random: new SystemRandom(),
    link: new CarriedLink(
      options.agentSocket,
      new HttpCloudLink({ ...access, requestTimeoutMs: REQUEST_TIMEOUT_MS }),
      (answer, message) => isAnswerTo(answer, message, key),
    ),
    applications,
    armedStop: stop,
    record: new GuardRecordFile(files),
    times,
    tell,
  });
  guarded.guard = guard;
  const desk = new Desk({ group, node, clock, times, applications, state: () => guard.state });
  const socket = await listenForOrders(files.path('socket'), desk);
  try {
    tell(`${group}: guarding ${launches.length} application(s) on ${node}; its stop is armed in ${WORDS[arm]}`);
    await sideBySide(signal, [async (ending) => guard.run(ending), watch]);
  } catch (error) {
    // Whatever may pass was told and tried again. Whoever keeps this process running starts another.
    const goesOn = 'what runs goes on under its armed stop, until the next guard takes it over';
    const what = `${group}: the guard ends by what it did not foresee, and ${goesOn}`;
    throw new LeewardError('PLATFORM_FAILED', what, { cause: error });
  } finally {
    await socket.close();
    // The next guard must find these files as they stay.
    await applications.leave();
  }
}

const WORDS = { process: 'a second process', systemd: 'systemd', watchdog: 'a second process and a watchdog' };

/** What of this machine may stop from outside. */
interface Means {
  readonly hasGroups: boolean;
  /** Undefined where systemd's timers can be used. */
  readonly whyNoTimers: LeewardError | undefined;
}

async function whyNoTimers(): Promise<LeewardError | undefined> {
  try {
    await checkTimers();
    return undefined;
  } catch (error) {
    if (isLeewardError(error)) return error;
    throw error;
  }
}

function armOf({ arm }: GuardProcessOptions, { hasGroups, whyNoTimers }: Means): Arm {
  if (arm !== undefined && arm !== 'systemd') return arm;
  const noGroups = 'no control groups can be made here, by which systemd would kill: --arm process';
  const why = whyNoTimers ?? (hasGroups ? undefined : new LeewardError('REFUSED', noGroups));
  if (why === undefined) return 'systemd';
  if (arm === undefined) return 'process';
  throw why;
}

/** Without `kills` to be asked alone: nothing is armed by it. */
function timerOf(files: GuardFiles, clock: SystemClock, kills?: ApplicationsHere['kills']): TimerStop {
  const none = { controlGroups: [], units: [], containers: [] };
  return new TimerStop({ folder: files.folder, clock, kills: kills ?? (() => none) });
}

async function stopOf(
  arm: Arm,
  of: {
    files: GuardFiles;
    clock: SystemClock;
    here: ApplicationsHere;
    options: GuardProcessOptions;
    means: Means;
    tell: (line: string) => void;
  },
): Promise<{ stop: ArmedStop; watch: (signal: AbortSignal) => Promise<void> }> {
  const { files, clock, here, options, means, tell } = of;
  const isWatched = arm === 'watchdog';
  if (isWatched) await prepareWatchdog(options.watchdog);
  const keeper = new ProcessStop(files, clock, isWatched ? options.watchdog : undefined);
  const timer = timerOf(files, clock, here.kills);
  if (arm === 'systemd') return { stop: new OneStop(timer, [keeper]), watch: async () => Promise.resolve() };
  const others = means.whyNoTimers === undefined ? [timer] : [];
  return { stop: new OneStop(keeper, others), watch: async (signal) => keeper.watch(signal, tell) };
}
