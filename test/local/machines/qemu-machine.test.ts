/** A machine boots with real page blobs as its disks: ext4 is mounted and served, a raw disk is hashed. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { BlobSASPermissions, BlobServiceClient } from '@azure/storage-blob';
import { MIB } from '../../../src/kernel/units.ts';
import { qemuRunner } from '../../../src/local/machines/qemu-machine.ts';
import { makeFooter } from '../../../src/vhd/footer.ts';
import { startAzurite } from '../../support/azurite.ts';
import { answer, untilUp } from './asking.ts';
import { machineryHere, needsBooting } from './machinery.ts';

const machinery = await machineryHere();
const cleanUp: (() => Promise<void>)[] = [];
after(async () => {
  for (const step of cleanUp.reverse()) await step();
});

function ext4Image(folder: string, files: Readonly<Record<string, string | Uint8Array>>, sizeMiB: number): Buffer {
  const source = join(folder, 'files');
  mkdirSync(join(source, 'deep'), { recursive: true });
  for (const [name, content] of Object.entries(files)) writeFileSync(join(source, name), content);
  const image = join(folder, 'volume.img');
  execFileSync('mke2fs', ['-q', '-t', 'ext4', '-d', source, image, `${sizeMiB}M`], {
    env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` },
  });
  return readFileSync(image);
}

/** Puts `data` and a footer into a page blob and gives a URL that reads it. */
async function vhdUrl(service: BlobServiceClient, name: string, data: Buffer): Promise<string> {
  const blob = service.getContainerClient('disks').getPageBlobClient(name);
  const footer = makeFooter({ dataBytes: data.length, uniqueId: randomBytes(16), createdAtMs: Date.UTC(2026, 0, 1) });
  await blob.create(data.length + footer.length);
  for (let at = 0; at < data.length; at += 4 * MIB) {
    const chunk = data.subarray(at, at + 4 * MIB);
    await blob.uploadPages(chunk, at, chunk.length);
  }
  await blob.uploadPages(footer, data.length, footer.length);
  return await blob.generateSasUrl({
    permissions: BlobSASPermissions.parse('r'),
    expiresOn: new Date(Date.now() + 3600_000),
  });
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

test(
  'a machine boots with page blobs as its disks, serves their files and hashes them',
  needsBooting(machinery),
  async (t) => {
    assert.equal(machinery.kind, 'qemu');
    const azurite = await startAzurite();
    cleanUp.push(() => azurite.stop());
    const folder = await mkdtemp(join(tmpdir(), 'leeward-machine-'));
    cleanUp.push(() => rm(folder, { recursive: true, force: true }));

    const service = BlobServiceClient.fromConnectionString(azurite.connectionString);
    await service.createContainer('disks');
    const database = randomBytes(300_000);
    const ext4 = ext4Image(folder, { 'last written.txt': 'the last word\n', 'deep/database': database }, 17);
    const raw = randomBytes(3 * MIB);
    const machineFolder = join(folder, 'machine, with a comma');
    const spec = {
      name: 'web',
      folder: machineFolder,
      address: '127.77.250.1',
      disks: [
        // The order of LUNs is not the order of attachment: disks are found by their LUN.
        { lun: 7, folder: join(folder, 'raw, disk'), url: await vhdUrl(service, 'raw.vhd', raw) },
        { lun: 0, folder: join(folder, 'ext4'), url: await vhdUrl(service, 'ext4.vhd', ext4) },
      ],
    };
    const runner = qemuRunner(machinery.image);
    let machine = await runner.start(spec);
    cleanUp.push(async () => {
      await machine.stop();
    });
    const at = `http://${spec.address}:8080`;

    const health: unknown = JSON.parse(await untilUp(`${at}/health`));
    assert.partialDeepStrictEqual(health, { kind: 'qemu', status: 'up' });
    assert.match(JSON.stringify(health), /"lun":7,"sizeBytes":3145728,"mounted":false/);
    assert.match(JSON.stringify(health), /"lun":0,"sizeBytes":17825792,"mounted":true/);

    await t.test('files of the mounted disk', async () => {
      assert.equal((await answer(`${at}/files/lun0/last%20written.txt`)).text, 'the last word\n');
      assert.deepEqual((await answer(`${at}/files/lun0/deep/database`)).bytes, database);
      assert.equal((await answer(`${at}/files/lun0/nothing`)).status, 404);
      assert.equal((await answer(`${at}/files/lun7/nothing`)).status, 404);
      assert.equal((await answer(`${at}/cgi-bin/list/lun0`)).text, 'deep/\nlast written.txt\nlost+found/\n');
      assert.equal((await answer(`${at}/cgi-bin/list/lun0/deep`)).text, 'database\n');
      assert.equal((await answer(`${at}/cgi-bin/list/lun7`)).status, 404);
    });

    await t.test('hashes of the disks as they were imported, though one is mounted and written', async () => {
      assert.equal((await answer(`${at}/cgi-bin/sha256/lun0?bytes=${ext4.length}`)).text, `${sha256(ext4)}\n`);
      assert.equal((await answer(`${at}/cgi-bin/sha256/lun7`)).text, `${sha256(raw)}\n`);
      const part = sha256(raw.subarray(0, 1000));
      assert.equal((await answer(`${at}/cgi-bin/sha256/lun7?bytes=1000`)).text, `${part}\n`);
      for (const [path, status] of [
        ['lun1', 404],
        ['lun7-import', 404],
        ['', 404],
        ['lun7?bytes=3145729', 416],
        ['lun7?bytes=-1', 400],
        ['lun7?bytes=', 400],
        ['lun7?part=1', 400],
      ] as const) {
        assert.equal((await answer(`${at}/cgi-bin/sha256/${path}`)).status, status, path);
      }
    });

    await t.test('stops and starts again with what it wrote', async () => {
      assert.equal(machine.running(), true);
      await machine.stop();
      await machine.stop();
      assert.equal(machine.running(), false);
      await assert.rejects(answer(`${at}/health`));
      machine = await runner.start(spec);
      await untilUp(`${at}/health`);
      assert.equal((await answer(`${at}/files/lun0/last%20written.txt`)).text, 'the last word\n');
      assert.equal((await answer(`${at}/cgi-bin/sha256/lun0`)).text, `${sha256(ext4)}\n`);
      const serial = readFileSync(join(machineFolder, 'serial.log'), 'utf8');
      assert.equal(serial.split('leeward: up').length, 3);
    });
  },
);

test(
  'a machine whose disk cannot be read is refused with one line and no credential',
  needsBooting(machinery),
  async () => {
    assert.equal(machinery.kind, 'qemu');
    const folder = await mkdtemp(join(tmpdir(), 'leeward-machine-'));
    cleanUp.push(() => rm(folder, { recursive: true, force: true }));
    const disks = [{ lun: 0, folder, url: 'http://127.0.0.1:9/no/such.vhd?sig=secret' }];
    const start = qemuRunner(machinery.image).start({ name: 'web', folder, address: '127.77.250.2', disks });
    await assert.rejects(start, (error: Error) => {
      assert.equal('code' in error && error.code, 'PLATFORM_FAILED');
      assert.doesNotMatch(error.message, /secret|\n/);
      return true;
    });
  },
);
