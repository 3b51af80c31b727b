/** The host runs what is deployed, too: bundled apps, with their own copy of `@azure/functions` inside. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { build } from 'esbuild';
import { startAzurite } from '../../support/azurite.ts';
import type { Azurite } from '../../support/azurite.ts';
import { fixture, spawnHost } from './host-process.ts';

describe('a bundled app', () => {
  let azurite: Azurite;
  before(async () => {
    azurite = await startAzurite();
  });
  after(async () => {
    await azurite.stop();
  });

  for (const { format, type, banner } of [
    {
      format: 'esm',
      type: 'module',
      banner: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    },
    { format: 'cjs', type: 'commonjs', banner: '' },
  ] as const) {
    test(`runs as ${format}, outside of this repository, with settings from a file`, async () => {
      const folder = await mkdtemp(join(tmpdir(), 'leeward-bundle-'));
      try {
        await build({
          entryPoints: [join(fixture('app'), 'functions/http.ts')],
          outfile: join(folder, 'main.js'),
          bundle: true,
          platform: 'node',
          format,
          banner: { js: banner },
          external: ['@azure/functions-core'],
          logLevel: 'error',
        });
        await writeFile(join(folder, 'package.json'), JSON.stringify({ type, main: 'main.js' }));
        await writeFile(join(folder, 'host.json'), JSON.stringify({ version: '2.0' }));
        const settings = join(folder, 'local.settings.json');
        const values = { AzureWebJobsStorage: azurite.connectionString };
        await writeFile(settings, JSON.stringify({ IsEncrypted: false, Values: values }));
        const host = await spawnHost(folder, {}, ['--settings', settings]);
        try {
          const url = await host.ready();
          assert.equal(await (await fetch(`${url}/api/things/fixed`)).text(), 'fixed');
        } finally {
          await host.dispose();
        }
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    });
  }
});
