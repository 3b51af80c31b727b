/**
 * The demo's site: an agent and a guard, each a process of its own, the application that the guard starts, and the line
 * by which all of them reach the cloud.
 *
 * Invariant: after `end` nothing of the site runs and nothing of it is mounted, however it went.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { groupId, nameInSite, siteId, volumeId } from '../kernel/ids.ts';
import { makeFolder } from '../system/durable-file.ts';
import { closeVolume, folderOf, openApplicationVolume } from './application-volume.ts';
import type { OpenedVolume } from './application-volume.ts';
import { killEverythingOf, markOfSite } from './everything-of.ts';
import { Line } from './line.ts';
import { Service } from './service.ts';
import type { LogLine } from './service.ts';
import type { Stage } from './stage.ts';
import { applicationRuns, prepareStillness } from './stillness.ts';

/** The node on which the demo's guard and application run. */
export const NODE = 'shop-1';

/** How often the volume is looked at. */
const INTERVAL_MS = 2000;

export interface SiteTimes {
  readonly stopMs: number;
  readonly killMs: number;
}

export class Site {
  readonly line: Line;
  /** Where the application is made to wait, and says that it runs. */
  readonly control: string;
  /** The application's volume; undefined for one of the user's own, which nothing is written to. */
  readonly opened: OpenedVolume | undefined;
  readonly #stage: Stage;
  #agent: Service | undefined;
  #guard: Service | undefined;

  private constructor(stage: Stage, of: { line: Line; control: string; opened: OpenedVolume | undefined }) {
    this.#stage = stage;
    this.line = of.line;
    this.control = of.control;
    this.opened = of.opened;
  }

  /** Everything but the processes. The site's access files are there already. */
  static async prepare(stage: Stage, times: SiteTimes, mayMount: boolean): Promise<Site> {
    const { folder, volume } = stage;
    const control = join(folder, 'control');
    await makeFolder(control);
    const folders = { image: volume.path, mountPoint: join(folder, 'mount'), work: join(folder, 'work') };
    const opened = volume.own && (await openApplicationVolume(folders, mayMount));
    const site = new Site(stage, { line: await Line.open(), control, opened });
    if (opened) {
      await mkdir(folderOf(opened), { recursive: true });
      await prepareStillness(control, opened);
    }
    // What is JSON is YAML, too.
    const config = JSON.stringify(site.#config(times), undefined, 2);
    await writeFile(join(folder, 'sites', siteId(stage.ref), 'leeward.yaml'), `${config}\n`);
    return site;
  }

  /** What an administrator would write. */
  #config({ stopMs, killMs }: SiteTimes): object {
    const { name, project, ref } = this.#stage;
    const script = (file: string, ...args: readonly string[]): string =>
      [process.execPath, join(project, 'src/demo', file), ...args].map((word) => `'${word}'`).join(' ');
    const pid = join(this.control, 'pid');
    const stillness = (order: string): string => script('stillness.ts', order, this.control);
    const command = this.opened
      ? `exec ${script('application.ts', folderOf(this.opened), this.control, name)}`
      : // It stands for an application, and leaves the volume alone.
        `echo $$ >'${pid}'; exec sleep infinity`;
    return {
      intervalMs: INTERVAL_MS,
      ...(this.opened && {
        volumes: { [nameInSite(volumeId(ref))]: { quiesce: { freeze: stillness('freeze'), thaw: stillness('thaw') } } },
      }),
      groups: {
        [ref.group]: {
          stopMs,
          killMs,
          applications: {
            shop: { node: NODE, run: { command }, monitors: [{ name: 'process', kind: 'process', pidFile: pid }] },
          },
        },
      },
    };
  }

  async startAgent(): Promise<void> {
    this.#agent = await this.#start('agent', ['agent', '--site', siteId(this.#stage.ref)]);
  }

  async startGuard(): Promise<void> {
    this.#guard = await this.#start('guard', [
      'guard',
      'run',
      groupId(this.#stage.ref),
      '--node',
      NODE,
      '--arm',
      'process',
    ]);
  }

  async #start(what: string, args: readonly string[]): Promise<Service> {
    const { clock, folder, name, project } = this.#stage;
    return await Service.start({
      project,
      args: ['--state', folder, ...args],
      environment: { ...markOfSite(name), ...this.line.environment },
      log: join(folder, `${what}.log`),
      clock,
    });
  }

  signalAgent(signal: NodeJS.Signals): void {
    this.#agent?.signal(signal);
  }

  get isGuardRunning(): boolean {
    return this.#guard?.isRunning === true;
  }

  async isApplicationRunning(): Promise<boolean> {
    return await applicationRuns(this.control);
  }

  /** Returns once the guard has started the application. Errors: those of {@link Service.said}. */
  async applicationStarted(timeoutMs: number): Promise<void> {
    const { clock, signal } = this.#stage;
    await this.#guard?.said('the application', ({ guard }) => guard === 'starting', { timeoutMs, signal });
    // It says so itself, a moment later.
    while (!(await this.isApplicationRunning())) await clock.sleep(50, signal);
  }

  /** What the guard has said. */
  async guardLines(): Promise<readonly LogLine[]> {
    return (await this.#guard?.lines()) ?? [];
  }

  /** How many intervals this agent has told of. */
  async intervalCount(): Promise<number> {
    return ((await this.#agent?.lines()) ?? []).filter(isInterval).length;
  }

  /** The agent's intervals, once there are `count`. Errors: those of {@link Service.said}. */
  async intervals(count: number, timeoutMs: number): Promise<readonly Interval[]> {
    const { signal } = this.#stage;
    const lines = (await this.#agent?.said('the next interval', isInterval, { count, timeoutMs, signal })) ?? [];
    return lines.map(({ acknowledged = [], readBytes = 0, changedBytes = 0, sentBytes = 0 }) => {
      return { numbers: acknowledged, readBytes, changedBytes, sentBytes };
    });
  }

  /** Everything of the site ends at once. */
  cutPower(): number {
    return killEverythingOf(this.#stage.name);
  }

  /** Ends what is left of it. Can be repeated. */
  async end(): Promise<void> {
    this.cutPower();
    if (this.opened) await closeVolume(this.opened);
    await this.line.close();
  }
}

/** One interval that the cloud has acknowledged. */
export interface Interval {
  /** The deltas that were made. */
  readonly numbers: readonly number[];
  readonly readBytes: number;
  readonly changedBytes: number;
  /** Everything that this agent had sent by then. */
  readonly sentBytes: number;
}

function isInterval({ acknowledged }: LogLine): boolean {
  return acknowledged !== undefined;
}
