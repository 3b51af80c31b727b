/** The command given nonsense, with no stack anywhere: it says in one line what it expects, and has done nothing. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import project from '../../package.json' with { type: 'json' };
import { GIB } from '../../src/kernel/units.ts';
import { assertNoCredential } from '../support/credentials.ts';
import { Leeward, assertRefused } from '../support/command.ts';

const VOLUME = 'acme/paris/shop/data';
const ADD = ['volume', 'add', VOLUME, '--source', 'disk.img'];
const SECRET = 'bm90IDMyIGJ5dGVzIGxvbmc=';

/** What is typed, the exit code, and the words that help. */
const NONSENSE: readonly (readonly [string, readonly string[], number, RegExp])[] = [
  ['an unknown command', ['replicat'], 2, /unknown command 'replicat' \(Did you mean replicate\?\)/],
  ['an unknown option', ['status', '--loud'], 2, /unknown option '--loud'/],
  ['an unknown option before the command', ['--loud', 'status'], 2, /unknown option '--loud'/],
  ['an option without its value', ['status', '--site'], 2, /'--site <site>' argument missing/],
  ['a state folder that is a file', ['--state', 'disk.img', 'status'], 2, /--state <folder>.*Give a folder/],
  ['local: unknown command', ['local', 'upp'], 2, /unknown command 'upp'/],
  ['local up: one argument too many', ['local', 'up', 'now'], 2, /too many arguments/],
  ['local up: a host that is none', ['local', 'up', '--without-host', '--functions', 'x'], 2, /begins with http:\/\//],
  ['local up: two hosts', ['local', 'up', '--functions', 'http://127.0.0.1:1'], 2, /give --without-host/],
  ['local up: an app that is a file', ['local', 'up', '--app', 'disk.img'], 2, /--app <folder>.*Give a folder/],
  ['volume add: nothing', ['volume', 'add'], 2, /--source <path>/],
  ['volume add: no volume', ['volume', 'add', '--source', 'disk.img'], 2, /missing required argument 'volume'/],
  ['volume add: no volume id', ['volume', 'add', 'data', '--source', 'disk.img'], 2, /tenant\/site\/group\/volume/],
  ['volume add: capitals', ['volume', 'add', 'Acme/a/b/c', '--source', 'disk.img'], 2, /tenant "Acme": .*lower-case/],
  ['volume add: a path', ['volume', 'add', '../a/b/c', '--source', 'disk.img'], 2, /tenant "\.\."/],
  ['volume add: no such source', ['volume', 'add', VOLUME, '--source', 'none'], 2, /none cannot be opened for reading/],
  ['volume add: a folder', ['volume', 'add', VOLUME, '--source', 'folder'], 2, /neither a file nor a block device/],
  ['volume add: a device of bytes', ['volume', 'add', VOLUME, '--source', '/dev/zero'], 2, /nor a block device/],
  ['volume add: too large a disk', ['volume', 'add', VOLUME, '--source', 'huge.img'], 2, /a replica holds at most/],
  ['volume add: no bytes', [...ADD, '--bytes', '0'], 2, /number of bytes from 1/],
  ['volume add: a path of nowhere', [...ADD, '--bytes', '4096'], 2, /path of another machine/],
  [
    'volume add: too large elsewhere',
    ['volume', 'add', VOLUME, '--source', '/dev/none', '--bytes', '8795019280385'],
    2,
    /holds at most/,
  ],
  ['volume add: a lease in words', [...ADD, '--lease', 'long'], 2, /'long' is invalid.*number of seconds/],
  ['volume add: a lease of half a second', [...ADD, '--lease', '0.5'], 2, /number of seconds from 1/],
  ['volume add: a window below zero', [...ADD, '--window', '-1'], 2, /number of seconds from 1/],
  [
    'simulate: no such plan',
    ['simulate', '--plan', 'no.yaml', '--scenario', 'no.yaml'],
    2,
    /there is no file no\.yaml/,
  ],
  ['simulate: a disk for a plan', ['simulate', '--plan', 'disk.img', '--scenario', 'no.yaml'], 2, /disk\.img:1: /],
  ['witness add: a kind that is none', ['witness', 'add', 'acme/paris', 'oslo', '--kind', 'friend'], 2, /friend/],
  ['volume add: two ways to decide', [...ADD, '--ask', '--automatic'], 2, /exclude each other/],
  ['volume add: a port that is none', [...ADD, '--probe-port', '70000'], 2, /port from 1 to 65535/],
  ['volume add: a path that is none', [...ADD, '--probe-path', 'health'], 2, /path that begins with \//],
  ['volume add: an image by its name', [...ADD, '--image', 'debian'], 2, /resource id/],
  ['volume add: no stack', ADD, 3, /no local stack is up.*leeward local up/],
  ['volume list: no stack', ['volume', 'list'], 3, /no local stack is up/],
  ['volume verify: no volume', ['volume', 'verify'], 2, /missing required argument 'volume'/],
  ['volume verify: no volume id', ['volume', 'verify', 'data'], 2, /tenant\/site\/group\/volume/],
  ['volume verify: no stack', ['volume', 'verify', VOLUME], 3, /no local stack is up/],
  ['volume reseed: from nowhere', ['volume', 'reseed', VOLUME, '--from', 'tape'], 2, /point, upload, zeros/],
  ['volume reseed: no stack', ['volume', 'reseed', VOLUME], 3, /no local stack is up/],
  ['replicate: no site', ['replicate'], 2, /no site is kept here: `leeward volume add`/],
  ['replicate: no volume id', ['replicate', 'acme/paris'], 2, /"acme\/paris" is not of the form/],
  ['replicate: a site that is not kept here', ['replicate', VOLUME], 3, /no file \S*access\.json/],
  ['replicate: no time', ['replicate', '--every', '0'], 2, /seconds above zero/],
  ['replicate: no level', ['replicate', '--compression', '20'], 2, /from 0 \(none\) to 19/],
  ['replicate: a time in words', ['replicate', '--wait', '5s'], 2, /'5s' is invalid/],
  ['replicate: a time beyond all timers', ['replicate', '--every', '1e9'], 2, /up to 86400/],
  ['heartbeat: no site', ['heartbeat'], 2, /no site is kept here/],
  ['heartbeat: a site that is none', ['heartbeat', '--site', 'paris'], 2, /"paris" is not of the form tenant\/site/],
  ['status: no stack', ['status', '--site', 'acme/paris'], 3, /no local stack is up/],
  ['status: a site as an argument', ['status', 'acme/rome'], 3, /no local stack is up/],
  ['status: two sites', ['status', 'acme/rome', '--site', 'acme/paris'], 2, /name one site/],
  ['heartbeat: a site as an argument', ['heartbeat', 'acme/rome'], 3, /no file \S*access\.json/],
  ['failover start: no group', ['failover', 'start'], 2, /missing required argument 'group'/],
  ['failover start: no group id', ['failover', 'start', 'shop'], 2, /"shop" is not of the form tenant\/site\/group/],
  ['failover start: no stack', ['failover', 'start', 'acme/paris/shop'], 3, /no local stack is up/],
  ['failover start: no operator', ['failover', 'start', 'a/b/c', '--as', 'Alice B'], 2, /lower-case letters, digits/],
  ['failover start: a long story', ['failover', 'start', 'a/b/c', '--reason', 'x'.repeat(501)], 2, /500 characters/],
  ['failover status: no group id', ['failover', 'status', 'a/b/c/d'], 2, /is not of the form/],
  ['volume add: a size of no name', [...ADD, '--size', ''], 2, /--size <size>.*more than nothing/],
  ['demo: a key without a host', ['demo', '--key', 'abc'], 2, /--functions and --key belong together/],
  ['demo: a host that is none', ['demo', '--functions', 'here', '--key', 'abc'], 2, /begins with http:\/\//],
  ['demo: no such volume', ['demo', '--volume', 'none'], 2, /none cannot be opened for reading/],
  [
    'demo: no stack',
    ['demo', '--volume', 'disk.img', '--functions', 'http://a', '--key', 'b'],
    3,
    /no local stack is in/,
  ],
  ['demo: one argument too many', ['demo', 'now'], 2, /too many arguments/],
  ['inspect: an unknown kind', ['inspect', 'vmdk', 'disk.img'], 2, /unknown command 'vmdk'/],
  ['inspect delta: no file', ['inspect', 'delta'], 2, /missing required argument 'file'/],
  ['inspect delta: no such file', ['inspect', 'delta', 'none'], 3, /there is no file none/],
  ['inspect delta: a folder', ['inspect', 'delta', 'folder'], 2, /folder is not a file/],
  ['inspect delta: a disk', ['inspect', 'delta', 'huge.img'], 2, /a delta has at most/],
  ['inspect vhd: a URL', ['inspect', 'vhd', 'http://a/b.vhd?sig=SECRET'], 3, /there is no file http:\/\/a\/b\.vhd$/m],
  ['inspect vhd: a folder', ['inspect', 'vhd', 'folder'], 2, /folder is not a file/],
  ['inspect vhd: two files', ['inspect', 'vhd', 'disk.img', 'disk.img'], 2, /too many arguments/],
];

describe('leeward without a stack', { concurrency: 3 }, () => {
  let folder = '';
  let leeward: Leeward;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'leeward-cli-'));
    leeward = new Leeward(folder);
    await mkdir(join(folder, 'folder'));
    await writeFile(join(folder, 'disk.img'), Buffer.alloc(4096, 1));
    await writeFile(join(folder, 'empty'), '');
    await writeFile(join(folder, 'huge.img'), '');
    await truncate(join(folder, 'huge.img'), 8192 * GIB);
  });

  after(async () => {
    assertNoCredential(leeward.said, 'the command', [SECRET]);
    assert.deepEqual((await readdir(folder)).sort(), ['disk.img', 'empty', 'folder', 'huge.img'], 'nothing was made');
    await rm(folder, { recursive: true });
  });

  for (const [what, args, code, form] of NONSENSE) {
    test(what, async () => {
      assertRefused(await leeward.run(...args), code, form);
    });
  }

  for (const group of [[], ['local'], ['volume'], ['failover'], ['inspect']]) {
    test(`${group.join(' ')}: which command`, async () => {
      const { code, stdout, stderr } = await leeward.run(...group);
      assert.deepEqual({ code, stdout }, { code: 2, stdout: '' });
      assert.match(stderr, /^Usage: leeward .*\[command\]\n/);
    });
  }

  test('an empty file is no delta, and nothing more is said of it', async () => {
    const { code, stdout } = await leeward.run('inspect', 'delta', 'empty');
    assert.equal(code, 1);
    assert.doesNotMatch(stdout, /\{/);
  });

  test('help is no mistake', async () => {
    const { code, stdout, stderr } = await leeward.run('replicate', '--help');
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
    assert.match(stdout, /^Usage: leeward replicate .*--every <seconds>/s);
  });

  test('it says which version it is', async () => {
    const { code, stdout, stderr } = await leeward.run('--version');
    assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: `${project.version}\n`, stderr: '' });
  });

  test('what is there of a stack that is not there: nothing, as JSON too', async () => {
    assert.equal(await leeward.json(['local', 'status']), null);
    assert.deepEqual(await leeward.json(['local', 'down', '--wipe']), {});
    assert.match((await leeward.run('local', 'status')).stdout, /there is no local stack here: `leeward local up`/);
  });

  test('settings that are wrong are named, and not quoted', async () => {
    const wrong = leeward.with({ LEEWARD_KEY_SECRET: SECRET });
    assertRefused(await wrong.run('volume', 'list'), 2, /setting LEEWARD_KEY_SECRET: must be at least 32 bytes/);
    const partial = leeward.with({ LEEWARD_KEY_SECRET: Buffer.alloc(32, 1).toString('base64') });
    assertRefused(
      await partial.run('status', '--site', 'a/b'),
      2,
      /setting LEEWARD_PUBLIC_URL: is not set; docs\/settings\.md/,
    );
  });

  test('what is no delta and no VHD is told as such, on stdout: the file was looked at', async () => {
    for (const kind of ['delta', 'vhd']) {
      const { code, stdout, stderr } = await leeward.run('inspect', kind, 'disk.img');
      assert.deepEqual({ code, stderr }, { code: 1, stderr: '' });
      assert.match(stdout, /^disk\.img: not valid\n {2}\S/);
      const told = await leeward.json(['inspect', kind, 'disk.img'], 1);
      assert.partialDeepStrictEqual(told, { valid: false });
    }
  });
});
