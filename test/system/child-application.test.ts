import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { ChildApplication } from '../../src/system/child-application.ts';

const folder = mkdtempSync(join(tmpdir(), 'leeward-child-'));
after(() => {
  rmSync(folder, { recursive: true });
});

function shell(name: string, script: string): ChildApplication {
  return new ChildApplication({ name, command: 'sh', args: ['-c', script], folder });
}

async function waitFor(file: string): Promise<string> {
  const path = join(folder, file);
  for (let tries = 0; tries < 500; tries += 1) {
    if (existsSync(path) && readFileSync(path, 'utf8').endsWith('\n')) return readFileSync(path, 'utf8').trim();
    await wait(10);
  }
  return assert.fail(`${file} did not appear`);
}

function isAlive(pid: number): boolean {
  // A killed child of nobody may stay as a zombie until process 1 takes notice: that counts as gone.
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

test('it stops in order when it is asked to', async () => {
  const application = shell(
    'orderly',
    'trap "echo bye > said; exit 3" TERM; echo up > ready; while :; do sleep 0.05; done',
  );
  assert.equal(await application.gone(), 'never started');
  await application.start();
  await waitFor('ready');
  application.askToStop();
  assert.equal(await application.gone(), 'exit code 3');
  assert.equal(await waitFor('said'), 'bye');
  application.askToStop();
  application.kill();
});

test('killing it ends all that it started', async () => {
  const application = shell(
    'stubborn',
    'trap "" TERM; (trap "" TERM; echo "$$" > a; exec sleep 600) & echo $! > child; wait',
  );
  await application.start();
  const child = Number(await waitFor('child'));
  application.askToStop();
  await wait(100);
  assert.equal(isAlive(child), true);
  application.kill();
  assert.equal(await application.gone(), 'signal SIGKILL');
  for (let tries = 0; isAlive(child) && tries < 200; tries += 1) await wait(10);
  assert.equal(isAlive(child), false);
});

test('one that ends by itself leaves nothing of its group behind', async () => {
  const application = shell('leaving', 'sleep 600 & echo $! > left; exit 0');
  await application.start();
  assert.equal(await application.gone(), 'exit code 0');
  const left = Number(await waitFor('left'));
  for (let tries = 0; isAlive(left) && tries < 200; tries += 1) await wait(10);
  assert.equal(isAlive(left), false);
});

test('what cannot be started says so', async () => {
  const application = new ChildApplication({ name: 'none', command: join(folder, 'no-such'), args: [] });
  await assert.rejects(application.start(), { code: 'USAGE', message: /none cannot be started/ });
  assert.equal(await application.gone(), 'never started');
});
