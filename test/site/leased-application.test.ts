import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Application } from '../../src/ports/application.ts';
import { LeasedApplication } from '../../src/site/lease/leased-application.ts';
import type { LeasedEvent } from '../../src/site/lease/leased-application.ts';
import { noLease } from '../../src/site/lease/lease.ts';
import type { LeaseState } from '../../src/site/lease/lease.ts';
import { ManualClock } from '../support/memory/clock.ts';

/** An application that takes its time to stop, on the test's clock. */
class SlowApplication implements Application {
  readonly name = 'slow';
  readonly #clock: ManualClock;
  readonly #stopMs: number;
  #end: (how: string) => void = () => undefined;
  #gone = Promise.resolve('never started');
  stopAtMs: number | undefined;

  constructor(clock: ManualClock, stopMs: number) {
    this.#clock = clock;
    this.#stopMs = stopMs;
  }

  async start(): Promise<void> {
    this.stopAtMs = undefined;
    this.#gone = new Promise((resolve) => (this.#end = resolve));
  }

  askToStop(): void {
    this.stopAtMs = this.#clock.bootMs() + this.#stopMs;
  }

  kill(): void {
    this.#end('killed');
  }

  async gone(): Promise<string> {
    return await this.#gone;
  }

  /** Called as time passes. */
  tick(): void {
    if (this.stopAtMs !== undefined && this.#clock.bootMs() >= this.stopAtMs) this.#end('stopped');
  }

  end(): void {
    this.#end('crashed');
  }
}

interface Scene {
  readonly appStopMs: number;
  /** What happens at each sleep; `ms` since the beginning. */
  readonly at?: (ms: number, scene: { app: SlowApplication; set: (lease: Partial<LeaseState>) => void }) => void;
  readonly lease: Partial<LeaseState>;
  readonly lastsMs: number;
}

async function play(scene: Scene): Promise<LeasedEvent[]> {
  const clock = new ManualClock();
  const start = clock.bootMs();
  const app = new SlowApplication(clock, scene.appStopMs);
  let lease: LeaseState = noLease('acme/berlin/erp');
  // A scene's times count from its beginning.
  const set = (change: Partial<LeaseState>): void => {
    const { untilBootMs, ...others } = change;
    lease = { ...lease, ...others, ...(untilBootMs === undefined ? {} : { untilBootMs: untilBootMs + start }) };
  };
  set({ term: 1, leaseMs: 10_000, ...scene.lease });
  const stop = new AbortController();
  const sleep = clock.sleep.bind(clock);
  clock.sleep = async (ms, signal) => {
    await sleep(ms, signal);
    const passedMs = clock.bootMs() - start;
    scene.at?.(passedMs, { app, set });
    app.tick();
    if (passedMs >= scene.lastsMs) stop.abort();
    // Lets whoever waits for the application hear of its end.
    await new Promise((resolve) => setImmediate(resolve));
  };
  const holder = { lease: () => lease, isHeld: () => clock.bootMs() < lease.untilBootMs };
  const options = { group: lease.group, application: app, holder, clock, stopMs: 2000, killMs: 500 };
  const events: LeasedEvent[] = [];
  await new LeasedApplication(options).run(stop.signal, (event) => {
    events.push({ ...event, atBootMs: event.atBootMs - start });
  });
  return events;
}

test('without a lease nothing is started', async () => {
  assert.deepEqual(await play({ appStopMs: 100, lease: {}, lastsMs: 5000 }), []);
});

test('it is asked to stop early enough, and is gone before the lease ends', async () => {
  const events = await play({ appStopMs: 1900, lease: { untilBootMs: 10_000 }, lastsMs: 20_000 });
  assert.deepEqual(
    events.map(({ event }) => event),
    ['started', 'asked-to-stop', 'gone'],
  );
  const [, asked, gone] = events;
  assert.equal(asked?.atBootMs, 7500);
  assert.ok(gone?.event === 'gone' && gone.how === 'stopped' && gone.beforeDeadlineMs >= 500);
});

test('one that does not stop is killed before the lease ends', async () => {
  const events = await play({ appStopMs: 60_000, lease: { untilBootMs: 10_000 }, lastsMs: 20_000 });
  assert.deepEqual(
    events.map(({ event }) => event),
    ['started', 'asked-to-stop', 'killed', 'gone'],
  );
  assert.equal(events[2]?.atBootMs, 9500);
  const gone = events.at(-1);
  assert.ok(gone?.event === 'gone' && gone.beforeDeadlineMs > 0);
});

test('renewals keep it running; it starts again under a new lease', async () => {
  const events = await play({
    appStopMs: 100,
    lease: { untilBootMs: 10_000 },
    lastsMs: 60_000,
    at: (ms, { set }) => {
      if (ms < 20_000 || (ms > 40_000 && ms < 50_000)) set({ untilBootMs: ms + 10_000 });
    },
  });
  assert.deepEqual(
    events.map(({ event }) => event),
    ['started', 'asked-to-stop', 'gone', 'started', 'asked-to-stop', 'gone'],
  );
});

test('a renewal that comes after it was asked to stop does not keep it past the old deadline', async () => {
  const events = await play({
    appStopMs: 60_000,
    lease: { untilBootMs: 10_000 },
    lastsMs: 12_000,
    at: (ms, { set }) => {
      if (ms > 8000) set({ untilBootMs: 100_000 });
    },
  });
  assert.equal(events.find(({ event }) => event === 'killed')?.atBootMs, 9500);
});

test('a machine that slept past the deadline kills at once when it wakes', async () => {
  let slept = false;
  const clockJump = 30_000;
  const events = await play({
    appStopMs: 60_000,
    lease: { untilBootMs: 10_000 },
    lastsMs: 40_000,
    at: (ms, { set }) => {
      // The same as a clock that jumps ahead: the lease is long over.
      if (ms > 3000 && !slept) {
        slept = true;
        set({ untilBootMs: ms - clockJump });
      }
    },
  });
  const [, asked, killed, gone] = events;
  assert.equal(killed?.event, 'killed');
  assert.equal(killed.atBootMs, asked?.atBootMs);
  assert.ok(gone?.event === 'gone' && gone.beforeDeadlineMs < 0, 'and says that it was late');
});

test('one that ends by itself is told, and not started again here', async () => {
  const events = await play({
    appStopMs: 100,
    lease: { untilBootMs: 100_000 },
    lastsMs: 50_000,
    at: (ms, { app }) => {
      if (ms > 2000) app.end();
    },
  });
  assert.deepEqual(
    events.map((event) => (event.event === 'gone' ? event.how : event.event)),
    ['started', 'crashed'],
  );
});

test('a lease that leaves no time to run is refused in words', async () => {
  const lease = { untilBootMs: 3000, leaseMs: 3000 };
  await assert.rejects(play({ appStopMs: 1, lease, lastsMs: 100 }), { code: 'USAGE', message: /do not fit a lease/ });
});
