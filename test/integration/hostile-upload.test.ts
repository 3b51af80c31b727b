/**
 * An uploader that ignores every condition: whoever has an upload's credential writes with raw requests whatever that
 * allows, tries all that it does not, and goes on writing while it is sealed, copied, revoked and published. The published
 * replica stays what it was, and the new one is the copy that was hashed, whatever that is.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { SasAccess } from '../../src/azure/access.ts';
import { StorageAccounts, openAccount } from '../../src/azure/clients.ts';
import type { StorageAccount } from '../../src/azure/clients.ts';
import { BlobEntries } from '../../src/azure/entries.ts';
import { StorageQueues } from '../../src/azure/queues.ts';
import { PageBlobReplicas } from '../../src/azure/replica-store.ts';
import { BlobState } from '../../src/azure/state.ts';
import { Documents } from '../../src/documents/store.ts';
import { currentGeneration, uploadPlace, volumeKind } from '../../src/documents/volume.ts';
import type { VolumeDocument } from '../../src/documents/volume.ts';
import { UPLOAD_BLOB } from '../../src/kernel/names.ts';
import { MIB } from '../../src/kernel/units.ts';
import { RANGE_BYTES } from '../../src/ranges/blocks.ts';
import { orderReseed } from '../../src/replica/generation/generations.ts';
import { SystemClock } from '../../src/system/clock.ts';
import { Worker } from '../support/data-path.ts';
import { startAzurite } from '../support/azurite.ts';
import type { Azurite } from '../support/azurite.ts';
import { baseDigestOf, putList } from '../support/range-lists.ts';
import { replicaProblem } from '../support/replica-check.ts';
import { SiteFixture } from '../support/site-fixture.ts';

const VOLUME_BYTES = RANGE_BYTES + MIB + 512;
const VERSION = { 'x-ms-version': '2024-11-04' };
const HOUR_MS = 3_600_000;
const LEASE_ID = '6b1f0c0d-e9b8-4a4e-8f1d-2c3b4a596877';

/** What is sent with an upload's URL: `path` in the place of the blob's own. */
interface Attempt {
  readonly what: string;
  readonly path?: (own: string) => string;
  readonly query?: Record<string, string>;
  readonly method: string;
  readonly headers?: Record<string, string>;
  readonly body?: Uint8Array;
}

/** Sends an attempt with the upload's credential; the status of the answer. */
async function send(url: string, attempt: Attempt): Promise<number> {
  const to = new URL(url);
  if (attempt.path) to.pathname = attempt.path(to.pathname);
  for (const [key, value] of Object.entries(attempt.query ?? {})) to.searchParams.set(key, value);
  const headers = { ...VERSION, ...attempt.headers };
  const answer = await fetch(to, {
    method: attempt.method,
    headers,
    ...(attempt.body ? { body: Buffer.from(attempt.body) } : {}),
  });
  await answer.arrayBuffer();
  return answer.status;
}

function putPages(offset: number, bytes: Uint8Array): Attempt {
  const range = `bytes=${offset}-${offset + bytes.length - 1}`;
  const headers = { 'x-ms-page-write': 'update', 'x-ms-range': range };
  return { what: `write at ${offset}`, method: 'PUT', query: { comp: 'page' }, headers, body: bytes };
}

function setSequenceNumber(value: string): Attempt {
  const headers = { 'x-ms-sequence-number-action': 'update', 'x-ms-blob-sequence-number': value };
  return { what: `sequence number ${value}`, method: 'PUT', query: { comp: 'properties' }, headers };
}

const PAGES = { 'x-ms-page-write': 'update', 'x-ms-range': 'bytes=0-511' };

/** What writing one blob must not open. */
function forbidden(replica: string): readonly Attempt[] {
  const container = (own: string): string => own.slice(0, own.lastIndexOf('/'));
  const published = (own: string): string => `${container(container(own))}/replicas/${replica}`;
  const create = { 'x-ms-blob-type': 'BlockBlob' };
  return [
    { what: 'read', method: 'GET' },
    { what: 'delete', method: 'DELETE' },
    { what: 'delete with snapshots', method: 'DELETE', headers: { 'x-ms-delete-snapshots': 'include' } },
    { what: 'another blob', method: 'PUT', path: (own) => `${own}x`, headers: create, body: Buffer.from('x') },
    { what: 'list', method: 'GET', path: container, query: { restype: 'container', comp: 'list' } },
    { what: 'delete the container', method: 'DELETE', path: container, query: { restype: 'container' } },
    {
      what: 'lease the container',
      method: 'PUT',
      path: container,
      query: { restype: 'container', comp: 'lease' },
      headers: { 'x-ms-lease-action': 'acquire', 'x-ms-lease-duration': '-1' },
    },
    {
      what: 'write the replica',
      method: 'PUT',
      path: published,
      query: { comp: 'page' },
      headers: PAGES,
      body: Buffer.alloc(512, 1),
    },
    { what: 'read the replica', method: 'GET', path: published },
    { what: 'delete the replica', method: 'DELETE', path: published },
  ];
}

describe('an upload’s credential in hostile hands', () => {
  let azurite: Azurite;
  let account: StorageAccount;
  let count = 0;
  before(async () => {
    azurite = await startAzurite();
    account = openAccount({ connectionString: azurite.connectionString });
    for (const name of ['state', 'replicas', 'aside']) await account.blobs.getContainerClient(name).create();
  });
  after(async () => azurite.stop());

  /** A volume with a published point, and the next generation's upload open. */
  async function opened(): Promise<{
    site: SiteFixture;
    worker: Worker;
    url: string;
    volume: () => Promise<VolumeDocument>;
    ports: { replicas: PageBlobReplicas; entries: BlobEntries };
  }> {
    const accounts = new StorageAccounts(account);
    const clock = new SystemClock();
    const state = new BlobState(account.blobs.getContainerClient('state'));
    const access = new SasAccess(accounts, clock);
    const [replicas, entries, queues] = [
      new PageBlobReplicas(accounts),
      new BlobEntries(accounts),
      new StorageQueues(account),
    ];
    const worker = new Worker({ state, replicas, entries, queues, access, clock });
    const documents = new Documents(state);
    count += 1;
    const ref = { tenant: 'acme', site: `berlin-${count}`, group: 'erp', volume: 'data' };
    const site = await new SiteFixture({ volume: ref, volumeBytes: VOLUME_BYTES, account: account.name }).register(
      documents,
    );
    await access.ensureContainer(site.journal);
    await worker.receive(site.inline(site.next({ marker: 'old' })));
    await documents.update(volumeKind, site.documentName, (document) =>
      orderReseed(document, { from: 'upload', volumeBytes: VOLUME_BYTES, reason: 'by hand', sinceMs: 0 }),
    );
    await worker.chores.run(site.ref);
    const volume = async (): Promise<VolumeDocument> => (await documents.need(volumeKind, site.documentName)).value;
    const url = await access.uploadUrl(
      uploadPlace(site.id, currentGeneration(await volume())),
      clock.wallMs() + HOUR_MS,
    );
    return { site, worker, url, volume, ports: { replicas, entries } };
  }

  function content(): Uint8Array {
    const bytes = new Uint8Array(VOLUME_BYTES);
    for (const offset of [512, RANGE_BYTES, VOLUME_BYTES - 512]) bytes.fill(7, offset, offset + 512);
    return bytes;
  }

  test('reaches one blob, whatever it tries', async () => {
    const { site, url, ports } = await opened();
    for (const attempt of forbidden(site.replica.blob)) {
      const status = await send(url, attempt);
      assert([403, 404, 409].includes(status), `${attempt.what}: answered ${status}`);
    }
    const more = new URL(url);
    more.searchParams.set('sp', 'rwd');
    assert.equal(await send(more.href, { what: 'more permissions', method: 'GET' }), 403);
    assert.equal(await replicaProblem(ports.replicas, site, { number: 1 }), undefined);
    assert.equal(await send(url, putPages(0, Buffer.alloc(512, 1))), 201);
  });

  test('writes without any condition, sets numbers, takes leases, and goes on after the end: nothing published changes', async () => {
    const { site, worker, url, volume, ports } = await opened();
    const good = content();
    assert.equal(await send(url, setSequenceNumber('9223372036854775807')), 200);
    for (let offset = 0; offset < good.length; offset += RANGE_BYTES) {
      assert.equal(await send(url, putPages(offset, good.slice(offset, offset + RANGE_BYTES))), 201);
    }
    const before = await volume();
    const old = before.generations['1']?.snapshots[0];
    assert(old);

    // From now on it writes other bytes over the first range and over the footer, as fast as it can, to the very end.
    const lease = {
      'x-ms-lease-action': 'acquire',
      'x-ms-lease-duration': '-1',
      'x-ms-proposed-lease-id': LEASE_ID,
    };
    const leased = { what: 'lease', method: 'PUT', query: { comp: 'lease' }, headers: lease };
    assert.equal(await send(url, leased), 201);
    const holding = (attempt: Attempt): Attempt => ({
      ...attempt,
      headers: { ...attempt.headers, 'x-ms-lease-id': LEASE_ID },
    });
    const end = new AbortController();
    const statuses = new Set<number>();
    const going = (async () => {
      for (let byte = 1; !end.signal.aborted; byte = (byte % 250) + 1) {
        statuses.add(await send(url, holding(putPages(512, Buffer.alloc(65_536, byte)))));
        statuses.add(await send(url, holding(putPages(6 * MIB, Buffer.alloc(512, byte)))));
        statuses.add(await send(url, holding(setSequenceNumber(String(byte)))));
      }
    })();
    await send(url, { what: 'snapshot', method: 'PUT', query: { comp: 'snapshot' } });

    const list = await putList(ports.entries, site, { generation: 2, number: 0, bytes: good });
    assert.equal((await worker.receive(list)).outcome, 'listed');
    const { generations, published, repair } = await volume();
    const next = generations['2'];
    assert.equal(next?.base?.phase, 'ready');
    assert.equal(published, 1);
    // Whatever it wrote over its own list's first range before the seal is asked for; the second one is as it should be.
    assert(
      repair === undefined ||
        repair.ranges.every(({ offset, lengthBytes }) => offset === 0 && lengthBytes === RANGE_BYTES),
    );

    const base = await ports.replicas.read(next.replica, { offset: 0, lengthBytes: VOLUME_BYTES });
    assert.equal(baseDigestOf(site.id, 2, base), next.tip.digest);
    const model = new SiteFixture({ volume: site.ref, generation: 2, account: account.name }, [
      { number: 0, digest: next.tip.digest, bytes: base },
    ]);
    // Before all that differs was set, nothing of it would be offered.
    const first = model.next({ extents: [{ offset: 0, bytes: good.slice(0, RANGE_BYTES) }], marker: 'new' });
    assert.equal((await worker.receive(await model.put(ports.entries, first))).outcome, 'applied');
    assert.equal((await volume()).published, 2);
    end.abort();
    await going;
    const refused = await send(url, putPages(0, Buffer.alloc(512, 1)));
    assert([403, 404].includes(refused), `after the end: answered ${refused}`);
    assert(statuses.has(201), 'it never wrote anything');
    assert.equal(await replicaProblem(ports.replicas, model, { number: 1 }), undefined);
    const { snapshot = '' } = (await volume()).generations['2']?.snapshots[0] ?? {};
    assert.equal(await replicaProblem(ports.replicas, model, { number: 1, snapshot }), undefined);
    assert.equal(await replicaProblem(ports.replicas, site, { number: 1, snapshot: old.snapshot }), undefined);
    assert.equal(await account.blobs.getContainerClient(uploadPlace(site.id, next).container).exists(), false);
  });

  for (const [what, attempt] of [
    [
      'block blob',
      { what: 'overwrite', method: 'PUT', headers: { 'x-ms-blob-type': 'BlockBlob' }, body: Buffer.from('junk') },
    ],
    [
      'smaller page blob',
      {
        what: 'overwrite',
        method: 'PUT',
        headers: { 'x-ms-blob-type': 'PageBlob', 'x-ms-blob-content-length': '512' },
      },
    ],
  ] satisfies [string, Attempt][]) {
    test(`makes a ${what} of it: the next generation begins from zeros, and the old one stays offered`, async () => {
      const { site, worker, url, volume, ports } = await opened();
      const status = await send(url, attempt);
      assert.equal(status, 201, `${UPLOAD_BLOB}: answered ${status}`);
      const list = await putList(ports.entries, site, { generation: 2, number: 0, bytes: content() });
      await worker.receive(list);
      const { current, published, generations } = await volume();
      assert.deepEqual([current, published], [3, 1]);
      assert.equal(generations['3']?.base, undefined);
      assert.equal(await replicaProblem(ports.replicas, site, { number: 1 }), undefined);
    });
  }
});
