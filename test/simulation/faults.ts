/**
 * What can go wrong between a worker and its storage: answers that are late, requests that fail before or after they took
 * effect, writes that land once more long after their retry, and a worker that is gone for ever at any call, or stalls as a
 * whole and wakes after its claim ran out.
 */
import { LeewardError } from '../../src/kernel/errors.ts';
import type { PortCall } from '../support/memory/intercept.ts';
import { intercept } from '../support/memory/intercept.ts';
import type { StoragePorts } from '../support/data-path.ts';
import type { SeededRandom } from './random.ts';
import type { Scheduler } from './scheduler.ts';

/** How likely each fault is, for each call. */
export interface FaultRates {
  readonly crash: number;
  readonly failBefore: number;
  readonly failAfter: number;
  /** It takes effect later, while the caller is told that it failed. */
  readonly late: number;
  /** It takes effect now and once more later. */
  readonly twice: number;
  /** A long delay. */
  readonly slow: number;
  /** All of the caller stands still for a while. */
  readonly stall: number;
  /** For how long at most. */
  readonly stallMsMax: number;
}

export const NO_FAULTS: FaultRates = {
  ...{ crash: 0, failBefore: 0, failAfter: 0, late: 0, twice: 0, slow: 0, stall: 0, stallMsMax: 0 },
};

/** Calls that change something: only these can land late. */
const CHANGING = new Set([
  'replace',
  'create',
  'send',
  'raiseSequenceNumber',
  'writePages',
  'clearPages',
  'resize',
  'snapshot',
  'deleteSnapshot',
  'resetSequenceNumber',
  'remove',
  'copySnapshot',
  'ensureContainer',
  'removeContainer',
  'putEntry',
  'putPages',
  'sendMessage',
]);

/** Whoever makes the calls: a process that may stall, and die. */
export class Mortal {
  readonly #scheduler: Scheduler;
  readonly #dies: () => void;
  #isDead = false;
  #stalledUntilMs = 0;

  /** Lives until it dies, and then `dies` is told. */
  constructor(scheduler: Scheduler, dies: () => void = () => undefined) {
    this.#scheduler = scheduler;
    this.#dies = dies;
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  die(): void {
    if (this.#isDead) return;
    this.#isDead = true;
    this.#dies();
  }

  stall(ms: number): void {
    this.#stalledUntilMs = Math.max(this.#stalledUntilMs, this.#scheduler.bootMs() + ms);
  }

  /** Sleeps, and for longer while it is stalled. For ever if it dies meanwhile. */
  async sleep(ms: number): Promise<void> {
    await this.#scheduler.sleep(ms);
    while (this.#stalledUntilMs > this.#scheduler.bootMs()) {
      await this.#scheduler.sleep(this.#stalledUntilMs - this.#scheduler.bootMs());
    }
    if (this.#isDead) await never();
  }
}

/** What decides over faults. */
export interface FaultyWorld {
  readonly scheduler: Scheduler;
  readonly random: SeededRandom;
  readonly rates: () => FaultRates;
}

/** `ports` as a worker meets them that may die at every call. */
export function faulty(ports: Required<StoragePorts>, world: FaultyWorld, caller: Mortal): Required<StoragePorts> {
  const around = async (call: PortCall): Promise<unknown> => suffer(call, world, caller);
  const wrap = <T extends object>(port: T): T => listingsToo(intercept(port, around), port, around);
  return {
    state: wrap(ports.state),
    replicas: wrap(ports.replicas),
    entries: wrap(ports.entries),
    queues: wrap(ports.queues),
    access: wrap(ports.access),
  };
}

/** One call, with whatever becomes of it. */
export async function suffer(call: PortCall, world: FaultyWorld, caller: Mortal): Promise<unknown> {
  const { scheduler, random } = world;
  const pause = async (): Promise<void> => {
    const { slow, stall, stallMsMax } = world.rates();
    if (random.chance(stall)) caller.stall(random.between(0, stallMsMax));
    await caller.sleep(random.chance(slow) ? random.between(500, 25_000) : random.between(1, 40));
  };
  await pause();
  const rates = world.rates();
  const lands = (): void => {
    // Soon, while its own delta is still written; or when all have forgotten it.
    const afterMs = random.chance(0.5) ? random.between(5, 800) : random.between(800, 30_000);
    scheduler.after(afterMs, () => void call.proceed().catch(() => undefined));
  };
  const changing = CHANGING.has(call.method);
  if (random.chance(rates.crash)) {
    caller.die();
    return never();
  }
  if (random.chance(rates.failBefore)) throw unavailable(call);
  if (changing && random.chance(rates.late)) {
    lands();
    throw unavailable(call);
  }
  if (changing && random.chance(rates.twice)) lands();
  const answer = await call.proceed();
  if (random.chance(rates.crash)) {
    caller.die();
    return never();
  }
  await pause();
  if (random.chance(rates.failAfter)) throw unavailable(call);
  return answer;
}

async function never(): Promise<never> {
  return new Promise<never>(() => undefined);
}

function unavailable({ method }: PortCall): LeewardError {
  return new LeewardError('UNAVAILABLE', `${method}: no answer`);
}

/** A listing is one call too: its answer may be old by the time it is read. */
function listingsToo<T extends object>(wrapped: T, port: T, around: (call: PortCall) => Promise<unknown>): T {
  return new Proxy(wrapped, {
    get(target, property): unknown {
      const value: unknown = Reflect.get(target, property, target);
      if (property !== 'list' || typeof value !== 'function') return value;
      const list: unknown = Reflect.get(port, property, port);
      if (typeof list !== 'function') return value;
      return async function* (...args: unknown[]): AsyncGenerator {
        const rows: unknown[] = [];
        const proceed = async (): Promise<void> => {
          for await (const row of Reflect.apply(list, port, args) as AsyncIterable<unknown>) rows.push(row);
        };
        await around({ method: 'list', args, proceed });
        yield* rows;
      };
    },
  });
}
