/** What the functions listen on and are timed by exists in infra/ and in the settings. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { settingsSchema } from '../../src/app/settings.ts';
import { QUEUES, poisonQueue } from '../../src/kernel/names.ts';
import { loadApp, loadEnvironment } from '../support/package/run.ts';

const main = join(import.meta.dirname, '../../functions/main.ts');
const { functions } = await loadApp(main, { environment: loadEnvironment() });

const bindings = functions.flatMap((registered) =>
  Object.values(registered.bindings).map((binding) => ({ function: registered.name, ...binding })),
);

test('there are queue and timer functions to look at', () => {
  const types = new Set(bindings.map(({ type }) => type));
  assert.ok(types.has('queueTrigger') && types.has('timerTrigger') && types.has('httpTrigger'), [...types].join());
});

test('queue functions listen on the queues of names.ts, over the connection that infra/ sets', () => {
  const queues = Object.values(QUEUES).flatMap((queue) => [queue, poisonQueue(queue)]);
  for (const { function: name, type, queueName: queue, connection } of bindings) {
    if (type !== 'queueTrigger') continue;
    assert.ok(queue !== undefined && queues.includes(queue), `${name} listens on ${queue ?? 'nothing'}`);
    assert.equal(connection, 'LEEWARD_STORAGE', `${name} uses another connection`);
  }
  for (const queue of Object.values(QUEUES)) {
    assert.ok(
      bindings.some(({ queueName: listened }) => listened === queue),
      `nothing listens on ${queue}`,
    );
  }
});

test('timers take their schedules from settings that exist', () => {
  for (const { function: name, type, schedule } of bindings) {
    if (type !== 'timerTrigger') continue;
    const setting = /^%(\w+)%$/.exec(schedule ?? '')?.[1];
    assert.ok(setting !== undefined && setting in settingsSchema.shape, `${name} is timed by ${schedule ?? 'nothing'}`);
  }
});

test('with LEEWARD_OBSERVE the app is an observer and nothing else, needs no setting of the control plane, and runs; without, it is none', async () => {
  assert.ok(!functions.some(({ name }) => name === 'observe'));
  const observer = await loadApp(main, {
    environment: { LEEWARD_OBSERVE: '[]', LEEWARD_OBSERVE_SCHEDULE: '*/30 * * * * *' },
    call: { name: 'observe', message: '{}' },
  });
  assert.deepEqual(
    observer.functions.map(({ name, bindings: of }) => [name, Object.values(of).map(({ schedule }) => schedule)]),
    [['observe', ['%LEEWARD_OBSERVE_SCHEDULE%']]],
  );
  assert.equal(observer.outcome, 'returned');
  assert.ok('LEEWARD_OBSERVE_SCHEDULE' in settingsSchema.shape);
});
