/** `leeward person` over a real Azurite: who is told and asked, and what is refused. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { BlobServiceClient } from '@azure/storage-blob';
import { readSettings } from '../../src/app/settings.ts';
import { openStorage } from '../../src/app/storage.ts';
import type { Storage } from '../../src/app/storage.ts';
import { siteKind } from '../../src/documents/site.ts';
import { CONTAINERS, documents as names } from '../../src/kernel/names.ts';
import { CURRENT_VERSION } from '../../src/kernel/versions.ts';
import { noticesStatus } from '../../src/notify/kept.ts';
import { startAzurite } from '../support/azurite.ts';
import type { Azurite } from '../support/azurite.ts';
import { loadEnvironment } from '../support/package/run.ts';
import { Leeward, assertRefused } from '../support/command.ts';

const SITE = 'acme/berlin';

describe('leeward person', () => {
  let folder = '';
  let azurite: Azurite;
  let leeward: Leeward;
  let storage: Storage;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'leeward-person-'));
    azurite = await startAzurite();
    await BlobServiceClient.fromConnectionString(azurite.connectionString).createContainer(CONTAINERS.state);
    const environment = loadEnvironment(azurite.connectionString);
    storage = openStorage(readSettings(environment));
    leeward = new Leeward(folder, environment);
    const site = { version: CURRENT_VERSION, site: SITE, keys: [], account: storage.account };
    await storage.documents.create(siteKind, names.site({ tenant: 'acme', site: 'berlin' }), site);
  });

  after(async () => {
    await azurite.stop();
    await rm(folder, { recursive: true, force: true });
  });

  test('people are added, told, removed and listed', async () => {
    await leeward.json(['person', 'add', SITE, 'anna', '--role', 'approver', '--shape', 'teams']);
    const people = await leeward.json(['person', 'add', SITE, 'board', '--webhook', 'ops', '--shape', 'slack']);
    assert.deepEqual(people, [
      { name: 'anna', role: 'approver', webhook: 'anna', shape: 'teams' },
      { name: 'board', role: 'reader', webhook: 'ops', shape: 'slack' },
    ]);
    await leeward.json(['person', 'tell', SITE, 'Does this arrive?']);
    assert.equal((await noticesStatus(storage.documents, { tenant: 'acme', site: 'berlin' })).waiting, 1);
    await leeward.json(['person', 'remove', SITE, 'anna']);
    const left = await leeward.json(['person', 'list', SITE]);
    assert.deepEqual(left, [{ name: 'board', role: 'reader', webhook: 'ops', shape: 'slack' }]);
  });

  test('what is wrong is refused in one line', async () => {
    await leeward.json(['person', 'add', SITE, 'ben', '--webhook', 'shared']);
    const wrong: readonly (readonly [number, RegExp, ...string[]])[] = [
      [4, /reaches somebody else already/, 'add', SITE, 'cleo', '--webhook', 'shared'],
      [2, /person: name/, 'add', SITE, 'Cleo!'],
      [3, /has no person "cleo"/, 'remove', SITE, 'cleo'],
    ];
    const ran = await Promise.all(wrong.map(async ([, , ...words]) => leeward.run('person', ...words)));
    for (const [index, [code, said]] of wrong.entries()) {
      const refused = ran[index];
      assert.ok(refused);
      assertRefused(refused, code, said);
    }
  });
});
