/** The simulated machine answers as healthy, and says in plain words what it is. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { simulatedRunner } from '../../../src/local/machines/simulated-machine.ts';
import { answer } from './asking.ts';

const spec = {
  name: 'web',
  folder: '/nonexistent',
  address: '127.77.250.3',
  disks: [{ lun: 0, folder: '/nonexistent', url: 'http://127.0.0.1:9/?sig=secret' }],
};

test('a simulated machine says that it is simulated, and why', async () => {
  const runner = simulatedRunner('qemu-img is not installed');
  assert.equal(runner.kind, 'simulated');
  const machine = await runner.start(spec);
  try {
    assert.equal(machine.running(), true);
    const health = await answer('http://127.77.250.3:8080/health');
    assert.equal(health.status, 200);
    assert.deepEqual(JSON.parse(health.text), {
      kind: 'simulated',
      status: 'up',
      note: 'this machine is simulated and no operating system boots, because qemu-img is not installed',
      disks: [{ lun: 0, mounted: false }],
    });
    const file = await answer('http://127.77.250.3:8080/files/lun0/any');
    assert.equal(file.status, 501);
    assert.match(file.text, /simulated/);
    await assert.rejects(runner.start(spec), { code: 'PLATFORM_FAILED' });
  } finally {
    await machine.stop();
    await machine.stop();
  }
  assert.equal(machine.running(), false);
  await assert.rejects(answer('http://127.77.250.3:8080/health'));
});
