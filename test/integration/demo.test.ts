/**
 * The demo as a stranger runs it, for real: with its own volume; where nothing boots and nothing may be mounted; with
 * volumes of the user's own, held against their replicas by a program that knows nothing of Leeward.
 */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, readdir, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { createHash, randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { z } from 'zod';
import { downStack, readFunctionKeys, statusOfStack } from '../../src/local/stack/stack.ts';
import { machineryHere } from '../local/machines/machinery.ts';
import { needs } from '../support/tools.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const MIB = 1024 * 1024;

/** What other programs rely on: docs/cli.md, "demo". */
const reportSchema = z.object({
  proved: z.boolean(),
  proofs: z.record(z.string(), z.boolean()),
  machine: z.object({ kind: z.enum(['qemu', 'simulated']), booted: z.string() }),
  replicas: z.tuple([
    z.object({
      volume: z.string(),
      sizeBytes: z.int().positive(),
      url: z.url(),
      sha256: z.string().regex(/^[0-9a-f]{64}$/),
    }),
  ]),
  bytes: z.object({ read: z.int().positive(), sent: z.int().positive(), stored: z.int().positive() }),
  rpoSeconds: z.number().min(0),
  rtoSeconds: z.number().positive(),
  application: z
    .object({ rowsAtPoint: z.int().positive(), rowsLost: z.int().positive(), lastFile: z.object({ text: z.string() }) })
    .nullable(),
  stack: z.object({ state: z.string(), functionsUrl: z.url(), kept: z.boolean() }),
});
type Report = z.infer<typeof reportSchema>;

interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function leeward(args: readonly string[], environment: Record<string, string> = {}): Promise<Ran> {
  const child = spawn(process.execPath, [join(ROOT, 'src', 'cli', 'main.ts'), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  await once(child, 'close');
  return { code: child.exitCode, stdout, stderr };
}

/** Runs the demo to its end: everything must be proved, and no credential may be in its talk. */
async function demo(args: readonly string[], environment: Record<string, string> = {}): Promise<Report & Ran> {
  const ran = await leeward(['--json', ...args], environment);
  assert.equal(ran.code, 0, ran.stderr);
  assert.doesNotMatch(ran.stderr, /sig=|AccountKey|SharedAccessSignature/i);
  const report = reportSchema.parse(JSON.parse(ran.stdout));
  assert.deepEqual(
    Object.entries(report.proofs).filter(([, proved]) => !proved),
    [],
  );
  assert.equal(report.proved, true);
  return { ...report, ...ran };
}

/** SHA-256 of `content`, zeros added up to whole MiB. */
function paddedHash(content: Uint8Array): string {
  const padding = Buffer.alloc(Math.ceil(content.length / MIB) * MIB - content.length);
  return createHash('sha256').update(content).update(padding).digest('hex');
}

/** Whether qemu-img, which reads the replica as the VHD that it is, finds both the same. Throws if it does not. */
async function compareByQemu(path: string, url: string): Promise<void> {
  const protocol = new URL(url).protocol.replace(':', '');
  const image = `json:${JSON.stringify({ driver: 'vpc', file: { driver: protocol, url } })}`;
  const { stdout } = await promisify(execFile)('qemu-img', ['compare', '-f', 'raw', path, image]);
  assert.match(stdout, /Images are identical/);
}

describe('leeward demo', () => {
  let state = '';
  const leftovers = async (): Promise<string[]> => (await readdir(state)).filter((name) => name.startsWith('demo-'));
  before(async () => {
    state = await mkdtemp(join(tmpdir(), 'leeward-demo-test-'));
    const kernel = process.env['LEEWARD_KERNEL'] ?? join(ROOT, '.leeward', 'kernel');
    if (existsSync(kernel)) await symlink(kernel, join(state, 'kernel'));
  });
  after(async () => {
    for (const name of await leftovers()) await downStack(join(state, name, 'local'));
    await rm(state, { recursive: true, force: true });
  });

  test('proves the whole path with a volume and an application of its own, and leaves nothing behind', async () => {
    const report = await demo(['--state', state, 'demo']);
    assert.equal(report.machine.kind, (await machineryHere()).kind);
    assert.equal(report.replicas[0].volume, 'demo/site/shop/disk');
    assert.match(report.application?.lastFile.text ?? '', /^note \d+ of demo-/);
    for (const proof of ['databaseComplete', 'lastFileReadBack', 'applicationGoneBeforeTermEnded']) {
      assert.equal(report.proofs[proof], true, proof);
    }
    assert(report.bytes.sent < report.bytes.read);
    assert.deepEqual(await leftovers(), []);
  });

  test('where nothing boots and nothing is mounted, it passes too and says what it simulated', async () => {
    // A PATH without QEMU; mke2fs and debugfs are found where the system keeps them.
    const bin = join(state, 'bin');
    await mkdir(bin);
    await symlink('/bin/cp', join(bin, 'cp'));
    const report = await demo(['--state', state, 'demo', '--no-mount'], { PATH: bin });
    assert.equal(report.machine.kind, 'simulated');
    assert.match(report.machine.booted, /^nothing: .*simulated.*because/);
    assert.match(report.stderr, /machines are only simulated/);
    assert.match(report.stderr, /through debugfs/);
    assert.equal(report.proofs['databaseComplete'], true);
    assert.deepEqual(await leftovers(), []);
  });

  describe('with volumes of the user', () => {
    const random = randomBytes(3 * MIB + 12_345);
    let kept: Report | undefined;
    const paths = { random: '', zeros: '' };
    before(async () => {
      paths.random = join(state, 'random.img');
      paths.zeros = join(state, 'zeros.img');
      await writeFile(paths.random, random);
      await writeFile(paths.zeros, '');
      await truncate(paths.zeros, 5 * MIB);
    });

    test('replicates random bytes of an odd length, and keeps the stack when asked to', async () => {
      kept = await demo(['--state', state, 'demo', '--volume', paths.random, '--keep']);
      const [{ sha256, sizeBytes, url }] = kept.replicas;
      assert.equal(sizeBytes, 4 * MIB);
      assert.equal(sha256, paddedHash(random));
      assert.deepEqual(await readFile(paths.random), random, 'the volume was written to');
      const answer = await fetch(url);
      assert.equal(answer.status, 200);
      assert.equal((await answer.arrayBuffer()).byteLength, sizeBytes + 512);
    });

    test('qemu-img finds the replica identical', needs('qemu-img'), async () => {
      assert(kept);
      await compareByQemu(paths.random, kept.replicas[0].url);
    });

    test('against functions that run elsewhere, with an empty volume', async () => {
      assert(kept);
      const { functionsUrl, state: folder } = kept.stack;
      const running = await statusOfStack(join(folder, 'local'));
      assert(running);
      const { functions: key } = await readFunctionKeys(running.facts);
      const args = ['--state', folder, 'demo', '--volume', paths.zeros, '--functions', functionsUrl, '--key'];
      const wrong = await leeward([...args, 'wrong']);
      assert.equal(wrong.code, 2);
      assert.match(wrong.stderr, /--key a key of it/);
      const report = await demo([...args, key]);
      assert.equal(report.replicas[0].sha256, paddedHash(Buffer.alloc(5 * MIB)));
      assert.equal(report.stack.kept, true);
      if (needs('qemu-img').skip === false) await compareByQemu(paths.zeros, report.replicas[0].url);
    });

    test('`local down` ends the stack that was kept', async () => {
      assert(kept);
      const { code } = await leeward(['--state', kept.stack.state, 'local', 'down']);
      assert.equal(code, 0);
      const status = await statusOfStack(join(kept.stack.state, 'local'));
      assert.deepEqual(
        status?.parts.map((part) => part.state),
        ['stopped', 'stopped', 'stopped'],
      );
    });
  });

  test('says what it expects of nonsense, before it makes anything', async () => {
    const missing = await leeward(['--state', state, 'demo', '--volume', join(state, 'nowhere')]);
    assert.equal(missing.code, 2);
    assert.match(missing.stderr, /nowhere: neither|nowhere cannot be opened/);
    const alone = await leeward(['--state', state, 'demo', '--functions', 'http://127.0.0.1:9']);
    assert.equal(alone.code, 2);
    assert.match(alone.stderr, /--functions and --key belong together/);
  });
});
