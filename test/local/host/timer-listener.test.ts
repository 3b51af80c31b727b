/** Timers that several hosts share, and what happens to occurrences that no host was there for. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { HOSTS_CONTAINER, openContainer, readJson } from '../../../src/local/host/host-blobs.ts';
import type { HostBlob } from '../../../src/local/host/host-blobs.ts';
import { createLog } from '../../../src/local/host/log.ts';
import { parseSchedule } from '../../../src/local/host/schedule.ts';
import { TimerListener } from '../../../src/local/host/timer-listener.ts';
import type { TimerInfo } from '../../../src/local/host/timer-listener.ts';
import { continueStatus, readStatus, statusToJson, writeStatus } from '../../../src/local/host/timer-status.ts';
import { startAzurite } from '../../support/azurite.ts';
import type { Azurite } from '../../support/azurite.ts';

describe('TimerListener', () => {
  let azurite: Azurite;
  let blob: HostBlob;
  before(async () => {
    azurite = await startAzurite();
    blob = await openContainer(azurite.connectionString, HOSTS_CONTAINER);
  });
  after(async () => {
    await azurite.stop();
  });

  /** A timer of one host; those of one name share lease and status. */
  function timer(name: string, schedule: string, calls: TimerInfo[]): TimerListener {
    return new TimerListener({
      name,
      trigger: { kind: 'timer', schedule, runOnStartup: false, useMonitor: true },
      schedule: parseSchedule(schedule, name),
      settings: { lockPeriodMs: 15_000, recoveryPollingMs: 200 },
      lockBlob: blob(`locks/test/${name}`),
      statusBlob: blob(`timers/test/${name}`),
      run: (info) => {
        calls.push(info);
        return Promise.resolve();
      },
      log: createLog(() => undefined),
    });
  }

  test('of two hosts one alone fires; the other takes over when it ends', async () => {
    const first: TimerInfo[] = [];
    const second: TimerInfo[] = [];
    const a = timer('shared', '* * * * * *', first);
    a.start();
    await soon(() => first.length >= 1);
    const b = timer('shared', '* * * * * *', second);
    b.start();
    await soon(() => first.length >= 3);
    assert.equal(second.length, 0);
    await a.stop();
    const fired = first.length;
    await soon(() => second.length >= 1);
    await b.stop();
    assert.equal(first.length, fired);
  });

  test('an occurrence that came while no host ran is made good once, and the status moves on', async () => {
    const schedule = parseSchedule('0 0 * * * *', 'missed');
    const lastMs = Date.now() - 3 * 3_600_000;
    const nextMs = schedule.next(lastMs);
    await writeStatus(blob('timers/test/missed'), { lastMs, nextMs, updatedMs: lastMs });
    const calls: TimerInfo[] = [];
    const listener = timer('missed', '0 0 * * * *', calls);
    listener.start();
    await soon(() => calls.length === 1);
    await sleep(300);
    await listener.stop();
    assert.equal(calls.length, 1);
    assert.equal(calls[0]?.IsPastDue, true);
    assert.equal(calls[0].ScheduleStatus?.Next, new Date(nextMs).toISOString());
    const status = await readStatus(blob('timers/test/missed'));
    assert.ok(status?.lastMs !== undefined && status.nextMs > status.lastMs && status.lastMs > nextMs);
  });

  test('a new timer waits for its time, and its status is written', async () => {
    const calls: TimerInfo[] = [];
    const listener = timer('fresh', '0 0 0 1 1 *', calls);
    listener.start();
    await soon(async () => (await readJson(blob('timers/test/fresh'))) !== undefined);
    await listener.stop();
    assert.equal(calls.length, 0);
    assert.match(JSON.stringify(await readJson(blob('timers/test/fresh'))), /"Last":"0001-01-01T00:00:00"/);
  });
});

describe('continueStatus', () => {
  const hourly = parseSchedule('0 0 * * * *', 'x');
  const nowMs = Date.UTC(2030, 0, 1, 12, 30);

  test('a timer that is new, or whose schedule changed, counts from now', () => {
    assert.equal(continueStatus(undefined, hourly, nowMs).nextMs, Date.UTC(2030, 0, 1, 13));
    const other = { lastMs: nowMs - 10_000_000, nextMs: nowMs - 5_000_000, updatedMs: nowMs - 10_000_000 };
    assert.equal(continueStatus(other, hourly, nowMs).nextMs, Date.UTC(2030, 0, 1, 13));
  });

  test('what was announced and is due stays due, also for a timer that never ran', () => {
    const due = { lastMs: Date.UTC(2030, 0, 1, 10), nextMs: Date.UTC(2030, 0, 1, 11), updatedMs: 0 };
    assert.equal(continueStatus(due, hourly, nowMs), due);
    const neverRan = { lastMs: undefined, nextMs: Date.UTC(2030, 0, 1, 11), updatedMs: Date.UTC(2030, 0, 1, 10, 1) };
    assert.equal(continueStatus(neverRan, hourly, nowMs), neverRan);
    assert.equal(statusToJson(neverRan).Last, '0001-01-01T00:00:00');
  });
});

async function soon(look: () => boolean | Promise<boolean>): Promise<void> {
  for (const begun = performance.now(); performance.now() - begun < 15_000;) {
    if (await look()) return;
    await sleep(20);
  }
  assert.fail('did not happen');
}
