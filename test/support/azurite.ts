/**
 * A real Azurite for tests: a process of its own, all in memory, on ports that the kernel hands out.
 *
 * Invariants: it is ready when the promise resolves; it dies with `stop()`, and at the latest with the test's process;
 * nothing is left on disk. It runs strict, not `--loose`: an unknown header or parameter is refused as Azure would.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** Name and well-known key of the emulator's account. Source: "Use the Azurite emulator", well-known storage account. */
export const AZURITE_ACCOUNT = 'devstoreaccount1';
export const AZURITE_KEY = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';

/** A running Azurite. */
export interface Azurite {
  /** For `BlobServiceClient.fromConnectionString` and `QueueServiceClient.fromConnectionString`. */
  readonly connectionString: string;
  /** `http://127.0.0.1:PORT/devstoreaccount1` */
  readonly blobUrl: string;
  readonly queueUrl: string;
  /** Ends the process; resolves when it is gone. May be called twice. */
  stop(): Promise<void>;
}

const READY = /Azurite (Blob|Queue) service is successfully listening at (http:\/\/127\.0\.0\.1:\d+)/;
const START_LIMIT_MS = 30_000;

/** Starts Azurite and waits until its blob and queue services listen. Rejects with its last words when it ends first. */
export async function startAzurite(): Promise<Azurite> {
  const script = createRequire(import.meta.url).resolve('azurite/dist/src/azurite.js');
  const folder = await mkdtemp(join(tmpdir(), 'leeward-azurite-'));
  const ports = ['--blobPort', '0', '--queuePort', '0', '--tablePort', '0'];
  const options = ['--skipApiVersionCheck', '--disableTelemetry', '--silent', '--inMemoryPersistence'];
  const child = spawn(process.execPath, [script, ...ports, ...options], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);

  const stop = async (): Promise<void> => {
    process.removeListener('exit', kill);
    if (child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit');
      kill();
      await ended;
    }
    await rm(folder, { recursive: true, force: true });
  };

  try {
    const { Blob: blob, Queue: queue } = await listening(child);
    const blobUrl = `${blob}/${AZURITE_ACCOUNT}`;
    const queueUrl = `${queue}/${AZURITE_ACCOUNT}`;
    const connectionString =
      `DefaultEndpointsProtocol=http;AccountName=${AZURITE_ACCOUNT};AccountKey=${AZURITE_KEY};` +
      `BlobEndpoint=${blobUrl};QueueEndpoint=${queueUrl};`;
    return { connectionString, blobUrl, queueUrl, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function listening(child: ChildProcess & { stdout: NodeJS.ReadableStream }) {
  return await new Promise<{ Blob: string; Queue: string }>((resolve, reject) => {
    const found = { Blob: '', Queue: '' };
    let last = 'it said nothing';
    const limit = setTimeout(() => {
      reject(new Error(`Azurite did not start within ${START_LIMIT_MS} ms: ${last}`));
    }, START_LIMIT_MS);
    child.once('exit', () => {
      clearTimeout(limit);
      reject(new Error(`Azurite ended before it listened: ${last}`));
    });
    createInterface({ input: child.stdout }).on('line', (line) => {
      last = line;
      const [, service, url = ''] = READY.exec(line) ?? [];
      if (service === 'Blob' || service === 'Queue') found[service] = url;
      if (found.Blob === '' || found.Queue === '') return;
      clearTimeout(limit);
      resolve(found);
    });
  });
}
