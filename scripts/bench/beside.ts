/**
 * Other programs that move the same volume, for a feeling of what is usual: each runs once, where it is installed, and no
 * bound hangs on it.
 */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { BlobServiceClient, ContainerSASPermissions } from '@azure/storage-blob';
import { findTool } from '../../src/local/machines/tools.ts';
import { readStorageConnection } from '../../src/local/stack/stack.ts';
import type { LiveStack } from '../../test/support/integration/live-stack.ts';
import type { BenchContext } from './benchmark.ts';

const run = promisify(execFile);
const CONTAINER = 'beside';
const SAS_MS = 3_600_000;

/** The Azure SDK's own way with a large file: pages, eight at once; it leaves out chunks of zeros. */
const PYTHON = `
import os, sys
from azure.storage.blob import BlobServiceClient
service = BlobServiceClient.from_connection_string(os.environ["CONNECTION"])
with open(sys.argv[1], "rb") as data:
    service.get_blob_client("${CONTAINER}", "python").upload_blob(
        data, blob_type="PageBlob", length=os.path.getsize(sys.argv[1]), max_concurrency=8)
`;

/** One line part for each of them, each with its comma; empty where none is installed. */
export async function besideTools(context: BenchContext, stack: LiveStack, image: string): Promise<string> {
  const connection = await readStorageConnection(stack.facts);
  const service = BlobServiceClient.fromConnectionString(connection);
  const container = service.getContainerClient(CONTAINER);
  await container.createIfNotExists();
  const sasUrl = await container.generateSasUrl({
    permissions: ContainerSASPermissions.parse('racwdl'),
    expiresOn: new Date(Date.now() + SAS_MS),
  });
  const folder = join(context.folder, 'beside');
  await mkdir(folder, { recursive: true });
  const runs: { name: string; tool: string; args: string[]; env?: Record<string, string>; first?: string[] }[] = [
    { name: 'Python SDK (pages)', tool: 'python3', args: ['-c', PYTHON, image], env: { CONNECTION: connection } },
    {
      name: 'rclone (block blob)',
      tool: 'rclone',
      args: ['copyto', '--config', '/dev/null', '--retries', '1', image, `:azureblob:${CONTAINER}/rclone`],
      env: { RCLONE_AZUREBLOB_SAS_URL: sasUrl },
    },
    {
      name: 'restic (into a folder)',
      tool: 'restic',
      first: ['-r', join(folder, 'restic'), 'init'],
      args: ['-r', join(folder, 'restic'), '--no-cache', 'backup', '--compression', 'auto', image],
      env: { RESTIC_PASSWORD: randomBytes(16).toString('hex') },
    },
  ];
  let line = '';
  for (const { name, tool, args, env, first } of runs) {
    const path = findTool(tool);
    if (path === undefined) continue;
    const options = { env: { ...process.env, ...env }, maxBuffer: 64 * 1024 * 1024 };
    try {
      if (first) await run(path, first, options);
      const beganMs = performance.now();
      await run(path, args, options);
      line += `; ${name} ${((performance.now() - beganMs) / 1000).toFixed(1)} s`;
    } catch (error) {
      // Python without the SDK, say: nothing hangs on it.
      context.tell(`  ${name}: left out, ${lastLine(error)}`);
    }
  }
  return line;
}

function lastLine(error: unknown): string {
  const said = error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error);
  return (said.trim().split('\n').at(-1) ?? '').replaceAll(/\?[^\s"']*/g, '?…');
}
