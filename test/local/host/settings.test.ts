/** host.json, settings, schedules and the log: what is read, what is refused. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Backoff } from '../../../src/local/host/backoff.ts';
import { parseHostJson } from '../../../src/local/host/host-json.ts';
import { createLog } from '../../../src/local/host/log.ts';
import { isWatched, parseSchedule } from '../../../src/local/host/schedule.ts';
import { connectionString, resolveExpression } from '../../../src/local/host/settings.ts';
import { parseTimeSpan } from '../../../src/local/host/timespan.ts';

describe('host.json', () => {
  const parse = (value: unknown, development = false) => parseHostJson(JSON.stringify(value), { development });

  test('what is left out has the documented default', () => {
    const settings = parse({ version: '2.0' });
    assert.equal(settings.routePrefix, 'api');
    assert.deepEqual(settings.queues, {
      batchSize: 16,
      newBatchThreshold: 8,
      maxDequeueCount: 5,
      maxPollingIntervalMs: 60_000,
      visibilityTimeoutMs: 0,
      messageEncoding: 'base64',
    });
    assert.deepEqual(settings.singleton, { lockPeriodMs: 60_000, recoveryPollingMs: 60_000 });
  });

  test('Development shortens defaults, not what is set', () => {
    assert.equal(parse({ version: '2.0' }, true).queues.maxPollingIntervalMs, 2000);
    assert.equal(parse({ version: '2.0' }, true).singleton.lockPeriodMs, 15_000);
    const set = parse({ version: '2.0', extensions: { queues: { maxPollingInterval: '00:00:30' } } }, true);
    assert.equal(set.queues.maxPollingIntervalMs, 30_000);
  });

  for (const [section, says] of [
    [{ version: '1.0' }, /version/],
    [{ version: '2.0', extensions: { queues: { batchSize: 33 } } }, /extensions\.queues\.batchSize/],
    [
      { version: '2.0', extensions: { queues: { maxPollingInterval: '2s' } } },
      /maxPollingInterval: use the form hh:mm:ss/,
    ],
    [{ version: '2.0', extensions: { queues: { maxPollingInterval: '00:00:00.05' } } }, /maxPollingInterval/],
    [{ version: '2.0', extensions: { queues: { messageEncoding: 'utf8' } } }, /messageEncoding/],
    [{ version: '2.0', singleton: { listenerLockPeriod: '00:02:00' } }, /listenerLockPeriod/],
  ] as const) {
    test(`${JSON.stringify(section)} is refused`, () => {
      assert.throws(() => parse(section), says);
    });
  }
});

describe('settings', () => {
  test('every %NAME% is resolved, a missing one is named', () => {
    assert.equal(resolveExpression('%A%-%B%', 'x', { A: 'one', B: 'two' }), 'one-two');
    assert.throws(
      () => resolveExpression('%A%', 'f: schedule', {}),
      /f: schedule is "%A%", but the setting A is missing/,
    );
  });

  test('a connection is found with and without prefix; one by identity is refused', () => {
    assert.equal(connectionString('Other', { AzureWebJobsOther: 'prefixed', Other: 'plain' }), 'prefixed');
    assert.equal(connectionString('Other', { Other: 'plain' }), 'plain');
    assert.equal(connectionString('', { AzureWebJobsStorage: 'host' }), 'host');
    assert.throws(() => connectionString('Other', { Other__accountName: 'x' }), /given by identity/);
  });

  test('TimeSpan', () => {
    assert.equal(parseTimeSpan('00:00:01'), 1000);
    assert.equal(parseTimeSpan('1.02:03:04.5'), 93_784_500);
    for (const wrong of ['1', '00:60:00', '24:00:00', '00:00:01 ', '* * * * *'])
      assert.equal(parseTimeSpan(wrong), undefined);
  });
});

describe('schedules', () => {
  const from = Date.UTC(2030, 0, 1);
  const next = (text: string): string => new Date(parseSchedule(text, 'f').next(from)).toISOString();

  test('five fields begin with minutes, six with seconds, all in UTC', () => {
    assert.equal(next('*/5 * * * *'), '2030-01-01T00:05:00.000Z');
    assert.equal(next('*/5 * * * * *'), '2030-01-01T00:00:05.000Z');
    assert.equal(next('0 30 9 * * Mon-Fri'), '2030-01-01T09:30:00.000Z');
    assert.equal(next('01:30:00'), '2030-01-01T01:30:00.000Z');
  });

  test('day and weekday both have to match', () => {
    assert.equal(next('0 0 0 13 * Fri'), '2030-09-13T00:00:00.000Z');
  });

  for (const wrong of ['', '* * *', '* * * * * * *', '@daily', '0 0 L * *', '0 0 0 ? * *', 'a b c d e', '61 * * * *']) {
    test(`"${wrong}" is refused`, () => {
      assert.throws(() => parseSchedule(wrong, 'f'), { code: 'USAGE', message: /function f: schedule/ });
    });
  }

  test('only timers that leave a minute between occurrences are watched', () => {
    assert.equal(isWatched(parseSchedule('*/30 * * * * *', 'f'), from), false);
    assert.equal(isWatched(parseSchedule('* * * * *', 'f'), from), true);
  });
});

describe('back-off', () => {
  test('once at the limit it stays there, whatever chance says', () => {
    // A limit that the second pause reaches in one case of two.
    for (let count = 0; count < 200; count += 1) {
      const backoff = new Backoff(300);
      const pauses = Array.from({ length: 6 }, (_, index) => backoff.next(index === 0));
      const first = pauses.indexOf(300);
      assert.deepEqual(new Set(pauses.slice(first)), new Set([300]));
    }
  });

  test('doubles, give or take a fifth, up to the limit, and begins anew after a message', () => {
    const backoff = new Backoff(2000);
    const pauses = Array.from({ length: 8 }, (_, index) => backoff.next(index === 0));
    assert.equal(pauses[0], 100);
    for (const [index, pause] of pauses.slice(1, 5).entries()) {
      const middle = 100 + 100 * 2 ** index;
      assert.ok(pause >= middle * 0.8 && pause <= middle * 1.2, `${pause} near ${middle}`);
    }
    assert.deepEqual(pauses.slice(-2), [2000, 2000]);
    assert.equal(backoff.next(true), 100);
  });
});

describe('the log', () => {
  function logged(message: string, levels: [string, 'debug' | 'warning'][] = [], secret = ''): string[] {
    const lines: string[] = [];
    const log = createLog((line) => lines.push(line));
    log.limit(new Map(levels));
    log.hide(secret);
    log.write('information', { category: 'Function.f.user', invocation: { name: 'f', id: '7' } }, message);
    return lines.map((line) => line.slice(25));
  }

  test('an event is one line with name and id', () => {
    assert.deepEqual(logged('first\n  second\r\nthird\n'), ['information [f 7] first | second | third']);
  });

  test('keys, signatures and announced secrets are masked', () => {
    const message = 'AccountName=a;AccountKey=Zm9v==;x https://h/c?sv=1&sig=a%2Bb&se=2 https://h/api?code=k key s3cret';
    assert.deepEqual(logged(message, [], 's3cret'), [
      'information [f 7] AccountName=a;AccountKey=***;x https://h/c?sv=1&sig=***&se=2 https://h/api?code=*** key ***',
    ]);
  });

  test('the longest category that fits decides', () => {
    assert.equal(logged('x', [['default', 'warning']]).length, 0);
    assert.equal(logged('x', [['default', 'warning'], ['Function', 'debug']]).length, 1); // prettier-ignore
    assert.equal(logged('x', [['Function', 'debug'], ['Function.f', 'warning']]).length, 0); // prettier-ignore
    assert.equal(logged('x', [['Func', 'warning']]).length, 1);
  });
});
