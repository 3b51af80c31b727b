/**
 * A part: the bare loop over the storage SDK. It stages the given files as block blobs, reads them back, and writes the
 * given ranges of an image as pages, each with eight requests in flight. There is nothing here to make any of it slow,
 * and nothing that makes it safe. With `passes`, one zstd pass and one hash pass over the image's data are added up beside.
 */
import { open, readFile } from 'node:fs/promises';
import { BlobServiceClient } from '@azure/storage-blob';
import { z } from 'zod';
import { readPrivateFile } from '../../src/system/private-file.ts';
import { fewAtOnce } from '../../src/kernel/few-at-once.ts';
import { compressAndHash } from './corpus.ts';
import { partArgument, partResult, spending } from './part.ts';

const REQUESTS_AT_ONCE = 8;

const argument = partArgument(
  z.object({
    connectionStringFile: z.string(),
    container: z.string(),
    image: z.string(),
    staged: z.array(z.string()),
    ranges: z.array(z.object({ offset: z.number(), lengthBytes: z.number() })),
    passes: z.boolean(),
  }),
);
const { image, passes, ranges, staged } = argument;
const service = BlobServiceClient.fromConnectionString(await readPrivateFile(argument.connectionStringFile));
const container = service.getContainerClient(argument.container);
await container.createIfNotExists();
const file = await open(image, 'r');
const { size } = await file.stat();

const spent = await spending(async () => {
  const names = staged.map((path, index) => ({ path, blob: container.getBlockBlobClient(`staged/${index}`) }));
  await fewAtOnce(REQUESTS_AT_ONCE, names, async ({ path, blob }) => {
    const bytes = await readFile(path);
    await blob.upload(bytes, bytes.length);
  });
  await fewAtOnce(REQUESTS_AT_ONCE, names, async ({ blob }) => {
    await blob.downloadToBuffer();
  });
  const pages = container.getPageBlobClient('pages');
  await pages.create(size);
  await fewAtOnce(REQUESTS_AT_ONCE, ranges, async ({ offset, lengthBytes }) => {
    const { buffer } = await file.read(Buffer.allocUnsafe(lengthBytes), 0, lengthBytes, offset);
    await pages.uploadPages(buffer, offset, lengthBytes);
  });
});
await file.close();
const passed = passes ? await spending(async () => compressAndHash(image)) : undefined;
partResult({ ...spent, passesCpuSeconds: passed?.cpuSeconds ?? 0 });
