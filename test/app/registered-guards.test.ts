/** Guards that are made known and removed: their keys, what they leave on a machine, and how an agent knows its own. */
import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { forgetGuard, guardFolder } from '../../src/app/guard-process.ts';
import { addGuard, removeGuard } from '../../src/app/registered-guards.ts';
import { deskOf, hasGuardRunHere, isNodeHere } from '../../src/app/open-site-watch.ts';
import { groupKind } from '../../src/documents/group.ts';
import { siteKind } from '../../src/documents/site.ts';
import { parseGroup } from '../../src/kernel/ids.ts';
import { documents as names } from '../../src/kernel/names.ts';
import { configSchema } from '../../src/site/agent/config.ts';
import { makeFolder } from '../../src/system/durable-file.ts';
import { lockFolder, unlockFolder } from '../../src/system/folder-lock.ts';
import { GuardFiles } from '../../src/system/guard/files.ts';
import { bootId } from '../../src/system/processes.ts';
import { GROUP, SITE, createWorld } from '../failover/world.ts';
import type { World } from '../failover/world.ts';

const shop = parseGroup(GROUP);
const books = parseGroup(`${SITE}/books`);

async function worldOfTwo(): Promise<World> {
  const world = await createWorld();
  const { value } = await world.documents.need(groupKind, names.group(shop));
  await world.documents.createOrRead(groupKind, names.group(books), { ...value, group: `${SITE}/books` });
  return world;
}

suite("a guard's key", () => {
  const keyOf = async (world: World): Promise<string | undefined> => {
    const { value } = await world.documents.need(siteKind, names.site(shop));
    return value.keys.find(({ name }) => name === 'guard-far')?.state;
  };

  test('is good while a group of the site has a guard on the node, and revoked with the last', async () => {
    const world = await worldOfTwo();
    const storage = { documents: world.documents, keySecret: world.heartbeats.keySecret };
    await addGuard(storage, shop, 'far');
    await addGuard(storage, books, 'far');
    assert.equal(await removeGuard(world.documents, shop, 'far'), false);
    assert.equal(await keyOf(world), 'active');
    assert.equal(await removeGuard(world.documents, books, 'far'), true);
    assert.equal(await keyOf(world), 'revoked');
    assert.equal(await removeGuard(world.documents, books, 'far'), true);
    assert.equal(await removeGuard(world.documents, books, 'never-there'), false);
    await assert.rejects(addGuard(storage, shop, 'far'), { code: 'REFUSED' });
  });
});

suite("a guard's folder", () => {
  let site = '';
  let node = '';
  let own = '';

  before(async () => {
    site = await mkdtemp(join(tmpdir(), 'leeward-guards-'));
    node = join(site, 'guards', 'north');
    own = guardFolder(node, 'shop');
    await makeFolder(node);
    await writeFile(join(node, 'access.json'), '{}');
  });
  after(async () => rm(site, { recursive: true }));

  const knows = () => deskOf({ folder: site, config: configSchema.parse({}) }, 'shop', 'north');

  test('as `guard add` makes it, or copied, makes no machine the node', async () => {
    assert.equal(isNodeHere(site, 'north'), false);
    assert.equal(hasGuardRunHere(site, 'shop', 'north'), false);
    assert.equal(knows(), undefined);

    await makeFolder(own);
    await lockFolder(own, 'one at a time');
    assert.equal(isNodeHere(site, 'north'), true);
    assert.equal(isNodeHere(site, 'south'), false);
    assert.equal(hasGuardRunHere(site, 'shop', 'north'), true);
    assert.equal(hasGuardRunHere(site, 'books', 'north'), false);
    assert(knows());

    const copied = join(site, 'copied');
    await mkdir(copied);
    await cp(join(site, 'guards'), join(copied, 'guards'), { recursive: true });
    // As of another machine, or of an earlier boot: nothing there has this id and this start.
    await writeFile(join(copied, 'guards', 'north', 'shop', 'lock'), `${process.pid} another-boot 1`);
    assert.equal(isNodeHere(copied, 'north'), false);
    assert.equal(
      hasGuardRunHere(copied, 'shop', 'north'),
      true,
      'the folder is believed: nobody answers at its socket',
    );
  });

  test('stays while its guard runs, or a stop of this boot is armed, and goes after that', async () => {
    assert.equal(await forgetGuard(node, 'shop', true), false);
    await unlockFolder(own);
    assert.equal(isNodeHere(site, 'north'), false);
    assert(knows(), 'a guard that has run here and comes back is still this machine’s');

    const files = new GuardFiles(own);
    await files.write('armed', { boot: bootId(), untilBootMs: 1 });
    assert.equal(await forgetGuard(node, 'shop', true), false);
    await files.write('armed', { boot: bootId(), untilBootMs: 0 });
    assert.equal(await forgetGuard(node, 'shop', false), true);
    assert(!existsSync(own) && existsSync(join(node, 'access.json')));
    assert.equal(await forgetGuard(node, 'shop', true), true);
    assert(!existsSync(node));
    assert.equal(await forgetGuard(node, 'shop', true), true);
  });
});
