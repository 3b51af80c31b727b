/** The VHD footer against docs/vhd-format.md, its golden files, and QEMU as the oracle. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  readdirSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { z } from 'zod';
import { GIB, MIB, VOLUME_BYTES_MAX } from '../../src/kernel/units.ts';
import {
  VHD_FOOTER_BYTES,
  describeFooter,
  makeFooter,
  replicaDataBytes,
  replicaUniqueId,
} from '../../src/vhd/footer.ts';
import { geometryOf } from '../../src/vhd/geometry.ts';
import { needs } from '../support/tools.ts';

const CREATED_AT_MS = Date.UTC(2026, 10, 5, 7, 30);
const ID = replicaUniqueId('acme/berlin/erp/data', 1);
const GOLDEN = new URL('../golden/vhd/', import.meta.url);
const folder = mkdtempSync(join(tmpdir(), 'leeward-vhd-'));
after(() => {
  rmSync(folder, { recursive: true });
});

const goldenSchema = z.object({
  description: z.string(),
  volume: z.string(),
  generation: z.int(),
  dataBytes: z.int(),
  createdAtMs: z.int(),
  footer: z.unknown(),
});

function footerOf(dataBytes: number): Uint8Array {
  return makeFooter({ dataBytes, uniqueId: ID, createdAtMs: CREATED_AT_MS });
}

/** `bytes` with some of them replaced and the checksum put right again, so that only the field itself is wrong. */
function altered(bytes: Uint8Array, at: number, values: readonly number[]): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy.set(values, at);
  copy.set([0, 0, 0, 0], 64);
  new DataView(copy.buffer).setUint32(64, ~copy.reduce((sum, byte) => sum + byte, 0) >>> 0);
  return copy;
}

const goldenNames = readdirSync(GOLDEN)
  .filter((name) => name.endsWith('.json'))
  .map((name) => name.slice(0, -'.json'.length));

test('there are golden footers', () => {
  assert.ok(goldenNames.length >= 3);
});

for (const name of goldenNames) {
  test(`golden footer ${name} is made and read as described`, () => {
    const golden = goldenSchema.parse(JSON.parse(readFileSync(new URL(`${name}.json`, GOLDEN), 'utf8')));
    const bytes = new Uint8Array(readFileSync(new URL(`${name}.footer`, GOLDEN)));
    const uniqueId = replicaUniqueId(golden.volume, golden.generation);
    assert.deepEqual(makeFooter({ dataBytes: golden.dataBytes, uniqueId, createdAtMs: golden.createdAtMs }), bytes);
    assert.deepEqual(describeFooter(bytes, golden.dataBytes + VHD_FOOTER_BYTES), {
      valid: true,
      problems: [],
      footer: golden.footer,
    });
  });
}

test('what is made is read back, for every size and time', () => {
  const mibs = fc.oneof(fc.integer({ min: 1, max: 8191 * 1024 }), fc.integer({ min: 1, max: 64 }));
  const seconds = fc.integer({ min: 0, max: 2 ** 32 - 1 });
  const ids = fc.uint8Array({ minLength: 16, maxLength: 16 });
  fc.assert(
    fc.property(mibs, seconds, ids, (mib, second, uniqueId) => {
      const createdAtMs = Date.UTC(2000, 0, 1) + second * 1000;
      const { problems, footer } = describeFooter(
        makeFooter({ dataBytes: mib * MIB, uniqueId, createdAtMs: createdAtMs + 999 }),
      );
      assert.deepEqual(problems, []);
      assert(footer);
      assert.equal(footer.currentBytes, mib * MIB);
      assert.equal(footer.originalBytes, mib * MIB);
      assert.equal(footer.diskType, 'fixed');
      assert.equal(Date.parse(footer.createdAt), createdAtMs);
      assert.deepEqual(Buffer.from(footer.uniqueId.replaceAll('-', ''), 'hex'), Buffer.from(uniqueId));
      const { cylinders, heads, sectors } = footer.geometry;
      assert.ok(cylinders * heads * sectors * 512 <= mib * MIB);
    }),
  );
});

test('geometry is what the specification computes', () => {
  // Computed from the document by a program of its own; each branch and its borders.
  const cases: [dataBytes: number, cylinders: number, heads: number, sectors: number][] = [
    [MIB, 30, 4, 17],
    [40 * MIB, 963, 5, 17],
    [132 * MIB, 993, 16, 17],
    [136 * MIB, 561, 16, 31],
    [137 * MIB, 565, 16, 31],
    [248 * MIB, 503, 16, 63],
    [504 * MIB, 1024, 16, 63],
    [127 * GIB, 65_278, 16, 255],
    [8191 * GIB, 65_535, 16, 255],
  ];
  for (const [dataBytes, cylinders, heads, sectors] of cases) {
    assert.deepEqual(geometryOf(dataBytes), { cylinders, heads, sectors }, `${dataBytes} bytes`);
  }
});

test('every flipped bit is found', () => {
  const good = footerOf(3 * MIB);
  for (let bit = 0; bit < good.length * 8; bit += 1) {
    const bad = Uint8Array.from(good);
    bad[bit >> 3] = (bad[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    const { valid, footer } = describeFooter(bad);
    assert.deepEqual([valid, footer], [false, undefined], `bit ${bit}`);
  }
});

function refused(bytes: Uint8Array, problem: RegExp): void {
  const { valid, problems, footer } = describeFooter(bytes);
  assert.deepEqual([valid, footer], [false, undefined]);
  assert.match(problems[0] ?? '', problem);
}

test('a wrong field under a right checksum is named', () => {
  const good = footerOf(3 * MIB);
  const cases: [at: number, values: number[], message: RegExp][] = [
    [0, [0x43], /cookie/],
    [12, [0, 2], /format version: major 2/],
    [16, [0, 0, 0, 0, 0, 0, 2, 0], /data offset: 0x200/],
    [60, [0, 0, 0, 5], /disk type: 5/],
    [48, [0, 32], /current size: above 2\^53/],
    [55, [1], /current size: 3145729 is no multiple/],
    [47, [1], /original size: 3145729/],
  ];
  for (const [at, values, message] of cases) {
    refused(altered(good, at, values), message);
  }
  for (const length of [0, 1, 511, 513, 1024]) {
    refused(new Uint8Array(length), /length/);
  }
});

test('fields that a reader does not judge may differ', () => {
  const good = footerOf(3 * MIB);
  for (const [at, values] of [
    [8, [0, 0, 0, 3]],
    [15, [7]],
    [28, [0x71]],
    [84, [1]],
    [500, [9]],
  ] as const) {
    assert.deepEqual(describeFooter(altered(good, at, values)).problems, []);
  }
  assert.deepEqual(describeFooter(altered(good, 16, [0, 0, 0, 0])).problems, []);
});

test('what Azure would refuse is listed', () => {
  const good = footerOf(3 * MIB);
  assert.deepEqual(describeFooter(good, 3 * MIB + 512).problems, []);
  assert.match(describeFooter(good, 3 * MIB).problems.join(), /do not make up the 3145728 bytes/);
  assert.match(describeFooter(altered(good, 60, [0, 0, 0, 3])).problems.join(), /disk type: dynamic/);
  assert.match(describeFooter(altered(good, 54, [2])).problems.join(), /current size: 3146240 bytes; a replica has/);
  assert.match(describeFooter(altered(good, 48, [0, 0, 0, 0, 0, 0, 0, 0])).problems.join(), /current size: 0 bytes/);
});

test('a footer that Azure would refuse is not made', () => {
  for (const dataBytes of [0, 512, MIB + 512, -MIB, 1.5 * MIB, VOLUME_BYTES_MAX + MIB, Number.NaN]) {
    assert.throws(() => footerOf(dataBytes), { code: 'VHD_INVALID', message: /size/ }, String(dataBytes));
  }
  const of = { dataBytes: MIB, uniqueId: ID, createdAtMs: CREATED_AT_MS };
  assert.throws(() => makeFooter({ ...of, uniqueId: new Uint8Array(15) }), { code: 'VHD_INVALID' });
  for (const createdAtMs of [Date.UTC(2000, 0, 1) - 1, Date.UTC(2136, 1, 8), Number.NaN]) {
    assert.throws(() => makeFooter({ ...of, createdAtMs }), { code: 'VHD_INVALID', message: /time of creation/ });
  }
});

test('a replica is rounded up to whole MiB', () => {
  assert.equal(replicaDataBytes(0), MIB);
  assert.equal(replicaDataBytes(512), MIB);
  assert.equal(replicaDataBytes(MIB), MIB);
  assert.equal(replicaDataBytes(MIB + 512), 2 * MIB);
  assert.equal(replicaDataBytes(8191 * GIB), VOLUME_BYTES_MAX);
});

test('each generation of each volume has its own version 8 UUID', () => {
  const ids = ['a/b/c/d', 'a/b/c/d1', 'a/b/c/e'].flatMap((volume) =>
    [1, 2, 11].map((generation) => replicaUniqueId(volume, generation)),
  );
  assert.equal(new Set(ids.map((id) => Buffer.from(id).toString('hex'))).size, 9);
  for (const id of ids) {
    assert.equal((id[6] ?? 0) >> 4, 8);
    assert.equal((id[8] ?? 0) >> 6, 2);
  }
  assert.deepEqual(replicaUniqueId('acme/berlin/erp/data', 1), ID);
});

test('QEMU sees the true size, odd MiB too', needs('qemu-img'), () => {
  const infoSchema = z.object({ format: z.string(), 'virtual-size': z.int() });
  for (const mib of [1, 3, 37, 137, 505, 1025, 65_537, 2040 * 1024]) {
    const path = join(folder, `${mib}.vhd`);
    const file = openSync(path, 'w');
    ftruncateSync(file, mib * MIB);
    writeSync(file, footerOf(mib * MIB), 0, VHD_FOOTER_BYTES, mib * MIB);
    closeSync(file);
    const out = execFileSync('qemu-img', ['info', '--output=json', '-f', 'vpc', path], { encoding: 'utf8' });
    assert.deepEqual(infoSchema.parse(JSON.parse(out)), { format: 'vpc', 'virtual-size': mib * MIB });
    rmSync(path);
  }
});

test('a VHD that QEMU made is read', needs('qemu-img'), () => {
  for (const subformat of ['fixed', 'dynamic'] as const) {
    for (const mib of [1, 40, 136, 600, 8191]) {
      const path = join(folder, `${subformat}-${mib}.vhd`);
      execFileSync('qemu-img', ['create', '-q', '-f', 'vpc', '-o', `subformat=${subformat}`, path, `${mib}M`]);
      const bytes = new Uint8Array(VHD_FOOTER_BYTES);
      const blobBytes = statSync(path).size;
      const file = openSync(path, 'r');
      readSync(file, bytes, 0, VHD_FOOTER_BYTES, blobBytes - VHD_FOOTER_BYTES);
      closeSync(file);
      rmSync(path);
      const { footer } = describeFooter(bytes, blobBytes);
      assert(footer);
      assert.equal(footer.diskType, subformat);
      assert.equal(footer.creatorApplication, 'qemu');
      if (subformat === 'fixed') assert.equal(footer.currentBytes, blobBytes - VHD_FOOTER_BYTES);
      // QEMU rounds the size up until its geometry addresses all of it, by the specification's algorithm.
      assert.ok(footer.currentBytes >= mib * MIB);
      assert.deepEqual(footer.geometry, geometryOf(footer.currentBytes));
    }
  }
});

test('an image of whole MiB that QEMU made is one that an import would take', needs('qemu-img'), () => {
  const path = join(folder, 'forced.vhd');
  execFileSync('qemu-img', ['create', '-q', '-f', 'vpc', '-o', 'subformat=fixed,force_size=on', path, '37M']);
  const all = new Uint8Array(readFileSync(path));
  assert.deepEqual(describeFooter(all.subarray(-VHD_FOOTER_BYTES), all.length).problems, []);
});
