/** What the system shows of a volume: a tree of files as the kernel and udev make it, and real loop devices. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { deviceProperties, imageProperties } from '../../src/system/volume-properties.ts';

const folder = mkdtempSync(join(tmpdir(), 'leeward-properties-'));
after(() => {
  rmSync(folder, { recursive: true });
});

function put(path: string, text: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
}

function link(path: string, target: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  symlinkSync(target, join(folder, path));
}

const trees = { proc: join(folder, 'proc'), sys: join(folder, 'sys'), dev: join(folder, 'dev') };
put('images/disk', 'x');
put('images/other', 'x');
put(
  'proc/self/mountinfo',
  [
    '22 1 8:17 / /srv/erp\\040data rw,relatime shared:1 - ext4 /dev/sdb1 rw',
    '23 1 8:17 /sub /srv/part rw,relatime - ext4 /dev/sdb1 rw',
    '24 1 8:17 / /again rw,relatime - ext4 /dev/sdb1 rw',
    '25 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw',
    '26 1 7:3 / /mnt/image rw,relatime - ext4 /dev/loop3 rw',
    '27 1 7:4 / /mnt/part rw,relatime - ext4 /dev/loop4 rw',
    '',
  ].join('\n'),
);
put('sys/dev/block/8:16/sdb1/partition', '1\n');
put('sys/dev/block/8:16/sdb1/dev', '8:17\n');
put('sys/dev/block/8:16/queue/dev', '8:1\n');
put('sys/class/block/sdb1/dev', '8:17\n');
put('sys/class/block/loop3/dev', '7:3\n');
link('dev/disk/by-label/ERP\\x20Daten\\xc3\\xa4', '../../sdb1');
link('dev/disk/by-uuid/1234-ABCD', '../../loop3');
link('dev/disk/by-uuid/0A1B2C3D-0000-4000-8000-0123456789AB', '../../sdb1');
link('dev/disk/by-label/gone', '../../sdz');
for (const [loop, { backing, offset, device }] of Object.entries({
  loop3: { backing: 'images/disk', offset: '0', device: '7:3' },
  loop4: { backing: 'images/disk', offset: '1048576', device: '7:4' },
  loop5: { backing: 'images/missing', offset: '0', device: '8:1' },
})) {
  put(`sys/block/${loop}/loop/backing_file`, `${join(folder, backing)}\n`);
  put(`sys/block/${loop}/loop/offset`, `${offset}\n`);
  put(`sys/block/${loop}/dev`, `${device}\n`);
}
put('sys/block/loop6/dev', '7:6\n');

test('a partition has its label, its UUID and where all of it is mounted', async () => {
  assert.deepEqual(await deviceProperties('8:17', trees), {
    identity: '0a1b2c3d-0000-4000-8000-0123456789ab',
    label: 'ERP Datenä',
    mountPoints: ['/again', '/srv/erp data'],
  });
});

test('a disk has the mount points of its partitions, and not their labels', async () => {
  assert.deepEqual(await deviceProperties('8:16', trees), { mountPoints: ['/again', '/srv/erp data'] });
});

test('an image has what is known of the loop device that shows all of it; an identity that is no UUID is none', async () => {
  const properties = async (name: string) =>
    imageProperties(statSync(join(folder, 'images', name), { bigint: true }), trees);
  assert.deepEqual(await properties('disk'), { mountPoints: ['/mnt/image'] });
  assert.deepEqual(await properties('other'), {});
});

test('where the system shows nothing, nothing is known', async () => {
  const nowhere = { proc: join(folder, 'a'), sys: join(folder, 'b'), dev: join(folder, 'c') };
  assert.deepEqual(await deviceProperties('8:17', nowhere), {});
  assert.deepEqual(await imageProperties(statSync(folder, { bigint: true }), nowhere), {});
});
