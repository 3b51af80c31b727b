/**
 * What a site may do with the URLs that it is given, and all that it may not: the promises of src/ports/access.ts. Raw
 * requests are sent, as a site that means harm would.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SasAccess } from '../../src/azure/access.ts';
import type { StorageAccount } from '../../src/azure/clients.ts';
import { StorageAccounts } from '../../src/azure/clients.ts';
import { StorageQueues } from '../../src/azure/queues.ts';
import { SystemClock } from '../../src/system/clock.ts';

const HOUR_MS = 3_600_000;
const VERSION = { 'x-ms-version': '2024-11-04' };
const PUT_BLOB = { ...VERSION, 'x-ms-blob-type': 'BlockBlob' };

export function accessContract(subject: {
  readonly account: () => StorageAccount;
  readonly makeQueue: () => Promise<string>;
  readonly fresh: (what: string) => string;
}): void {
  const clock = new SystemClock();
  const issuer = (): SasAccess => new SasAccess(new StorageAccounts(subject.account()), clock);
  const place = (container: string): { account: string; container: string } => ({
    account: subject.account().name,
    container,
  });

  /** `url` with `path` behind its own and `query` beside its own. */
  const at = (url: string, path: string, query: Record<string, string> = {}): URL => {
    const changed = new URL(url);
    changed.pathname += path;
    for (const [key, value] of Object.entries(query)) changed.searchParams.set(key, value);
    return changed;
  };
  const statusOf = async (url: URL, init: RequestInit): Promise<number> => {
    const answer = await fetch(url, { headers: VERSION, ...init });
    await answer.arrayBuffer();
    return answer.status;
  };
  const refused = async (what: string, url: URL, init: RequestInit): Promise<void> => {
    const status = await statusOf(url, init);
    assert(status === 403 || status === 409, `${what}: answered ${status}`);
  };
  const message = (text: string): string =>
    `<QueueMessage><MessageText>${Buffer.from(text).toString('base64')}</MessageText></QueueMessage>`;

  describe('AccessIssuer', () => {
    test('with a queue URL a message can be added, and nothing else be done', async () => {
      const [mine, other] = [await subject.makeQueue(), await subject.makeQueue()];
      const url = await issuer().queueUrl(mine, clock.wallMs() + HOUR_MS);
      const add = { method: 'POST', body: message('hello') };
      assert.equal(await statusOf(at(url, '/messages', { messagettl: '-1' }), add), 201);
      await refused('take', at(url, '/messages'), { method: 'GET' });
      await refused('peek', at(url, '/messages', { peekonly: 'true' }), { method: 'GET' });
      await refused('clear', at(url, '/messages'), { method: 'DELETE' });
      await refused('delete the queue', at(url, ''), { method: 'DELETE' });
      await refused('look at the queue', at(url, '', { comp: 'metadata' }), { method: 'GET' });
      const elsewhere = at(url, '/messages');
      elsewhere.pathname = elsewhere.pathname.replace(mine, other);
      await refused('another queue', elsewhere, add);
      const taken = await new StorageQueues(subject.account()).take(mine, { countMax: 32, hiddenMs: 1000 });
      assert.deepEqual(
        taken.map(({ body }) => Buffer.from(body, 'base64').toString()),
        ['hello'],
      );
    });

    test('with a journal URL a blob can be created, and nothing else be done', async () => {
      const blob = `/${subject.fresh('entry')}`;
      const url = await issuer().journalUrl(place('journal'), clock.wallMs() + HOUR_MS);
      const put = (body: string): RequestInit => ({ method: 'PUT', headers: PUT_BLOB, body });
      assert.equal(await statusOf(at(url, blob), put('first')), 201);
      await refused('overwrite', at(url, blob), put('second'));
      await refused('read', at(url, blob), { method: 'GET' });
      await refused('look at', at(url, blob), { method: 'HEAD' });
      await refused('delete', at(url, blob), { method: 'DELETE' });
      await refused('list', at(url, '', { restype: 'container', comp: 'list' }), { method: 'GET' });
      await refused('delete the container', at(url, '', { restype: 'container' }), { method: 'DELETE' });
      const metadata = { ...VERSION, 'x-ms-meta-a': 'b' };
      await refused('set metadata', at(url, blob, { comp: 'metadata' }), { method: 'PUT', headers: metadata });
      const elsewhere = at(url, blob);
      elsewhere.pathname = elsewhere.pathname.replace('/journal/', '/other/');
      await refused('another container', elsewhere, put('elsewhere'));
      const client = subject.account().blobs.getContainerClient('journal').getBlobClient(blob.slice(1));
      assert.equal((await client.downloadToBuffer()).toString(), 'first');
    });

    test('with an upload URL one page blob can be written, and nothing else be done, until its container is gone', async () => {
      const container = subject.fresh('upload');
      await issuer().ensureContainer(place(container));
      const pages = subject.account().blobs.getContainerClient(container).getPageBlobClient('volume.vhd');
      await pages.create(1024);
      const upload = { ...place(container), blob: 'volume.vhd' };
      const url = await issuer().uploadUrl(upload, clock.wallMs() + HOUR_MS);
      const headers = { ...VERSION, 'x-ms-page-write': 'update', 'x-ms-range': 'bytes=0-511' };
      const write = { method: 'PUT', headers, body: 'x'.repeat(512) };
      const page = { comp: 'page' };
      assert.equal(await statusOf(at(url, '', page), write), 201);
      await refused('read', at(url, ''), { method: 'GET' });
      await refused('delete', at(url, ''), { method: 'DELETE' });
      await refused('another blob', at(url, 'x'), { method: 'PUT', headers: PUT_BLOB, body: 'x' });
      await issuer().removeContainer(upload);
      await issuer().removeContainer(upload);
      assert([403, 404].includes(await statusOf(at(url, '', page), write)));
    });

    test('a URL that has run out opens nothing', async () => {
      const queue = await subject.makeQueue();
      const expired = clock.wallMs() - 60_000;
      const queueUrl = await issuer().queueUrl(queue, expired);
      const journalUrl = await issuer().journalUrl(place('journal'), expired);
      await refused('queue', at(queueUrl, '/messages'), { method: 'POST', body: message('late') });
      const put = { method: 'PUT', headers: PUT_BLOB, body: 'late' };
      await refused('journal', at(journalUrl, `/${subject.fresh('late')}`), put);
    });

    test('a URL that was tampered with opens nothing', async () => {
      const url = await issuer().journalUrl(place('journal'), clock.wallMs() + HOUR_MS);
      const blob = `/${subject.fresh('entry')}`;
      const put = { method: 'PUT', headers: PUT_BLOB, body: 'x' };
      await refused('more permissions', at(url, blob, { sp: 'rcwdl' }), put);
      await refused('a later end', at(url, blob, { se: '2099-01-01T00:00:00Z' }), put);
    });

    test('a container is made once, and making it again is well', async () => {
      const container = subject.fresh('container');
      await issuer().ensureContainer(place(container));
      await issuer().ensureContainer(place(container));
      assert.equal(await subject.account().blobs.getContainerClient(container).exists(), true);
    });
  });
}
