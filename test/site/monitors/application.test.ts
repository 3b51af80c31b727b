/** Applications under real checks: a server that hangs beside one that answers, and a process that ends and is restarted. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import type { Prober } from '../../../src/ports/probe.ts';
import type { Restarter } from '../../../src/ports/restart.ts';
import { MonitoredApplication } from '../../../src/site/monitors/application.ts';
import { applicationPlan, monitoringSchema } from '../../../src/site/monitors/config.ts';
import { SystemClock } from '../../../src/system/clock.ts';
import { SystemProber } from '../../../src/system/probes/prober.ts';
import { ManualClock } from '../../support/memory/clock.ts';
import { WakingClock } from '../../support/memory/waking-clock.ts';

const QUICK = { intervalMs: 100, timeoutMs: 100, failures: 2 };
const nobody: Restarter = {
  restart: async () => {
    throw new Error('there is no guard');
  },
};

function application(config: unknown, restarter: Restarter, prober: Prober = new SystemProber()): MonitoredApplication {
  const ports = { prober, clock: new SystemClock(), restarter };
  return new MonitoredApplication(applicationPlan('app', monitoringSchema.parse(config)), ports);
}

/** The real prober, which notes how many checks of a kind were under way at once at the most. */
class CountingProber implements Prober {
  readonly most = new Map<string, number>();
  readonly #now = new Map<string, number>();
  readonly #prober = new SystemProber();

  async probe(...[check, options]: Parameters<Prober['probe']>): ReturnType<Prober['probe']> {
    const { kind } = check;
    const now = (this.#now.get(kind) ?? 0) + 1;
    this.#now.set(kind, now);
    this.most.set(kind, Math.max(this.most.get(kind) ?? 0, now));
    try {
      return await this.#prober.probe(check, options);
    } finally {
      this.#now.set(kind, (this.#now.get(kind) ?? 1) - 1);
    }
  }
}

test('a monitor that hangs fails by itself, is never asked twice at once, and holds up no other', async (t) => {
  const hanging = createServer((socket) => {
    socket.on('error', () => undefined).resume();
  });
  t.after(() => hanging.close());
  await once(hanging.listen(0, '127.0.0.1'), 'listening');
  const { port } = hanging.address() as AddressInfo;
  const monitors = [
    { ...QUICK, name: 'hangs', kind: 'http', url: `http://127.0.0.1:${port}/` },
    { ...QUICK, name: 'connects', kind: 'tcp', host: '127.0.0.1', port, timeoutMs: 5000, intervalMs: 5000 },
  ];
  const prober = new CountingProber();
  const app = application({ monitors, restarts: { attempts: 1, startMs: 0 } }, nobody, prober);
  const stop = new AbortController();
  await app.run(stop.signal, ({ state }) => {
    if (state === 'failed') stop.abort();
  });
  const { state, monitors: seen } = app.report();
  assert.ok(state.state === 'failed');
  assert.deepEqual([state.attemptsMade, state.problem], [1, 'there is no guard']);
  assert.match(state.reason, /^hangs: (?:no result within 100 ms|GET: no answer from [\d.:]+ \(time out\))$/);
  assert.notEqual(seen[1]?.verdict, 'failed');
  const results = app.results();
  assert.ok(results.get('hangs')?.every((result) => !result.isWell));
  assert.ok(results.get('connects')?.every((result) => result.isWell));
  assert.deepEqual(Object.fromEntries(prober.most), { http: 1, tcp: 1 });
});

test('a process that ends is restarted, and runs again', async (t) => {
  const mark = `leeward-${process.pid}-watched`;
  let child: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    child = spawn('sleep', ['600'], { argv0: mark });
    await once(child, 'spawn');
  };
  t.after(() => child?.kill('SIGKILL'));
  await start();
  const monitors = [{ ...QUICK, name: 'there', kind: 'process', commandPattern: `^${mark}` }];
  const app = application({ monitors, restarts: { attempts: 2, startMs: 100 } }, { restart: start });
  const stop = new AbortController();
  const states: string[] = [];
  const running = app.run(stop.signal, (state) => {
    states.push(`${state.state} ${state.state === 'offline' ? 0 : state.attemptsMade}`);
    if (state.state === 'running') stop.abort();
  });
  child?.kill('SIGKILL');
  await running;
  assert.deepEqual([...new Set(states)], ['failing 0', 'failing 1', 'running 1']);
});

test('a check that cannot be ended fails at every interval and is not begun again; a restart that hangs is given up', async () => {
  const clock = new WakingClock(new ManualClock());
  let begun = 0;
  const stuck: Prober = {
    probe: async () => {
      begun += 1;
      return await new Promise(() => undefined);
    },
  };
  const restarter: Restarter = { restart: async () => new Promise(() => undefined) };
  const config = monitoringSchema.parse({ monitors: [{ name: 'm', kind: 'process', commandPattern: 'x' }] });
  const app = new MonitoredApplication(applicationPlan('app', config), { prober: stuck, clock, restarter });
  const stop = new AbortController();
  const problems: (string | undefined)[] = [];
  await clock.passUntil(
    app.run(stop.signal, (state) => {
      if (state.state === 'failing' && !state.isRestarting && !state.isDue) problems.push(state.problem);
      if (state.state === 'failed') stop.abort();
    }),
  );
  assert.equal(begun, 1);
  assert.deepEqual(problems, ['not done within 120000 ms', 'not done within 120000 ms']);
  assert.match(app.report().monitors[0]?.reason ?? '', /cannot be ended$/);
});

test('taken offline it stays so while its monitors fail, and the restart under way is given up', async () => {
  const clock = new WakingClock(new ManualClock());
  const failing: Prober = { probe: async () => ({ isWell: false, reason: 'gone', responseMs: 1 }) };
  const config = monitoringSchema.parse({ monitors: [{ name: 'm', kind: 'process', commandPattern: 'x' }] });
  const stop = new AbortController();
  let isGivenUp = false;
  const restarter: Restarter = {
    restart: async (_name, signal) => {
      signal.addEventListener('abort', () => (isGivenUp = true));
      app.takeOffline();
      await new Promise(() => undefined);
    },
  };
  const app = new MonitoredApplication(applicationPlan('app', config), { prober: failing, clock, restarter });
  const later = clock.sleep(600_000).then(() => {
    stop.abort();
  });
  await clock.passUntil(Promise.all([later, app.run(stop.signal, () => undefined)]));
  assert.deepEqual([app.state.state, isGivenUp], ['offline', true]);
  app.started();
  assert.equal(app.state.state, 'running');
});

test('what is wrong in the configuration is told at once, each with its place', () => {
  const monitors = [
    { name: 'a', kind: 'tcp', host: 'x', port: 0, intervalMs: 1000, timeoutMs: 2000, colour: 'red' },
    { name: 'a', kind: 'process' },
    { name: 'B', kind: 'http', url: 'http://u:p@x/' },
    { name: 'c', kind: 'ping' },
    { name: 'd', kind: 'process', commandPattern: '(' },
  ];
  const told = monitoringSchema.safeParse({ monitors, restarts: { attempts: -1 } }).error?.issues ?? [];
  const places = told.map(({ path }) => path.join('.'));
  const expected = [
    'monitors.0.port',
    'monitors.0',
    'monitors.0.timeoutMs',
    'monitors.1.pidFile',
    'monitors.2.name',
    'monitors.2.url',
    'monitors.3.kind',
    'monitors.4.commandPattern',
    'monitors',
    'restarts.attempts',
  ];
  assert.deepEqual(places.toSorted(), expected.toSorted());
  const { monitors: good, restarts } = monitoringSchema.parse({
    monitors: [{ name: 'a', kind: 'tcp', host: 'x', port: 1 }],
  });
  assert.deepEqual([good[0]?.intervalMs, good[0]?.timeoutMs, restarts.attempts], [10_000, 5000, 2]);
});
