/** What every EntryStore must do: the promises of src/ports/entries.ts, one test each. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { BlobPlace, ContainerPlace } from '../../src/kernel/places.ts';
import { MIB } from '../../src/kernel/units.ts';
import type { EntryStore } from '../../src/ports/entries.ts';
import { failsWith } from '../support/fails-with.ts';
import type { Subject } from './subject.ts';

export function entryStoreContract(
  subject: Subject<EntryStore> & {
    readonly container: () => ContainerPlace;
    /** Lets time pass, on the storage's clock. */
    readonly pass: (ms: number) => Promise<void>;
  },
): void {
  const place = (what: string): BlobPlace => ({ ...subject.container(), blob: subject.fresh(what) });

  describe('EntryStore', () => {
    test('what was created is read, whole', async () => {
      const store = subject.open();
      for (const sizeBytes of [0, 1, 3 * MIB + 7]) {
        const at = place(`size-${sizeBytes}`);
        const bytes = Buffer.alloc(sizeBytes, 'some bytes ');
        assert.equal(await store.create(at, bytes), 'created');
        assert.deepEqual(Buffer.from((await store.read(at, sizeBytes)) ?? 'nothing'), bytes);
      }
    });

    test('an entry that is not there reads as none', async () => {
      assert.equal(await subject.open().read(place('none'), 100), undefined);
    });

    test('nothing is ever overwritten', async () => {
      const [store, at] = [subject.open(), place('once')];
      assert.equal(await store.create(at, Buffer.from('first')), 'created');
      assert.equal(await store.create(at, Buffer.from('second')), 'exists');
      assert.equal(Buffer.from((await store.read(at, 100)) ?? '').toString(), 'first');
    });

    test('of many that create one entry, one does', async () => {
      const [store, at] = [subject.open(), place('race')];
      const answers = await Promise.all(
        Array.from({ length: 8 }, async (_, index) => store.create(at, Buffer.from(`writer ${index}`))),
      );
      assert.equal(answers.filter((answer) => answer === 'created').length, 1);
      const text = Buffer.from((await store.read(at, 100)) ?? '').toString();
      assert.equal(text, `writer ${answers.indexOf('created')}`);
    });

    test('an entry longer than the reader allows is refused', async () => {
      const [store, at] = [subject.open(), place('long')];
      await store.create(at, Buffer.alloc(1001));
      await assert.rejects(store.read(at, 1000), failsWith('DELTA_INVALID'));
      assert.equal((await store.read(at, 1001))?.length, 1001);
    });

    test('what was created belongs to the store: later changes of the bytes do not reach it', async () => {
      const [store, at] = [subject.open(), place('mine')];
      const bytes = Buffer.from('before');
      await store.create(at, bytes);
      bytes.write('after!');
      const read = (await store.read(at, 100)) ?? new Uint8Array();
      assert.equal(Buffer.from(read).toString(), 'before');
    });

    test('a part is read; behind the end there is nothing, and of no entry there is none', async () => {
      const [store, at] = [subject.open(), place('parts')];
      await store.create(at, Buffer.from('0123456789'));
      const part = async (offset: number, lengthBytes: number): Promise<string> =>
        Buffer.from((await store.readPart(at, { offset, lengthBytes })) ?? 'nothing').toString();
      assert.equal(await part(0, 4), '0123');
      assert.equal(await part(3, 4), '3456');
      assert.equal(await part(8, 100), '89');
      assert.equal(await part(10, 5), '');
      assert.equal(await part(50, 5), '');
      assert.equal(await store.readPart(place('none'), { offset: 0, lengthBytes: 1 }), undefined);
    });

    test('what was removed is gone, and removing it again is well', async () => {
      const [store, at] = [subject.open(), place('removed')];
      await store.create(at, Buffer.from('x'));
      await store.remove(at);
      await store.remove(at);
      assert.equal(await store.read(at, 10), undefined);
      assert.equal(await store.create(at, Buffer.from('anew')), 'created');
    });

    test('a listing says when each entry was created, in their order', async () => {
      const [store, folder] = [subject.open(), subject.fresh('ages')];
      for (const name of ['a', 'b']) {
        await store.create({ ...subject.container(), blob: `${folder}/${name}` }, Buffer.from(name));
        await subject.pass(1500);
      }
      const times: number[] = [];
      for await (const { createdAtMs } of store.list(subject.container(), `${folder}/`)) times.push(createdAtMs);
      const [first = NaN, second = NaN] = times;
      assert(second > first, `${first}, ${second}`);
    });

    test('a listing has the entries under a prefix in the order of their names, with their sizes', async () => {
      const [store, folder] = [subject.open(), subject.fresh('list')];
      const names = ['b-literal-1', 'b', 'b-literal-0', 'a', 'c/d'];
      for (const [index, name] of names.entries()) {
        await store.create({ ...subject.container(), blob: `${folder}/${name}` }, Buffer.alloc(index + 1));
      }
      await store.create({ ...subject.container(), blob: `${folder}x` }, Buffer.alloc(1));
      const found: [string, number][] = [];
      for await (const { name, sizeBytes } of store.list(subject.container(), `${folder}/`)) {
        found.push([name.slice(folder.length + 1), sizeBytes]);
      }
      assert.deepEqual(found, [
        ['a', 4],
        ['b', 2],
        ['b-literal-0', 3],
        ['b-literal-1', 1],
        ['c/d', 5],
      ]);
    });
  });
}
