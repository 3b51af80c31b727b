/**
 * A group's applications on one node, started and stopped in the order of their dependencies.
 *
 * Invariants: one thing is done at a time, and what stops all of it interrupts whatever is under way; from then on nothing
 * is started until the guard starts all of it anew; nothing is started while `whyNotStarted` gives a reason at that very
 * moment; what is marked offline, and what depends on that, is not started; a mark is durable before what it is for is
 * stopped. An application that does not end in its share of the time is killed, so that it takes nothing of the others'
 * shares. One that ends by itself stays ended until an order starts it.
 */
import type { Clock } from '../../kernel/clock.ts';
import { LeewardError, describeError, isLeewardError } from '../../kernel/errors.ts';
import { together } from '../../kernel/together.ts';
import { Troubles } from '../../kernel/troubles.ts';
import type { KeptApplication, KeptApplications } from '../../ports/kept-applications.ts';
import type { GuardedStatus, GuardOrder } from '../../ports/guard-desk.ts';
import type { GuardedApplication } from '../../ports/guarded-application.ts';
import type { GuardedGroup } from '../../ports/guarded-group.ts';
import { restartOrder, restartOrderOf } from '../decide/restart.ts';
import type { Dependent } from '../decide/restart.ts';

/** How often it is looked whether something still runs. */
const LOOK_MS = 100;
/** Orders that may wait. Equal ones wait as one, so that only a caller that does not wait for answers reaches this. */
const ORDERS_MAX = 100;

type Layers = readonly (readonly string[])[];

export interface OrderedOptions {
  readonly applications: readonly GuardedApplication[];
  /** What each of them depends on, of this node. */
  readonly dependents: readonly Dependent[];
  /** Applications that an earlier guard left running as they are not configured any more: asked to end, and never started. */
  readonly leftovers: readonly GuardedApplication[];
  readonly kept: KeptApplications;
  readonly clock: Clock;
  /** How long stopping in order, and killing, may take where an order asks for it. */
  readonly times: { readonly stopMs: number; readonly killMs: number };
  /** Why the guard allows no start at this moment, in words; undefined where it does. */
  readonly whyNotStarted: () => string | undefined;
  /** What happens, one line each, for people. */
  readonly tell: (line: string) => void;
}

export class OrderedApplications implements GuardedGroup {
  readonly #options: OrderedOptions;
  readonly #byName: ReadonlyMap<string, GuardedApplication>;
  readonly #kept: Map<string, KeptApplication>;
  /** `up` from when the guard starts or takes over any of them, even if they end by themselves; `ending` until none is left. */
  #phase: 'down' | 'up' | 'ending' = 'down';
  /** Aborted by what stops all of it. */
  #interrupt = new AbortController();
  /** The end of what is under way, and of what waits behind it. */
  #tail: Promise<void> = Promise.resolve();
  #underWay = 0;
  /** The end of asking all of it to stop, as it was asked last. */
  #stopOfAll: Promise<void> = Promise.resolve();
  readonly #orders = new Map<string, Promise<void>>();
  /** How often each was taken offline: an order that was given before the last time is out of date. */
  readonly #offlines = new Map<string, number>();
  #isKilled = false;
  /** The guard's process ends: a start that is not allowed now is never allowed by it. */
  #isLeft = false;
  /** Applications that an order stops now. */
  readonly #stopping = new Set<string>();
  /** Applications that could not be started when they were to be. */
  readonly #failed = new Set<string>();
  readonly #troubles = new Troubles();

  private constructor(options: OrderedOptions, kept: ReadonlyMap<string, KeptApplication>) {
    this.#options = options;
    this.#byName = new Map(options.applications.map((application) => [application.name, application]));
    this.#kept = new Map(kept);
  }

  /** Errors: USAGE for an order that is none; DOCUMENT_INVALID, what is kept of them. */
  static async open(options: OrderedOptions): Promise<OrderedApplications> {
    restartOrder(options.dependents);
    const ordered = new OrderedApplications(options, await options.kept.read());
    for (const leftover of options.leftovers) {
      options.tell(`${leftover.name}: runs as it is not configured any more: asked to end`);
      ordered.#end(leftover, 'askToStop');
    }
    return ordered;
  }

  async takeOver(): Promise<boolean> {
    const isAny = await this.#isAnyRunning();
    if (isAny && this.#phase === 'down') this.#phase = 'up';
    return isAny;
  }

  async beginStart(): Promise<void> {
    this.#phase = 'up';
    this.#isKilled = false;
    this.#interrupt = new AbortController();
    this.#failed.clear();
    const { dependents } = this.#options;
    // Not waited for, since the guard must be free to stop it meanwhile; a start that failed was told.
    void this.#inTurn(async (signal) => this.#startLayers(restartOrder(dependents).start, signal)).catch(onlyFaults);
  }

  askToStop(untilBootMs: number): void {
    if (this.#phase === 'ending') return;
    this.#interruptAll();
    for (const leftover of this.#options.leftovers) this.#end(leftover, 'askToStop');
    const { stop } = restartOrder(this.#options.dependents);
    this.#stopOfAll = this.#stopLayers(stop, untilBootMs, () => this.#isKilled);
  }

  kill(): void {
    this.#interruptAll();
    this.#isKilled = true;
    this.#killAll();
  }

  /**
   * The guard's process ends: finishes what is under way, a stop of all of it too, for as long as that is allowed, and begins
   * nothing that waits.
   */
  async leave(): Promise<void> {
    this.#isLeft = true;
    await together([this.#tail, this.#stopOfAll]);
  }

  async gone(signal?: AbortSignal): Promise<string> {
    for (;;) {
      signal?.throwIfAborted();
      // What is under way is waited for: it might have begun something that is not seen yet.
      if (this.#phase !== 'up' && !(await this.#isAnyRunning()) && this.#underWay === 0) break;
      if (this.#isKilled) this.#killAll();
      await this.#options.clock.sleep(LOOK_MS, signal);
    }
    this.#phase = 'down';
    return 'nothing of it is left';
  }

  /** What is known of each, by name. */
  async status(): Promise<GuardedStatus[]> {
    return Promise.all(
      [...this.#byName.values()].map(async (application): Promise<GuardedStatus> => {
        const { name } = application;
        const isRunning = (await application.look()) !== 'stopped';
        const { starts, startedBootMs, offline } = this.#keptOf(name);
        const isStopping = this.#phase === 'ending' || this.#stopping.has(name);
        const atRest = offline === undefined ? 'stopped' : 'offline';
        return {
          name,
          state: isRunning ? (isStopping ? 'stopping' : 'running') : atRest,
          startedBootMs: isRunning ? startedBootMs : undefined,
          offlineUntilWallMs: offline?.untilWallMs,
          starts,
        };
      }),
    );
  }

  /** Carries an order out: see {@link GuardOrder} for what it promises, and for its errors. */
  async order(order: GuardOrder): Promise<void> {
    const { name } = order;
    if (!this.#byName.has(name)) throw new LeewardError('NOT_FOUND', `the guard has no application "${name}" here`);
    // Marked before anything is waited for, so that nothing starts it from now on.
    if (order.do === 'offline') {
      this.#offlines.set(name, this.#offlinesOf(name) + 1);
      await this.#keep(name, { offline: { untilWallMs: order.untilWallMs } });
    }
    // Equal orders are one, unless the application was ordered offline between them.
    const key = `${this.#offlinesOf(name)} ${JSON.stringify(order)}`;
    const same = this.#orders.get(key);
    if (same) return same;
    if (this.#orders.size >= ORDERS_MAX) throw new LeewardError('REFUSED', `${ORDERS_MAX} orders wait already`);
    const done = this.#carryOut(order).finally(() => this.#orders.delete(key));
    this.#orders.set(key, done);
    return done;
  }

  async #carryOut(order: GuardOrder): Promise<void> {
    const { name } = order;
    if (this.#phase !== 'up') {
      // Nothing runs, or all of it is being stopped.
      if (order.do === 'offline') return;
      throw notAllowed(name, 'the guard has not started its applications');
    }
    const layers = restartOrderOf(this.#options.dependents, [name]);
    const givenAfter = this.#offlinesOf(name);
    return this.#inTurn(async (signal) => {
      if (order.do === 'offline') return this.#stopInOrder(layers.stop, signal);
      if (this.#offlinesOf(name) !== givenAfter) {
        throw new LeewardError('REFUSED', `application ${name} was taken offline after this ${order.do} was ordered`);
      }
      this.#needReady(name, order.do);
      if (order.do === 'start') await this.#keep(name, { offline: undefined });
      else await this.#stopInOrder(layers.stop, signal);
      const failure = (await this.#startLayers(layers.start, signal)).get(name);
      if (failure) throw failure;
    });
  }

  /** Errors: REFUSED where it must not be started now, before anything of it is stopped. */
  #needReady(name: string, what: 'restart' | 'start'): void {
    const reason = this.#options.whyNotStarted();
    if (reason !== undefined) throw notAllowed(name, reason);
    if (what === 'restart' && this.#keptOf(name).offline) {
      throw new LeewardError(
        'REFUSED',
        `application ${name} is offline on purpose: only an order to start it ends that`,
      );
    }
    const missing = this.#missingOf(name);
    if (missing !== undefined)
      throw new LeewardError('REFUSED', `application ${name} needs ${missing}: start that first`);
  }

  /** The first application it depends on that is offline, or could not be started. */
  #missingOf(name: string): string | undefined {
    const needs = this.#options.dependents.find((one) => one.name === name)?.dependsOn ?? [];
    return needs.find((need) => this.#keptOf(need).offline !== undefined || this.#failed.has(need));
  }

  /** Does one thing after the other, until all of it is stopped. Errors: REFUSED for what was interrupted by that. */
  async #inTurn(work: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
    const { signal } = this.#interrupt;
    const done = this.#tail.then(async () => {
      signal.throwIfAborted();
      if (this.#isLeft) throw new LeewardError('REFUSED', 'the guard ends: give the order to the next one');
      await work(signal);
    });
    this.#underWay += 1;
    this.#tail = done
      .catch(() => undefined)
      .then(() => {
        this.#underWay -= 1;
      });
    return done;
  }

  /** Starts them layer by layer; gives the errors of those that could not be started. */
  async #startLayers(layers: Layers, signal: AbortSignal): Promise<Map<string, Error>> {
    const failures = new Map<string, Error>();
    for (const layer of layers) {
      await Promise.all(
        layer.map(async (name) => {
          const failure = await this.#startOne(name, signal);
          if (failure) failures.set(name, failure);
        }),
      );
    }
    return failures;
  }

  async #startOne(name: string, signal: AbortSignal): Promise<Error | undefined> {
    const { clock, whyNotStarted, tell } = this.#options;
    const application = this.#byName.get(name);
    if (application === undefined || this.#keptOf(name).offline) return undefined;
    // An application whose state is unknown is started too: starting a running one does nothing.
    if ((await application.look()) === 'running') return undefined;
    const missing = this.#missingOf(name);
    try {
      if (missing !== undefined) throw new LeewardError('REFUSED', `it needs ${missing}, which was not started`);
      const { starts } = this.#keptOf(name);
      await this.#keep(name, { starts: starts + 1, startedBootMs: clock.bootMs() });
      // While the lease is in doubt, nothing more begins; what ends the doubt, or everything, comes soon.
      for (let reason = whyNotStarted(); reason !== undefined && !signal.aborted; reason = whyNotStarted()) {
        if (this.#isLeft) throw notAllowed(name, reason);
        await clock.sleep(LOOK_MS);
      }
      signal.throwIfAborted();
      if (this.#keptOf(name).offline) return undefined;
      await application.start(signal);
      this.#failed.delete(name);
      tell(`${name}: started`);
      return undefined;
    } catch (error) {
      signal.throwIfAborted();
      if (!isLeewardError(error)) throw error;
      this.#failed.add(name);
      tell(`${name}: not started: ${describeError(error)}`);
      return error;
    }
  }

  /** Stops these, and goes on only when nothing of them is left. Errors: UNAVAILABLE; the signal's reason. */
  async #stopInOrder(layers: Layers, signal: AbortSignal): Promise<void> {
    const { clock, times } = this.#options;
    const names = layers.flat();
    const untilBootMs = clock.bootMs() + times.stopMs;
    for (const name of names) this.#stopping.add(name);
    try {
      await this.#stopLayers(layers, untilBootMs, () => signal.aborted);
      signal.throwIfAborted();
      const left = await this.#runningOf(names);
      const isOver = (): boolean => signal.aborted || clock.bootMs() >= untilBootMs + times.killMs;
      while ((await this.#waitFor(left, LOOK_MS, isOver)).length > 0 && !isOver())
        for (const one of left) this.#end(one, 'kill');
      signal.throwIfAborted();
      const [stuck] = await this.#runningOf(names);
      if (stuck) throw new LeewardError('UNAVAILABLE', `application ${stuck.name} was killed and still runs`);
    } finally {
      for (const name of names) this.#stopping.delete(name);
    }
  }

  /** Asks one layer after the other to end, each for its share of the time that is left, and kills what does not. */
  async #stopLayers(layers: Layers, untilBootMs: number, isOver: () => boolean): Promise<void> {
    const { clock, tell } = this.#options;
    const busy: (readonly GuardedApplication[])[] = [];
    for (const layer of layers) {
      const running = await this.#runningOf(layer);
      if (running.length > 0) busy.push(running);
    }
    for (const [index, layer] of busy.entries()) {
      if (isOver()) return;
      for (const application of layer) this.#end(application, 'askToStop');
      const left = await this.#waitFor(layer, (untilBootMs - clock.bootMs()) / (busy.length - index), isOver);
      if (isOver()) return;
      for (const application of left) {
        tell(`${application.name}: did not end in its share of the time: killed`);
        this.#end(application, 'kill');
      }
    }
  }

  /** Waits until all have ended, the time has passed or `isOver` says so; gives those that still run. */
  async #waitFor(
    applications: readonly GuardedApplication[],
    ms: number,
    isOver: () => boolean,
  ): Promise<readonly GuardedApplication[]> {
    const { clock } = this.#options;
    const untilBootMs = clock.bootMs() + ms;
    for (;;) {
      const left = await running(applications);
      const leftMs = untilBootMs - clock.bootMs();
      if (left.length === 0 || leftMs <= 0 || isOver()) return left;
      await clock.sleep(Math.min(LOOK_MS, leftMs));
    }
  }

  async #runningOf(names: readonly string[]): Promise<readonly GuardedApplication[]> {
    return running([...this.#byName.values()].filter(({ name }) => names.includes(name)));
  }

  async #isAnyRunning(): Promise<boolean> {
    return (await running([...this.#byName.values(), ...this.#options.leftovers])).length > 0;
  }

  #interruptAll(): void {
    this.#phase = 'ending';
    this.#interrupt.abort(new LeewardError('REFUSED', 'the guard stops all of its applications'));
  }

  #killAll(): void {
    for (const application of [...this.#byName.values(), ...this.#options.leftovers]) this.#end(application, 'kill');
  }

  /** What keeps one from being ended is told, once as long as it stays the same; it counts as running, and costs no other. */
  #end(application: GuardedApplication, how: 'askToStop' | 'kill'): void {
    const what = `${application.name}: not ${how === 'kill' ? 'killed' : 'asked to end'}`;
    try {
      application[how]();
      this.#troubles.isOver(what);
    } catch (error) {
      if (!isLeewardError(error)) throw error;
      if (this.#troubles.isNews(what, error.message)) this.#options.tell(`${what}: ${error.message}`);
    }
  }

  #offlinesOf(name: string): number {
    return this.#offlines.get(name) ?? 0;
  }

  #keptOf(name: string): KeptApplication {
    return this.#kept.get(name) ?? { starts: 0 };
  }

  async #keep(name: string, change: Partial<KeptApplication>): Promise<void> {
    const before = this.#keptOf(name);
    const after = { ...before, ...change };
    this.#kept.set(name, after);
    try {
      await this.#options.kept.write(this.#kept);
    } catch (error) {
      // Changes that were made meanwhile stay, an offline mark above all.
      this.#kept.set(name, withoutChange(this.#keptOf(name), { before, after }));
      throw error;
    }
  }
}

/** What is kept as it is now, but for what `after` had changed in `before` and nobody has changed since. */
function withoutChange(
  now: KeptApplication,
  { before, after }: { readonly before: KeptApplication; readonly after: KeptApplication },
): KeptApplication {
  const { starts, startedBootMs, offline } = now;
  return {
    starts: starts === after.starts ? before.starts : starts,
    startedBootMs: startedBootMs === after.startedBootMs ? before.startedBootMs : startedBootMs,
    offline: offline === after.offline ? before.offline : offline,
  };
}

async function running(applications: readonly GuardedApplication[]): Promise<GuardedApplication[]> {
  const found = await Promise.all(applications.map(async (application) => application.look()));
  return applications.filter((_, index) => found[index] !== 'stopped');
}

/** In the desk's words. */
export function notAllowed(name: string, reason: string): LeewardError {
  return new LeewardError('REFUSED', `application ${name} is not started: ${reason}`);
}

function onlyFaults(error: unknown): void {
  if (!isLeewardError(error)) throw error;
}
