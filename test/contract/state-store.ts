/** What every StateStore must do: the promises of src/ports/state.ts, one test each. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DOCUMENT_BYTES_MAX } from '../../src/ports/state.ts';
import type { StateStore } from '../../src/ports/state.ts';
import { failsWith } from '../support/fails-with.ts';
import type { Subject } from './subject.ts';

export function stateStoreContract({ open, fresh }: Subject<StateStore>): void {
  describe('StateStore', () => {
    test('a document that is not there reads as none, with the time of the service', async () => {
      const { document, serviceNowMs } = await open().read(fresh('none'));
      assert.equal(document, undefined);
      assert(serviceNowMs > 0);
    });

    test('what was written is read, with its ETag and the time of writing', async () => {
      const [store, name] = [open(), fresh('a/b/ä')];
      const written = await store.create(name, '{"größe": 1}');
      const { document, serviceNowMs } = await store.read(name);
      assert.equal(document?.text, '{"größe": 1}');
      assert.equal(document.etag, written.etag);
      assert.equal(document.lastModifiedMs, written.lastModifiedMs);
      assert(serviceNowMs >= written.lastModifiedMs);
    });

    test('what could not be read is not written: what was there stays', async () => {
      const [store, name] = [open(), fresh('large')];
      const largest = 'ä'.repeat(DOCUMENT_BYTES_MAX / 2);
      await assert.rejects(store.create(name, `${largest}!`), failsWith('DOCUMENT_INVALID'));
      assert.equal((await store.read(name)).document, undefined);
      const { etag } = await store.create(name, largest);
      await assert.rejects(store.replace(name, `${largest}!`, etag), failsWith('DOCUMENT_INVALID'));
      const { document } = await store.read(name);
      assert.equal(document?.etag, etag);
      assert(document.text === largest);
    });

    test('create never overwrites', async () => {
      const [store, name] = [open(), fresh('once')];
      await store.create(name, 'first');
      await assert.rejects(store.create(name, 'second'), failsWith('CONFLICT'));
      assert.equal((await store.read(name)).document?.text, 'first');
    });

    test('replace writes over the named version only, and gives a new one', async () => {
      const [store, name] = [open(), fresh('versions')];
      const first = await store.create(name, '1');
      const second = await store.replace(name, '2', first.etag);
      assert.notEqual(second.etag, first.etag);
      await assert.rejects(store.replace(name, '3', first.etag), failsWith('CONFLICT'));
      await store.replace(name, '4', second.etag);
      assert.equal((await store.read(name)).document?.text, '4');
    });

    test('the same text written again is another version', async () => {
      const [store, name] = [open(), fresh('same')];
      const first = await store.create(name, 'same');
      await store.replace(name, 'same', first.etag);
      await assert.rejects(store.replace(name, 'same', first.etag), failsWith('CONFLICT'));
    });

    test('replace does not create', async () => {
      const [store, name] = [open(), fresh('never')];
      const { etag } = await store.create(fresh('other'), 'x');
      await assert.rejects(store.replace(name, 'y', etag), failsWith('CONFLICT', 'NOT_FOUND'));
      assert.equal((await store.read(name)).document, undefined);
    });

    test('of many that replace one version, one wins', async () => {
      const [store, name] = [open(), fresh('race')];
      const { etag } = await store.create(name, '0');
      const results = await Promise.allSettled(
        Array.from({ length: 8 }, async (_, index) => store.replace(name, String(index + 1), etag)),
      );
      assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
      const winner = results.findIndex(({ status }) => status === 'fulfilled') + 1;
      assert.equal((await store.read(name)).document?.text, String(winner));
    });

    test('a listing has the names under a prefix in their order, with the newest labels', async () => {
      const [store, folder] = [open(), fresh('list')];
      const { etag } = await store.create(`${folder}/b.json`, '{}', { work: 'yes' });
      await store.create(`${folder}/a-x/c.json`, '{}', { work: 'no' });
      await store.create(`${folder}/a/c.json`, '{}');
      await store.create(`${folder}x/d.json`, '{}');
      await store.replace(`${folder}/b.json`, '{}', etag, { work: 'no' });
      const found: [string, unknown][] = [];
      for await (const { name, labels } of store.list(`${folder}/`))
        found.push([name.slice(folder.length), { ...labels }]);
      assert.deepEqual(found, [
        ['/a-x/c.json', { work: 'no' }],
        ['/a/c.json', {}],
        ['/b.json', { work: 'no' }],
      ]);
    });

    test('what was removed is gone from reading and listing, and may be removed again, and made anew', async () => {
      const [store, name] = [open(), fresh('removed')];
      await store.create(name, '{}');
      await store.remove(name);
      await store.remove(name);
      assert.equal((await store.read(name)).document, undefined);
      for await (const found of store.list(name)) assert.fail(found.name);
      await store.create(name, '{"again": 1}');
      assert.equal((await store.read(name)).document?.text, '{"again": 1}');
    });

    test('labels that are not given are gone', async () => {
      const [store, name] = [open(), fresh('unlabelled')];
      const { etag } = await store.create(name, '{}', { work: 'yes' });
      await store.replace(name, '{}', etag);
      for await (const { labels } of store.list(name)) assert.deepEqual({ ...labels }, {});
    });
  });
}
