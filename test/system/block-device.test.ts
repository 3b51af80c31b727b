/** Volumes that change under a reader, and block devices under a mounted file system. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  fsyncSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
  closeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { KIB, MIB } from '../../src/kernel/units.ts';
import { openVolumeSource } from '../../src/system/volume-source.ts';
import { needs, needsThat } from '../support/tools.ts';

const folder = mkdtempSync(join(tmpdir(), 'leeward-volume-'));
after(() => {
  rmSync(folder, { recursive: true });
});

test('an image file is read where it is asked for', async () => {
  const path = join(folder, 'image');
  writeFileSync(path, Buffer.from('0123456789abcdef'.repeat(640)));
  const source = await openVolumeSource(path);
  assert.equal(await source.sizeBytes(), 10_240);
  const into = new Uint8Array(5);
  await source.read(10_235, into);
  assert.equal(Buffer.from(into).toString(), 'bcdef');
  await source.close();
});

test('a file that shrinks, is replaced or vanishes is told, and never read as zeros', async () => {
  const path = join(folder, 'changing');
  writeFileSync(path, new Uint8Array(MIB).fill(1));
  const source = await openVolumeSource(path);
  truncateSync(path, 100 * KIB);
  assert.equal(await source.sizeBytes(), 100 * KIB);
  await assert.rejects(source.read(96 * KIB, new Uint8Array(8 * KIB)), {
    code: 'SOURCE_CHANGED',
    message: /ended at byte 102400/,
  });
  writeFileSync(join(folder, 'other'), new Uint8Array(MIB));
  renameSync(join(folder, 'other'), path);
  await assert.rejects(source.sizeBytes(), { code: 'SOURCE_CHANGED', message: /replaced/ });
  rmSync(path);
  await assert.rejects(source.sizeBytes(), { code: 'SOURCE_CHANGED', message: /is gone/ });
  await source.close();
});

test('what is no volume is refused', async () => {
  await assert.rejects(openVolumeSource(folder), { code: 'USAGE', message: /neither a file nor a block device/ });
  await assert.rejects(openVolumeSource(join(folder, 'missing')), { code: 'USAGE' });
  await assert.rejects(openVolumeSource('/dev/null'), { code: 'USAGE' });
});

function needsLoopDevices(): { skip: false | string } {
  const tools = needs('losetup', 'mke2fs', 'mount', 'umount');
  if (tools.skip !== false) return tools;
  if (process.getuid?.() !== 0) return needsThat(false, 'needs root');
  const image = join(folder, 'probe');
  writeFileSync(image, new Uint8Array(4096));
  const device = spawnSync('/sbin/losetup', ['--find', '--show', image], { encoding: 'utf8' });
  if (device.status === 0) execFileSync('/sbin/losetup', ['--detach', device.stdout.trim()]);
  return needsThat(device.status === 0, `loop devices cannot be set up here: ${device.stderr.trim()}`);
}

test('a block device shows what a mounted file system wrote, every time', needsLoopDevices(), async () => {
  const image = join(folder, 'disk');
  const mountPoint = join(folder, 'mnt');
  writeFileSync(image, '');
  truncateSync(image, 8 * MIB + 1536);
  execFileSync('/sbin/mke2fs', ['-q', '-F', '-t', 'ext4', image], { stdio: 'ignore' });
  mkdirSync(mountPoint);
  const device = execFileSync('/sbin/losetup', ['--find', '--show', image], { encoding: 'utf8' }).trim();
  try {
    execFileSync('mount', [device, mountPoint]);
    const source = await openVolumeSource(device);
    try {
      assert.equal(await source.sizeBytes(), 8 * MIB + 1536);
      const all = new Uint8Array(8 * MIB + 1536);
      const file = openSync(join(mountPoint, 'file'), 'w');
      let at = -1;
      for (const letter of ['A', 'B', 'C']) {
        writeSync(file, letter.repeat(8192), 0);
        fsyncSync(file);
        await source.read(0, all);
        const found = Buffer.from(all).indexOf(letter.repeat(8192));
        assert.notEqual(found, -1, `the device does not show ${letter}`);
        if (at !== -1) assert.equal(found, at);
        at = found;
      }
      closeSync(file);
      // Unaligned, and the odd end.
      const part = new Uint8Array(700);
      await source.read(at + 4000, part);
      assert.equal(Buffer.from(part).toString(), 'C'.repeat(700));
      await source.read(8 * MIB + 1000, new Uint8Array(536));
      // Where it is mounted is known of the device, and of the image that it shows; label and UUID only where udev runs.
      const { mountPoints } = await source.properties();
      assert.deepEqual(mountPoints, [realpathSync(mountPoint)]);
      const shown = await openVolumeSource(image);
      assert.deepEqual((await shown.properties()).mountPoints, mountPoints);
      await shown.close();
      await assert.rejects(source.read(8 * MIB, new Uint8Array(2048)), { code: 'SOURCE_CHANGED' });
    } finally {
      await source.close();
    }
  } finally {
    if (existsSync(join(mountPoint, 'file'))) execFileSync('umount', [mountPoint]);
    execFileSync('/sbin/losetup', ['--detach', device]);
  }
});
