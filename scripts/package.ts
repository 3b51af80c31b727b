/**
 * `npm run package`: puts the deployable function app into dist/app, which holds the bundled code, host.json and a
 * package.json of its own, and nothing else.
 *
 * What must hold: the entry point stays small. The code is split at every dynamic import, so that what only a failover
 * needs (the clients of Azure Resource Manager) lies in chunks of its own that are loaded when they are asked for.
 * Names are kept as they are written, so that a stack trace can be read without the source maps.
 */
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { build } from 'esbuild';
import { z } from 'zod';

const ROOT = join(import.meta.dirname, '..');

const packageJson = z.object({ name: z.string(), version: z.string(), description: z.string(), license: z.string() });

/**
 * Bundled CommonJS code calls require(), which an ES module has only if it makes one. The import bears a name of its
 * own, since bundled code imports createRequire too.
 */
export const REQUIRE =
  "import { createRequire as createBundleRequire } from 'node:module';\n" +
  'const require = createBundleRequire(import.meta.url);';

/** What was written. */
export interface PackagedApp {
  /** Source files that each output file is made of, by its path in the folder, with `/`. */
  readonly inputs: ReadonlyMap<string, readonly string[]>;
  readonly sizeBytes: number;
}

/**
 * Writes the app into `folder`, which is emptied first. `entry` is given only where the check of a package is itself
 * tested. Throws what esbuild or the file system throw.
 */
export async function packageApp(folder: string, entry = 'functions/main.ts'): Promise<PackagedApp> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: { main: entry },
    outdir: folder,
    bundle: true,
    splitting: true,
    chunkNames: 'chunks/[name]-[hash]',
    format: 'esm',
    platform: 'node',
    target: 'node24',
    // Azure's worker supplies it at run time; it is in no registry.
    external: ['@azure/functions-core'],
    banner: { js: REQUIRE },
    sourcemap: true,
    legalComments: 'eof',
    metafile: true,
    logLevel: 'warning',
  });
  const { name, version, description, license } = packageJson.parse(
    JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')),
  );
  const own = { name, version, description, license, private: true, type: 'module', main: 'main.js' };
  await writeFile(
    join(folder, 'package.json'),
    `${JSON.stringify({ ...own, engines: { node: '>=24' } }, undefined, 2)}\n`,
  );
  await copyFile(join(ROOT, 'host.json'), join(folder, 'host.json'));

  const outputs = Object.entries(metafile.outputs);
  return {
    inputs: new Map(
      outputs.map(([path, output]) => [
        relative(folder, join(ROOT, path)).replaceAll('\\', '/'),
        Object.keys(output.inputs),
      ]),
    ),
    sizeBytes: outputs.reduce((sum, [, output]) => sum + output.bytes, 0),
  };
}

if (import.meta.main) {
  const folder = join(ROOT, 'dist/app');
  const { inputs, sizeBytes } = await packageApp(folder);
  process.stderr.write(
    `${relative(process.cwd(), folder)}: ${inputs.size} files, ${Math.ceil(sizeBytes / 1024)} KiB\n`,
  );
}
