/** Volumes that grow and shrink, and what follows them: identity, label, mount points. Late requests: named/. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { DeltaPiece } from '../../src/delta/delta.ts';
import { KIB, MIB, PAGE_BYTES } from '../../src/kernel/units.ts';
import type { PageRun } from '../../src/replica/plan/segments.ts';
import { withZeros, zerosOfResize } from '../../src/replica/apply/reshape.ts';
import { describeFooter, replicaDataBytes } from '../../src/vhd/footer.ts';
import { sound, start } from './start.ts';

const SIZES = [0, PAGE_BYTES, 64 * KIB, MIB - PAGE_BYTES, MIB, MIB + PAGE_BYTES, 2 * MIB, 3 * MIB + 4 * KIB];

/** Something in each page that a resize could touch: the ends of each size, before and behind. */
const marks = (volumeBytes: number, fill: number): DeltaPiece[] =>
  [...new Set(SIZES.flatMap((size) => [size - PAGE_BYTES, size]))]
    .filter((offset) => offset >= 0 && offset < volumeBytes)
    .sort((a, b) => a - b)
    .map((offset) => ({ offset, bytes: Buffer.alloc(PAGE_BYTES, fill) }));

describe('every size becomes every other', () => {
  for (const beforeBytes of SIZES) {
    test(`${beforeBytes} bytes`, async () => {
      for (const afterBytes of SIZES) {
        const { storage, site, worker } = await start({ volumeBytes: beforeBytes });
        await worker.receive(site.inline(site.next({ extents: marks(beforeBytes, 1), marker: 'before' })));
        await worker.receive(site.inline(site.next({ extents: [], volumeBytes: afterBytes, marker: 'resized' })));
        await worker.receive(site.inline(site.next({ extents: marks(afterBytes, 2) })));
        await worker.receive(site.inline(site.next({ extents: [], volumeBytes: beforeBytes, marker: 'back' })));
        await sound(storage, site, { applied: 4, points: 3 });
        const { volumeBytes, snapshots } = await storage.generation(site);
        assert.equal(volumeBytes, beforeBytes);
        assert.deepEqual(
          snapshots.map((point) => point.volumeBytes),
          [beforeBytes, afterBytes, beforeBytes],
        );
      }
    });
  }
});

test('a delta writes where the footer of the smaller disk stood, and around it', async () => {
  for (const offset of [MIB - PAGE_BYTES, MIB, MIB + PAGE_BYTES]) {
    const { storage, site, worker } = await start({ volumeBytes: MIB });
    await worker.receive(site.inline(site.next({ marker: 'before' })));
    const extents = [{ offset, bytes: Buffer.alloc(PAGE_BYTES, 5) }];
    await worker.receive(site.inline(site.next({ extents, volumeBytes: 2 * MIB, marker: 'grown' })));
    await sound(storage, site, { applied: 2, points: 2 });
  }
});

test('the state names the new size before the replica is touched', async () => {
  const { storage, site } = await start();
  const sizes: (number | undefined)[] = [];
  const worker = storage.worker({}, async ({ port, method, proceed }) => {
    if (port === 'replicas' && method === 'resize') sizes.push((await storage.generation(site)).claim?.volumeBytes);
    return proceed();
  });
  await worker.receive(site.inline(site.next({ marker: 'm' })));
  await worker.receive(site.inline(site.next({ volumeBytes: 5 * MIB, marker: 'grown' })));
  await worker.receive(site.inline(site.next({ volumeBytes: 2 * MIB, marker: 'shrunk' })));
  assert.deepEqual(sizes, [5 * MIB, 2 * MIB]);
  await sound(storage, site, { applied: 3, points: 3 });
});

test('a shrinking disk has its new footer before it is cut, a growing one gets it right after', async () => {
  const { storage, site } = await start({ volumeBytes: 3 * MIB });
  const seen: string[] = [];
  const footerAt = async (dataBytes: number): Promise<boolean> => {
    const { sizeBytes = 0 } = (await storage.replicas.properties(site.replica)) ?? {};
    if (sizeBytes <= dataBytes) return false;
    const bytes = await storage.replicas.read(site.replica, { offset: dataBytes, lengthBytes: PAGE_BYTES });
    return describeFooter(bytes, dataBytes + PAGE_BYTES).problems.length === 0;
  };
  const worker = storage.worker({}, async ({ port, method, proceed }) => {
    const answer = await proceed();
    if (port !== 'replicas' || !['resize', 'writePages', 'clearPages'].includes(method)) return answer;
    const { sizeBytes = 0 } = (await storage.replicas.properties(site.replica)) ?? {};
    seen.push(
      `${method} ${sizeBytes / MIB >= 3 ? 'large' : 'small'} ${await footerAt(MIB)} ${await footerAt(3 * MIB)}`,
    );
    return answer;
  });
  await worker.receive(site.inline(site.next({ marker: 'm' })));
  seen.length = 0;
  await worker.receive(site.inline(site.next({ extents: [], volumeBytes: MIB })));
  assert.deepEqual(seen, ['writePages large true true', 'resize small true false']);
  seen.length = 0;
  await worker.receive(site.inline(site.next({ extents: [], volumeBytes: 3 * MIB })));
  assert.deepEqual(seen, ['resize large true false', 'writePages large true true', 'clearPages large false true']);
});

test('label and mount points follow the volume, and stand with each point; the identity is in the footer', async () => {
  const { storage, site, worker } = await start();
  const identity = '0f8fad5b-d9cb-469f-a165-70867728950e';
  await worker.receive(site.inline(site.next({ marker: 'bare' })));
  const first = { label: 'data', mountPoints: ['/srv', '/var/lib/db'] };
  await worker.receive(site.inline(site.next({ properties: first, marker: 'named' })));
  await worker.receive(site.inline(site.next({ marker: 'same' })));
  const second = { label: 'data', identity };
  await worker.receive(site.inline(site.next({ properties: second, marker: 'identified' })));
  await worker.receive(site.inline(site.next({ volumeBytes: 3 * MIB, marker: 'grown' })));
  await sound(storage, site, { applied: 5, points: 5 });
  const { properties, snapshots } = await storage.generation(site);
  assert.deepEqual(properties, second);
  assert.deepEqual(
    snapshots.map((point) => point.properties),
    [undefined, first, first, second, second],
  );
  const ids = [];
  for (const { snapshot, volumeBytes = 0 } of snapshots) {
    const at = { offset: replicaDataBytes(volumeBytes), lengthBytes: PAGE_BYTES, snapshot };
    ids.push(describeFooter(await storage.replicas.read(site.replica, at)).footer?.uniqueId);
  }
  assert.equal(new Set(ids.slice(0, 3)).size, 1);
  assert.notEqual(ids[0], identity);
  assert.deepEqual(ids.slice(3), [identity, identity]);
});

test('zeros fill only what no run sets', () => {
  const lay = (runs: PageRun[], ranges: { offset: number; lengthBytes: number }[]): string =>
    [...withZeros(runs, ranges)]
      .map(({ kind, offset, lengthBytes }) => `${offset}+${lengthBytes}${kind === 'zeros' ? 'z' : ''}`)
      .join(' ');
  const literal = (offset: number, lengthBytes: number): PageRun => ({ kind: 'literal', offset, lengthBytes });
  const range = [{ offset: 1024, lengthBytes: 1024 }];
  assert.equal(lay([], range), '1024+1024z');
  assert.equal(lay([literal(0, 512)], range), '0+512 1024+1024z');
  assert.equal(lay([literal(512, 1024)], range), '512+1024 1536+512z');
  assert.equal(lay([literal(1536, 512)], range), '1024+512z 1536+512');
  assert.equal(lay([{ kind: 'zeros', offset: 0, lengthBytes: 4096 }], range), '0+4096z');
  assert.equal(lay([literal(2048, 512)], range), '1024+1024z 2048+512');
  assert.deepEqual(zerosOfResize(MIB, MIB), []);
  assert.deepEqual(zerosOfResize(MIB, 2 * MIB), [{ offset: MIB, lengthBytes: 512 }]);
  assert.deepEqual(zerosOfResize(3 * MIB, MIB + 512), [{ offset: MIB + 512, lengthBytes: MIB - 512 }]);
});
