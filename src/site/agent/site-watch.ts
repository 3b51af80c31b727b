/**
 * What runs at the site under the agent's eyes: every guard is asked, every application monitored, every machine decided
 * about; and what the heartbeat says of all that.
 *
 * Invariants: no guard waits for another; a guard, a monitor, a record or a mark that fails is told and ends nothing else; the
 * heartbeat's word is what was seen last, and asking for it waits for nothing; once the signal is aborted everything ends soon.
 */
import type { Clock } from '../../kernel/clock.ts';
import { describeError } from '../../kernel/errors.ts';
import { Troubles } from '../../kernel/troubles.ts';
import type { GuardDesk } from '../../ports/guard-desk.ts';
import type { KeptTexts } from '../../ports/kept-texts.ts';
import type { MachineControl } from '../../ports/machine-control.ts';
import type { Metrics, MetricsSource } from '../../ports/metrics.ts';
import type { Prober } from '../../ports/probe.ts';
import type { GroupWord, Heartbeat, OfflineWord, SiteWord } from '../../protocol/heartbeat.ts';
import type { OfflineMark } from '../decide/policies.ts';
import { machineConfig, machineOf } from './config.ts';
import type { SiteConfig } from './config.ts';
import { offlineUntilMs, offlineWords, readMarks } from './marks.ts';
import { JoinedTurns } from '../work/joined-turns.ts';
import { WatchedApplication } from './watched-application.ts';
import { WatchedGuard } from './watched-guard.ts';
import { WatchedMachine } from './watched-machine.ts';

const LOOK_MS = 1000;
/** From one reading of this machine's metrics to the next: the pressures are averages of ten seconds. */
const METRICS_MS = 10_000;

export interface SiteWatchOptions {
  /** tenant/site */
  readonly site: string;
  readonly config: SiteConfig;
  readonly clock: Clock;
  /** The id of this machine's present boot, from which the clock's boot time counts. */
  readonly bootId: string;
  readonly prober: Prober;
  /** The desk of a group's guard on a node; undefined while none is known on this machine. */
  readonly deskOf: (group: string, node: string) => GuardDesk | undefined;
  /** Control of a machine by the socket of its QEMU. */
  readonly controlOf: (qmp: string) => MachineControl;
  readonly metrics: MetricsSource;
  /** Whether a node is this machine, whose metrics are its own. */
  readonly isHere: (node: string) => boolean;
  readonly records: KeptTexts;
  readonly decisions: KeptTexts;
  readonly marks: KeptTexts;
  /** From one look at a guard, or at a machine, to the next. Default: one second. */
  readonly lookMs?: number;
  /** What happens, one line each, for people. */
  readonly tell: (line: string) => void;
}

export class SiteWatch {
  readonly #options: SiteWatchOptions;
  readonly #guards: WatchedGuard[] = [];
  readonly #machines: WatchedMachine[] = [];
  #marks: readonly OfflineMark[] = [];
  /** One after the other, so that what is older is never taken for newer. */
  readonly #reading = new JoinedTurns(async () => this.#readMarks());
  /** Files among the marks that are none, as people were told of them. */
  #faults: ReadonlyMap<string, string> = new Map();
  #metrics: Metrics = {};

  private constructor(options: SiteWatchOptions) {
    this.#options = options;
  }

  /** With everything that is on record. Errors: DOCUMENT_INVALID, VERSION_TOO_NEW. */
  static async open(options: SiteWatchOptions): Promise<SiteWatch> {
    const watch = new SiteWatch(options);
    // A heartbeat that does not know them would take them back.
    await watch.readMarks();
    for (const group of Object.keys(options.config.groups)) await watch.#openGroup(group);
    return watch;
  }

  /** Watches until the signal is aborted. Returns when nothing of it is under way any more. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, tell, lookMs = LOOK_MS } = this.#options;
    const troubles = new Troubles();
    const tried = async (what: string, work: () => Promise<void>): Promise<void> => {
      await work().then(
        () => troubles.isOver(what),
        (error: unknown) => {
          const line = describeError(error);
          if (!signal.aborted && troubles.isNews(what, line)) tell(line);
        },
      );
    };
    const every = async (what: string, ms: number, work: () => Promise<void>): Promise<void> => {
      while (!signal.aborted) {
        await tried(what, work);
        await clock.sleep(ms, signal).catch(() => undefined);
      }
    };
    // The marks come before any decision: what they name is offline on purpose.
    await tried('marks', async () => this.readMarks());
    await Promise.all([
      every('marks', lookMs, async () => this.readMarks()),
      every('metrics', METRICS_MS, async () => {
        this.#metrics = await this.#options.metrics.read();
      }),
      ...this.#guards.map(async (guard) =>
        every(`guard ${guard.group} ${guard.node}`, lookMs, async () => guard.look(signal)),
      ),
      ...this.#machines.map(async (machine) =>
        every(`machine ${machine.name}`, lookMs, async () => machine.judge(signal)),
      ),
    ]);
    const applications = this.#guards.flatMap((guard) => guard.applications);
    await Promise.allSettled([...this.#machines, ...applications].map(async (one) => one.ended()));
  }

  /** Goes by the marks as they are now. Errors: those of the texts. */
  async readMarks(): Promise<void> {
    await this.#reading.ask();
  }

  /** What the heartbeat says, as of what was seen last. */
  word(): SiteWord & { readonly groups: GroupWord[]; readonly offline: OfflineWord[] } {
    const { config, site, clock } = this.#options;
    const nowWallMs = clock.wallMs();
    const siteUntilMs = offlineUntilMs(this.#marks, [{ what: 'site', name: site }], nowWallMs);
    return {
      groups: Object.keys(config.groups).map((group) => this.#groupWord(group, nowWallMs)),
      machines: this.#machines.map((machine) => this.#machineWord(machine, nowWallMs)),
      ...(siteUntilMs !== undefined && { offlineUntilMs: siteUntilMs }),
      offline: offlineWords(this.#marks, nowWallMs),
    };
  }

  #groupWord(name: string, nowWallMs: number): GroupWord {
    const { site, config } = this.#options;
    const group = `${site}/${name}`;
    const guards = this.#guards.filter((guard) => guard.group === group);
    const said = guards.flatMap(({ status }) => (status === undefined ? [] : [status]));
    // A guard goes by its own options, and by the file as it was when it started.
    const longest = (of: 'stopMs' | 'killMs'): number =>
      Math.max(...guards.map(({ status }) => status?.[of] ?? config.groups[name]?.[of] ?? 0));
    const isHeld = said.some(({ lease }) => lease === 'held');
    const want = this.#machines.find((machine) => machine.group === group && machine.want !== undefined)?.want;
    const untilMs = offlineUntilMs(this.#marks, [{ what: 'group', name }], nowWallMs);
    return {
      group,
      term: Math.max(0, ...said.map(({ term }) => term)),
      // Only when each of its guards has said so is it known that nothing runs under a lease.
      lease: isHeld ? 'held' : said.length === guards.length && guards.length > 0 ? 'none' : 'unknown',
      nodes: guards.map(({ node }) => node),
      ...(guards.length > 0 && { stopMs: longest('stopMs'), killMs: longest('killMs') }),
      applications: guards.flatMap(({ applications }) => applications.map((application) => application.word())),
      ...(want && { wants: want }),
      ...(untilMs !== undefined && { offlineUntilMs: untilMs }),
    };
  }

  #machineWord(
    { name, config, trouble }: WatchedMachine,
    nowWallMs: number,
  ): NonNullable<Heartbeat['machines']>[number] {
    const { isHere } = this.#options;
    const untilMs = offlineUntilMs(this.#marks, [{ what: 'machine', name }], nowWallMs);
    return {
      name,
      node: config.node,
      ...(trouble !== undefined && { trouble }),
      ...(isHere(config.node) && this.#metrics),
      ...(untilMs !== undefined && { offlineUntilMs: untilMs }),
    };
  }

  /** Reads the marks. A file that is no mark is told once, for as long as it lies there. */
  async #readMarks(): Promise<void> {
    const { marks, faults } = await readMarks(this.#options.marks);
    this.#marks = marks;
    for (const [name, fault] of faults) if (this.#faults.get(name) !== fault) this.#options.tell(fault);
    this.#faults = faults;
  }

  async #openGroup(name: string): Promise<void> {
    const { config, site, deskOf } = this.#options;
    const group = `${site}/${name}`;
    const configs = Object.entries(config.groups[name]?.applications ?? {});
    for (const node of new Set(configs.map(([, application]) => application.node))) {
      const here = configs.filter(([, application]) => application.node === node);
      const applications: WatchedApplication[] = [];
      const machines: WatchedMachine[] = [];
      const guard = new WatchedGuard({
        group,
        node,
        applications,
        clock: this.#options.clock,
        desk: () => deskOf(name, node),
        markedUntilWallMs: (application) => this.#markedUntilMs(name, machineOf(application.config)),
      });
      for (const [application, said] of here) {
        const opened = await WatchedApplication.open({
          ...this.#options,
          group: name,
          name: application,
          config: said,
          restart: async (of, signal) => guard.restart([of], signal),
          tell: (line) => {
            this.#options.tell(`${group}: ${line}`);
          },
        });
        applications.push(opened);
      }
      for (const machine of new Set(here.map(([, application]) => machineOf(application)))) {
        machines.push(await this.#openMachine(machine, guard));
      }
      if (machines.some(({ isStepOpen }) => isStepOpen) || applications.some((one) => one.wasRestarting)) {
        for (const application of applications) application.adoptStarts();
      }
      this.#guards.push(guard);
      this.#machines.push(...machines);
    }
  }

  async #openMachine(name: string, guard: WatchedGuard): Promise<WatchedMachine> {
    const { config, controlOf, site } = this.#options;
    const machine = machineConfig(config, name, guard.node);
    const group = guard.group.slice(site.length + 1);
    return WatchedMachine.open({
      ...this.#options,
      name,
      guard,
      config: machine,
      control: machine.control && controlOf(machine.control.qmp),
      applications: guard.applications.filter((application) => machineOf(application.config) === name),
      marks: () => this.#marksOn(group, name),
    });
  }

  #marksOn(group: string, machine: string): OfflineMark[] {
    return this.#marks.filter(
      ({ what, name }) =>
        what === 'site' || (what === 'group' && name === group) || (what === 'machine' && name === machine),
    );
  }

  #markedUntilMs(group: string, machine: string): number | undefined {
    const { clock, site } = this.#options;
    const of = [
      { what: 'machine' as const, name: machine },
      { what: 'group' as const, name: group },
      { what: 'site' as const, name: site },
    ];
    return offlineUntilMs(this.#marks, of, clock.wallMs());
  }
}
