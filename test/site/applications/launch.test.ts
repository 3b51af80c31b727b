/** What people write of how an application is run. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { launchSchema } from '../../../src/site/applications/launch.ts';

test('each way to run an application is read as it is written', () => {
  assert.deepEqual(launchSchema.parse({ command: 'postgres -D /srv/db' }), {
    kind: 'command',
    command: 'postgres -D /srv/db',
  });
  assert.deepEqual(launchSchema.parse({ unit: 'postgresql@15-main.service' }), {
    kind: 'unit',
    unit: 'postgresql@15-main.service',
  });
  assert.deepEqual(launchSchema.parse({ container: 'db' }), { kind: 'container', container: 'db', tool: 'docker' });
  assert.deepEqual(launchSchema.parse({ container: 'db', tool: 'podman' }), {
    kind: 'container',
    container: 'db',
    tool: 'podman',
  });
});

test('no way, two ways, an unknown word, and what a program would take for an option are refused', () => {
  const bad = [
    {},
    { command: '' },
    { command: 'a', unit: 'a.service' },
    { command: 'a', tool: 'docker' },
    { tool: 'docker' },
    { unit: '--now.service' },
    { unit: 'a.timer' },
    { unit: 'a b.service' },
    { container: '-v' },
    { container: 'a', tool: 'rkt' },
    { command: 'a', shell: 'bash' },
  ];
  for (const one of bad) assert.equal(launchSchema.safeParse(one).success, false, JSON.stringify(one));
});
