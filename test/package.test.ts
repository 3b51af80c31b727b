/**
 * What `npm run package` writes: a folder that a plain Node 24 loads, with every function, within the time that the
 * platform's cold start leaves, and without the clients of Azure Resource Manager until a failover asks for them.
 */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { BlobServiceClient } from '@azure/storage-blob';
import { z } from 'zod';
import { packageApp } from '../scripts/package.ts';
import type { PackagedApp } from '../scripts/package.ts';
import { CONTAINERS, QUEUES } from '../src/kernel/names.ts';
import { startAzurite } from './support/azurite.ts';
import { loadApp, loadEnvironment } from './support/package/run.ts';

const folder = await mkdtemp(join(tmpdir(), 'leeward-package-'));
after(() => rm(folder, { recursive: true, force: true }));

/** How long loading and registering may take: the issue that founded the project names the figure. */
const LOAD_LIMIT_MS = 500;
const LOADS = 5;

/** Packages of the clients of Azure Resource Manager among the sources of the files that were loaded. */
function armClients(app: PackagedApp, appFolder: string, loaded: readonly string[]): string[] {
  const files = loaded.filter((url) => url.startsWith('file:')).map((url) => fileURLToPath(url));
  const sources = [...app.inputs].flatMap(([file, inputs]) => (files.includes(join(appFolder, file)) ? inputs : []));
  const packages = sources.map((source) => /node_modules\/(@azure\/arm-[^/]+)/.exec(source)?.[1]);
  return [...new Set(packages.filter((name) => name !== undefined))];
}

/** Whether any file of the package has an ARM client: without one, not loading it proves nothing. */
function hasArmClient(app: PackagedApp): boolean {
  return [...app.inputs.values()].flat().some((source) => source.includes('node_modules/@azure/arm-'));
}

describe('the check itself', () => {
  test('an ARM client that the entry point imports is found', async () => {
    const heavy = join(folder, 'heavy');
    const app = await packageApp(heavy, 'test/support/package/heavy-entry.ts');
    const { loadedAtStart } = await loadApp(join(heavy, 'main.js'));
    assert.deepEqual(armClients(app, heavy, loadedAtStart), ['@azure/arm-compute']);
  });

  test('an ARM client that a call loads is found after it, and not before', async () => {
    const light = join(folder, 'light');
    const app = await packageApp(light, 'test/support/package/light-entry.ts');
    const call = (message: string) => loadApp(join(light, 'main.js'), { call: { name: 'light', message } });
    const [idle, called] = await Promise.all([call('light'), call('heavy')]);
    assert.deepEqual([idle.outcome, called.outcome], ['returned', 'returned']);
    assert.deepEqual(armClients(app, light, idle.loaded), []);
    assert.deepEqual(armClients(app, light, called.loadedAtStart), []);
    assert.deepEqual(armClients(app, light, called.loaded), ['@azure/arm-compute']);
  });
});

describe('the package', () => {
  const appFolder = join(folder, 'app');
  const main = join(appFolder, 'main.js');
  let app: PackagedApp;
  before(async () => {
    app = await packageApp(appFolder);
  });

  test('holds code, source maps, host.json and package.json, and nothing else', async () => {
    const files = (await readdir(appFolder, { recursive: true, withFileTypes: true })).filter((entry) =>
      entry.isFile(),
    );
    const others = files.map(({ name }) => name).filter((name) => !/\.js(?:\.map)?$/.test(name));
    assert.deepEqual(others.sort(), ['host.json', 'package.json']);
    const manifest: unknown = JSON.parse(await readFile(join(appFolder, 'package.json'), 'utf8'));
    const { type, main: entry } = z.looseObject({ type: z.string(), main: z.string() }).parse(manifest);
    assert.deepEqual({ type, entry }, { type: 'module', entry: 'main.js' });
    assert.ok(!JSON.stringify(manifest).includes('ependencies'), 'everything is bundled');
  });

  test(`registers every function in under ${LOAD_LIMIT_MS} ms, with no ARM client loaded`, async (context) => {
    const environment = loadEnvironment();
    const fromSource = await loadApp(join(import.meta.dirname, '../functions/main.ts'), { environment });
    const times: number[] = [];
    for (let load = 0; load < LOADS; load += 1) {
      const { loadMs, functions, loadedAtStart } = await loadApp(main, { environment });
      times.push(loadMs);
      assert.deepEqual(
        functions.map(({ name }) => name),
        fromSource.functions.map(({ name }) => name),
      );
      assert.ok(functions.length > 0, 'nothing was registered');
      assert.deepEqual(armClients(app, appFolder, loadedAtStart), []);
    }
    assert.ok(hasArmClient(app), 'no ARM client in the package: this check would prove nothing');
    const medianMs = times.sort((a, b) => a - b)[Math.floor(LOADS / 2)] ?? Infinity;
    context.diagnostic(
      `loads: ${times.map((ms) => ms.toFixed(0)).join(', ')} ms; ${Math.ceil(app.sizeBytes / 1024)} KiB`,
    );
    assert.ok(medianMs < LOAD_LIMIT_MS, `median of ${LOADS} loads: ${medianMs.toFixed(0)} ms`);
  });

  test('ingest works on a message without an ARM client', async () => {
    const azurite = await startAzurite();
    try {
      const environment = loadEnvironment(azurite.connectionString);
      const { functions } = await loadApp(main, { environment });
      const ingest = functions.find(({ bindings }) =>
        Object.values(bindings).some(
          ({ type, queueName: queue }) => type === 'queueTrigger' && queue === QUEUES.deltas,
        ),
      );
      assert.ok(ingest, `no function listens on ${QUEUES.deltas}`);
      const blobs = BlobServiceClient.fromConnectionString(azurite.connectionString);
      for (const container of Object.values(CONTAINERS)) await blobs.createContainer(container);
      const answer = await loadApp(main, { environment, call: { name: ingest.name, message: 'no envelope at all' } });
      assert.equal(answer.outcome, 'returned');
      const aside = await blobs.getContainerClient(CONTAINERS.aside).listBlobsFlat().next();
      assert.ok(aside.done !== true, 'the message was not set aside');
      assert.deepEqual(armClients(app, appFolder, answer.loaded), []);
    } finally {
      await azurite.stop();
    }
  });
});
