/** What every ReplicaStore must do: the promises of src/ports/replica-store.ts, one test each. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isLeewardError } from '../../src/kernel/errors.ts';
import type { BlobPlace } from '../../src/kernel/places.ts';
import { KIB, PAGE_BYTES } from '../../src/kernel/units.ts';
import type { ReplicaStore } from '../../src/ports/replica-store.ts';
import { failsWith } from '../support/fails-with.ts';
import type { Subject } from './subject.ts';

const SIZE_BYTES = 64 * KIB;

export function replicaStoreContract(subject: Subject<ReplicaStore> & { readonly account: () => string }): void {
  const place = (what: string): BlobPlace => ({
    account: subject.account(),
    container: 'replicas',
    blob: subject.fresh(`v/${what}.vhd`),
  });
  const made = async (what: string): Promise<{ store: ReplicaStore; at: BlobPlace }> => {
    const [store, at] = [subject.open(), place(what)];
    await store.create(at, SIZE_BYTES);
    return { store, at };
  };
  const page = (fill: number): Uint8Array => Buffer.alloc(PAGE_BYTES, fill);
  const pageAt = async (store: ReplicaStore, at: BlobPlace, offset: number, snapshot?: string): Promise<number> => {
    const range = { offset, lengthBytes: PAGE_BYTES };
    const bytes = await store.read(at, snapshot === undefined ? range : { ...range, snapshot });
    assert.equal(bytes.length, PAGE_BYTES);
    assert(bytes.every((byte) => byte === bytes[0]));
    return bytes[0] ?? -1;
  };
  const properties = async (store: ReplicaStore, at: BlobPlace): Promise<{ etag: string; sequenceNumber: number }> => {
    const found = await store.properties(at);
    assert(found);
    return found;
  };

  describe('ReplicaStore', () => {
    test('a new blob is zeros with sequence number 0', async () => {
      const { store, at } = await made('new');
      const { sizeBytes, sequenceNumber } = (await store.properties(at)) ?? {};
      assert.deepEqual({ sizeBytes, sequenceNumber }, { sizeBytes: SIZE_BYTES, sequenceNumber: 0 });
      const bytes = await store.read(at, { offset: 0, lengthBytes: SIZE_BYTES });
      assert(Buffer.alloc(SIZE_BYTES).equals(bytes));
    });

    test('a blob that is not there has no properties, and nothing of it can be read or raised', async () => {
      const [store, at] = [subject.open(), place('none')];
      assert.equal(await store.properties(at), undefined);
      await assert.rejects(store.read(at, { offset: 0, lengthBytes: PAGE_BYTES }), failsWith('NOT_FOUND'));
      await assert.rejects(store.raiseSequenceNumber(at, 1), failsWith('NOT_FOUND'));
    });

    test('to create an existing blob leaves it as it is', async () => {
      const { store, at } = await made('twice');
      await store.raiseSequenceNumber(at, 5);
      await store.writePages(at, { offset: 0, bytes: page(1), fence: 5 });
      await store.create(at, 2 * SIZE_BYTES);
      assert.equal((await store.properties(at))?.sizeBytes, SIZE_BYTES);
      assert.equal((await properties(store, at)).sequenceNumber, 5);
      assert.equal(await pageAt(store, at, 0), 1);
    });

    test('a sequence number is raised to the maximum and never goes down', async () => {
      const { store, at } = await made('raise');
      const highest = 2 ** 53 - 1;
      for (const [fence, expected] of [
        [7, 7],
        [3, 7],
        [7, 7],
        [2 ** 32 + 1, 2 ** 32 + 1],
        [highest, highest],
        [1, highest],
      ] as const) {
        await store.raiseSequenceNumber(at, fence);
        assert.equal((await properties(store, at)).sequenceNumber, expected);
      }
    });

    test('a write or clear under another fence than the blob has is refused, earlier or later', async () => {
      const { store, at } = await made('fence');
      await store.raiseSequenceNumber(at, 10);
      await store.writePages(at, { offset: 0, bytes: page(1), fence: 10 });
      for (const fence of [0, 9, 11]) {
        await assert.rejects(store.writePages(at, { offset: 0, bytes: page(2), fence }), failsWith('FENCED'));
        await assert.rejects(store.clearPages(at, { offset: 0, lengthBytes: PAGE_BYTES, fence }), failsWith('FENCED'));
      }
      assert.equal(await pageAt(store, at, 0), 1);
    });

    test('a late write of an earlier fence does not land, although it was right when it was sent', async () => {
      const { store, at } = await made('late');
      await store.raiseSequenceNumber(at, 1);
      const late = { offset: 0, bytes: page(1), fence: 1 };
      await store.writePages(at, late);
      await store.raiseSequenceNumber(at, 2);
      await store.writePages(at, { offset: 0, bytes: page(2), fence: 2 });
      await assert.rejects(store.writePages(at, late), failsWith('FENCED'));
      assert.equal(await pageAt(store, at, 0), 2);
    });

    test('a late write behind the end of a blob that was shrunk since is told as somebody else’s doing', async () => {
      const { store, at } = await made('late-shrunk');
      await store.raiseSequenceNumber(at, 1);
      const late = { offset: SIZE_BYTES - PAGE_BYTES, bytes: page(1), fence: 1 };
      await store.writePages(at, late);
      await store.raiseSequenceNumber(at, 2);
      const { etag } = await properties(store, at);
      await store.resize(at, { sizeBytes: PAGE_BYTES, etag });
      const isTold = (error: unknown): boolean => isLeewardError(error, 'FENCED', 'CONFLICT');
      await assert.rejects(store.writePages(at, late), isTold);
      await assert.rejects(store.clearPages(at, { ...late, lengthBytes: PAGE_BYTES }), isTold);
      assert.equal((await store.properties(at))?.sizeBytes, PAGE_BYTES);
    });

    test('pages are written and cleared where they are told, and nowhere else', async () => {
      const { store, at } = await made('pages');
      await store.raiseSequenceNumber(at, 1);
      await store.writePages(at, { offset: PAGE_BYTES, bytes: Buffer.alloc(3 * PAGE_BYTES, 9), fence: 1 });
      await store.clearPages(at, { offset: 2 * PAGE_BYTES, lengthBytes: PAGE_BYTES, fence: 1 });
      const seen: number[] = [];
      for (let index = 0; index < 5; index += 1) seen.push(await pageAt(store, at, index * PAGE_BYTES));
      assert.deepEqual(seen, [0, 9, 0, 9, 0]);
    });

    test('bytes in parts are written one behind the other', async () => {
      const { store, at } = await made('parts');
      await store.raiseSequenceNumber(at, 1);
      const bytes = Buffer.from(Array.from({ length: 3 * PAGE_BYTES }, (_, index) => index % 251));
      const parts = [bytes.subarray(0, 100), bytes.subarray(100, PAGE_BYTES), bytes.subarray(PAGE_BYTES)];
      await store.writePages(at, { offset: PAGE_BYTES, bytes: { parts, lengthBytes: bytes.length }, fence: 1 });
      assert(bytes.equals(await store.read(at, { offset: PAGE_BYTES, lengthBytes: bytes.length })));
      assert.equal(await pageAt(store, at, 4 * PAGE_BYTES), 0);
    });

    test('the whole of a blob can be cleared at once', async () => {
      const { store, at } = await made('clear');
      await store.raiseSequenceNumber(at, 1);
      await store.writePages(at, { offset: 0, bytes: Buffer.alloc(SIZE_BYTES, 4), fence: 1 });
      await store.clearPages(at, { offset: 0, lengthBytes: SIZE_BYTES, fence: 1 });
      const bytes = await store.read(at, { offset: 0, lengthBytes: SIZE_BYTES });
      assert(Buffer.alloc(SIZE_BYTES).equals(bytes));
    });

    test('a resize keeps what is left, shows zeros where it grew, and changes the ETag', async () => {
      const { store, at } = await made('resize');
      await store.raiseSequenceNumber(at, 1);
      await store.writePages(at, { offset: 0, bytes: Buffer.alloc(SIZE_BYTES, 7), fence: 1 });
      const { etag } = await properties(store, at);
      const half = SIZE_BYTES / 2;
      await store.resize(at, { sizeBytes: half, etag });
      const between = await properties(store, at);
      assert.notEqual(between.etag, etag);
      await store.resize(at, { sizeBytes: SIZE_BYTES, etag: between.etag });
      assert.deepEqual(
        { ...(await store.properties(at)), etag: '' },
        { sizeBytes: SIZE_BYTES, sequenceNumber: 1, etag: '' },
      );
      const bytes = await store.read(at, { offset: 0, lengthBytes: SIZE_BYTES });
      assert(Buffer.concat([Buffer.alloc(half, 7), Buffer.alloc(half)]).equals(bytes));
    });

    test('a late resize does not land after a write, a raise or another resize', async () => {
      const { store, at } = await made('lateresize');
      await store.raiseSequenceNumber(at, 1);
      for (const change of [
        async () => {
          await store.writePages(at, { offset: 0, bytes: page(1), fence: 1 });
        },
        async () => store.raiseSequenceNumber(at, 1),
        async () => store.resize(at, { sizeBytes: SIZE_BYTES, etag: (await properties(store, at)).etag }),
      ]) {
        const { etag } = await properties(store, at);
        await change();
        await assert.rejects(store.resize(at, { sizeBytes: PAGE_BYTES, etag }), failsWith('CONFLICT'));
      }
      assert.equal((await store.properties(at))?.sizeBytes, SIZE_BYTES);
    });

    test('a write gives the ETag that it left, under which a snapshot can be taken', async () => {
      const { store, at } = await made('writeetag');
      await store.raiseSequenceNumber(at, 1);
      const written = await store.writePages(at, { offset: 0, bytes: page(1), fence: 1 });
      assert.equal(written.etag, (await properties(store, at)).etag);
      await store.snapshot(at, { etag: written.etag, number: 1 });
      const cleared = await store.clearPages(at, { offset: 0, lengthBytes: PAGE_BYTES, fence: 1 });
      assert.equal(cleared.etag, (await properties(store, at)).etag);
      await assert.rejects(store.snapshot(at, { etag: written.etag, number: 2 }), failsWith('CONFLICT'));
    });

    test('a snapshot keeps the size that the blob had', async () => {
      const { store, at } = await made('snapshotsize');
      await store.raiseSequenceNumber(at, 1);
      await store.writePages(at, { offset: SIZE_BYTES - PAGE_BYTES, bytes: page(1), fence: 1 });
      const { etag } = await properties(store, at);
      const snapshot = await store.snapshot(at, { etag, number: 1 });
      await store.resize(at, { sizeBytes: PAGE_BYTES, etag: (await properties(store, at)).etag });
      assert.equal(await pageAt(store, at, SIZE_BYTES - PAGE_BYTES, snapshot), 1);
    });

    test('a snapshot keeps what the blob was', async () => {
      const { store, at } = await made('snapshot');
      await store.raiseSequenceNumber(at, 1);
      await store.writePages(at, { offset: 0, bytes: page(1), fence: 1 });
      const snapshot = await store.snapshot(at, { etag: (await properties(store, at)).etag, number: 1 });
      await store.writePages(at, { offset: 0, bytes: page(2), fence: 1 });
      assert.equal(await pageAt(store, at, 0, snapshot), 1);
      assert.equal(await pageAt(store, at, 0), 2);
    });

    test('a snapshot under an ETag is refused after a write, a clear or a raise, and is not taken', async () => {
      const { store, at } = await made('etag');
      await store.raiseSequenceNumber(at, 1);
      for (const change of [
        async () => store.writePages(at, { offset: 0, bytes: page(1), fence: 1 }),
        async () => store.clearPages(at, { offset: 0, lengthBytes: PAGE_BYTES, fence: 1 }),
        async () => store.raiseSequenceNumber(at, 2),
      ]) {
        const { etag } = await properties(store, at);
        await change();
        await assert.rejects(store.snapshot(at, { etag, number: 1 }), failsWith('CONFLICT'));
      }
      assert.deepEqual(await store.listSnapshots(at), []);
    });

    test('a read that reaches past the end is an error, never fewer bytes', async () => {
      const { store, at } = await made('pastend');
      const { etag } = await properties(store, at);
      const snapshot = await store.snapshot(at, { etag, number: 1 });
      for (const which of [{}, { snapshot }]) {
        for (const offset of [SIZE_BYTES - PAGE_BYTES, SIZE_BYTES]) {
          const range = { offset, lengthBytes: 2 * PAGE_BYTES };
          await assert.rejects(store.read(at, { ...range, ...which }), failsWith('UNAVAILABLE'));
        }
      }
    });

    test('a snapshot changes neither ETag nor sequence number', async () => {
      const { store, at } = await made('unchanged');
      const before = await properties(store, at);
      await store.snapshot(at, { etag: before.etag, number: 1 });
      assert.deepEqual(await properties(store, at), before);
    });

    test('snapshots are listed oldest first with their numbers, of this blob only, and deleted one by one', async () => {
      const { store, at } = await made('listed');
      const neighbour = { ...at, blob: `${at.blob}x` };
      await store.create(neighbour, SIZE_BYTES);
      await store.snapshot(neighbour, { etag: (await properties(store, neighbour)).etag, number: 99 });
      const taken: string[] = [];
      for (const number of [1, 2, 3]) {
        taken.push(await store.snapshot(at, { etag: (await properties(store, at)).etag, number }));
      }
      assert.deepEqual(
        await store.listSnapshots(at),
        taken.map((snapshot, index) => ({ snapshot, number: index + 1 })),
      );
      const [first, second = '', third] = taken;
      await store.deleteSnapshot(at, second);
      await store.deleteSnapshot(at, second);
      assert.deepEqual(
        (await store.listSnapshots(at)).map(({ snapshot }) => snapshot),
        [first, third],
      );
      await assert.rejects(
        store.read(at, { offset: 0, lengthBytes: PAGE_BYTES, snapshot: second }),
        failsWith('NOT_FOUND'),
      );
    });

    test('a snapshot is copied into a blob of its own; repeated, the copy is found again', async () => {
      const { store, at } = await made('copied');
      const to = place('copy');
      await store.raiseSequenceNumber(at, 1);
      await store.writePages(at, { offset: 0, bytes: page(1), fence: 1 });
      const snapshot = await store.snapshot(at, { etag: (await properties(store, at)).etag, number: 1 });
      await store.writePages(at, { offset: 0, bytes: page(2), fence: 1 });
      const copied = async (): Promise<void> => {
        for (let tries = 0; (await store.copySnapshot({ ...at, snapshot }, to)) !== 'done'; tries += 1) {
          assert(tries < 1000, 'the copy never ends');
        }
      };
      await copied();
      assert.equal(await pageAt(store, to, 0), 1);
      const before = await properties(store, to);
      await copied();
      assert.deepEqual(await properties(store, to), before);
      await store.deleteSnapshot(at, snapshot);
      await copied();
      assert.equal(await pageAt(store, to, 0), 1);
    });

    test('a snapshot that is not there cannot be copied, and nothing is left of the attempt', async () => {
      const { store, at } = await made('nocopy');
      const snapshot = await store.snapshot(at, { etag: (await properties(store, at)).etag, number: 1 });
      await store.deleteSnapshot(at, snapshot);
      const to = place('nothing');
      await assert.rejects(store.copySnapshot({ ...at, snapshot }, to), failsWith('NOT_FOUND'));
      assert.equal(await store.properties(to), undefined);
    });

    test('a snapshot without a condition is of whatever is there', async () => {
      const { store, at } = await made('sealed');
      await store.raiseSequenceNumber(at, 1);
      await store.writePages(at, { offset: 0, bytes: page(3), fence: 1 });
      const snapshot = await store.snapshot(at, { number: 0 });
      await store.writePages(at, { offset: 0, bytes: page(4), fence: 1 });
      const bytes = await store.read(at, { offset: 0, lengthBytes: PAGE_BYTES, snapshot });
      assert.equal(bytes[0], 3);
      await assert.rejects(store.snapshot(place('none'), { number: 0 }), failsWith('NOT_FOUND'));
    });

    test('where data is, is told of the blob and of a snapshot, within what was asked for', async () => {
      const { store, at } = await made('ranges');
      await store.raiseSequenceNumber(at, 1);
      const pages = async (lengthPages: number, from: number, snapshot?: string): Promise<number[]> => {
        const asked = { offset: from * PAGE_BYTES, lengthBytes: lengthPages * PAGE_BYTES };
        const found = await store.dataRanges(at, snapshot === undefined ? asked : { ...asked, snapshot });
        let behind = 0;
        return found.flatMap(({ offset, lengthBytes }) => {
          assert(offset >= Math.max(asked.offset, behind) && lengthBytes > 0);
          behind = offset + lengthBytes;
          assert(behind <= asked.offset + asked.lengthBytes);
          return Array.from({ length: lengthBytes / PAGE_BYTES }, (_, index) => offset / PAGE_BYTES + index);
        });
      };
      assert.deepEqual(await pages(16, 0), []);
      for (const index of [1, 2, 3, 7]) {
        await store.writePages(at, { offset: index * PAGE_BYTES, bytes: page(1), fence: 1 });
      }
      const snapshot = await store.snapshot(at, { number: 0 });
      await store.clearPages(at, { offset: 2 * PAGE_BYTES, lengthBytes: PAGE_BYTES, fence: 1 });
      assert.deepEqual(await pages(16, 0, snapshot), [1, 2, 3, 7]);
      assert.deepEqual(await pages(16, 0), [1, 3, 7]);
      assert.deepEqual(await pages(2, 2, snapshot), [2, 3]);
      assert.deepEqual(await pages(4, 4, snapshot), [7]);
      assert.deepEqual(await pages(8, SIZE_BYTES / PAGE_BYTES), []);
      await assert.rejects(
        store.dataRanges(place('none'), { offset: 0, lengthBytes: PAGE_BYTES }),
        failsWith('NOT_FOUND'),
      );
    });

    test('a copy has its source of the number too; it is reset under the ETag that was seen', async () => {
      const { store, at } = await made('numbered');
      const to = place('numbered-copy');
      await store.raiseSequenceNumber(at, 2 ** 53);
      const snapshot = await store.snapshot(at, { number: 0 });
      for (let tries = 0; (await store.copySnapshot({ ...at, snapshot }, to)) !== 'done'; tries += 1) {
        assert(tries < 1000, 'the copy never ends');
      }
      const copied = await properties(store, to);
      await store.resetSequenceNumber(to, { etag: copied.etag });
      assert.equal((await properties(store, to)).sequenceNumber, 0);
      await store.raiseSequenceNumber(to, 5);
      await assert.rejects(store.resetSequenceNumber(to, { etag: copied.etag }), failsWith('CONFLICT'));
      assert.equal((await properties(store, to)).sequenceNumber, 5);
    });

    test('a blob is removed with its snapshots, and removing it again is well', async () => {
      const { store, at } = await made('removed');
      const snapshot = await store.snapshot(at, { number: 0 });
      await store.remove(at);
      await store.remove(at);
      assert.equal(await store.properties(at), undefined);
      await assert.rejects(store.read(at, { offset: 0, lengthBytes: PAGE_BYTES, snapshot }), failsWith('NOT_FOUND'));
    });

    test('the address names the blob and carries no credential', async () => {
      const { store, at } = await made('url');
      const url = new URL(store.url(at));
      assert.equal(url.search, '');
      assert(decodeURIComponent(url.pathname).endsWith(`replicas/${at.blob}`));
    });
  });
}
