/**
 * A copy whose status Azure has dropped. Azurite keeps it, so the answers here are those that Azure documents ("Get Blob
 * Properties": x-ms-copy-status is missing of a blob that Set Blob Properties modified after its copy).
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StorageAccounts, openAccount } from '../../src/azure/clients.ts';
import { PageBlobReplicas } from '../../src/azure/replica-store.ts';
import { failsWith } from '../support/fails-with.ts';
import { answering } from '../support/answering.ts';

const FROM = {
  account: 'devstoreaccount1',
  container: 'replicas',
  blob: 'from.vhd',
  snapshot: '2026-01-01T00:00:00.0000000Z',
};
const TO = { account: 'devstoreaccount1', container: 'replicas', blob: 'to.vhd' };

for (const [status, expected] of [
  [undefined, 'done'],
  ['success', 'done'],
  ['pending', 'copying'],
] as const) {
  test(`a target that exists, with the status ${status ?? 'that was dropped'}, is ${expected}`, async () => {
    assert.equal(await copied(status), expected);
  });
}

for (const status of ['failed', 'aborted']) {
  test(`a target whose copy ${status} is no copy`, async () => {
    await assert.rejects(copied(status), failsWith('PLATFORM_FAILED'));
  });
}

/** What the adapter says when the copy cannot be begun, because the target exists, and looks so. */
async function copied(status: string | undefined): Promise<'copying' | 'done'> {
  const server = await answering((request) =>
    request.method === 'PUT'
      ? { status: 409, headers: { 'x-ms-error-code': 'BlobAlreadyExists' } }
      : {
          status: 200,
          headers: {
            etag: '"1"',
            'content-length': '512',
            'x-ms-blob-type': 'PageBlob',
            'x-ms-blob-sequence-number': '4294967296',
            ...(status !== undefined && { 'x-ms-copy-status': status }),
          },
        },
  );
  try {
    const key = Buffer.alloc(32, 1).toString('base64');
    const endpoint = `${server.url}/${TO.account}`;
    const connectionString = `DefaultEndpointsProtocol=http;AccountName=${TO.account};AccountKey=${key};BlobEndpoint=${endpoint};QueueEndpoint=${endpoint};`;
    return await new PageBlobReplicas(new StorageAccounts(openAccount({ connectionString }))).copySnapshot(FROM, TO);
  } finally {
    await server.close();
  }
}
