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
import { systemTool } from '../../src/demo/tools.ts';
import { downStack, readFunctionKeys, statusOfStack } from '../../src/local/stack/stack.ts';
import { machineryHere } from '../local/machines/machinery.ts';
import { needs } from '../support/tools.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const MIB = 1024 * 1024;

/** Volumes of the user's own. */
const [ODD, RAGGED, EMPTY, EXT4] = [
  'random bytes, 7 MiB',
  'random bytes of no round number',
  'an empty volume, all zeros',
  'an ext4 file system',
] as const;

/** What other programs rely on: docs/cli.md, "The demo". */
const reportSchema = z.object({
  scenario: z.enum(['power-cut', 'partition']),
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
    .object({
      rowsAtPoint: z.int().positive(),
      rowsLost: z.int().positive(),
      lastFile: z.object({ text: z.string() }),
      writes: z.object({ betweenSeconds: z.number().min(0).nullable() }).nullable(),
    })
    .nullable(),
  alert: z.string().nullable(),
  explanation: z.array(z.string()).min(1),
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

/** Names of all fields of a report, as docs/cli.md has them; kinds of requests are data. */
function fieldsOf(value: unknown, name = ''): string[] {
  if (Array.isArray(value)) return fieldsOf(value[0], `${name}[]`);
  if (typeof value !== 'object' || value === null || name === 'requests.forDeltas') return [name];
  return Object.entries(value).flatMap(([key, part]) => fieldsOf(part, name === '' ? key : `${name}.${key}`));
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

/** A state folder for the suite that calls this, and the folders of demos that are left in it. */
function stateFolder(): { readonly state: () => string; readonly leftovers: () => Promise<string[]> } {
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
  return { state: () => state, leftovers };
}

// Side by side: most of a demo is the wait for a silence and for leases.
describe('leeward demo', { concurrency: true }, () => {
  describe('with a volume of its own', { concurrency: 1 }, () => {
    const { state, leftovers } = stateFolder();

    test('proves the whole path with a volume and an application of its own, and leaves nothing behind', async () => {
      const report = await demo(['--state', state(), 'demo']);
      assert.equal(report.scenario, 'power-cut');
      assert.equal(report.machine.kind, (await machineryHere()).kind);
      assert.equal(report.replicas[0].volume, 'demo/site/shop/disk');
      assert.match(report.application?.lastFile.text ?? '', /^note \d+ of demo-/);
      for (const proof of [
        'agentAloneStoppedNothing',
        'databaseComplete',
        'lastFileReadBack',
        'applicationGoneBeforeTermEnded',
      ]) {
        assert.equal(report.proofs[proof], true, proof);
      }
      assert(report.bytes.sent < report.bytes.read);
      assert.match(report.alert ?? '', /the lease was renewed/);
      assert.match(report.explanation.join(' '), /Replayed from its history, the decision is the same/);
      const documented = await readFile(join(ROOT, 'docs', 'cli.md'), 'utf8');
      const fields = fieldsOf(JSON.parse(report.stdout));
      assert.deepEqual(
        fields.filter((field) => !documented.includes(`| \`${field}\` `)),
        [],
        'docs/cli.md misses fields of the report',
      );
      assert.deepEqual(await leftovers(), []);
    });

    test('a cut in place of a death, nothing mounted: the last write at the site, the first in the cloud, and standby', async () => {
      const report = await demo(['--state', state(), 'demo', '--scenario', 'partition', '--no-mount']);
      assert.equal(report.scenario, 'partition');
      assert.match(report.stderr, /through debugfs/);
      assert.equal(report.proofs['databaseComplete'], true);
      assert.equal(report.proofs['siteStaysOnStandby'], true);
      const boots = report.machine.kind === 'qemu';
      assert.equal(report.proofs['lastWriteBeforeFirstInCloud'], boots ? true : undefined);
      assert.equal(typeof report.application?.writes?.betweenSeconds, boots ? 'number' : 'object');
      assert.deepEqual(await leftovers(), []);
    });

    test('says what it expects of nonsense, before it makes anything', async () => {
      const missing = await leeward(['--state', state(), 'demo', '--volume', join(state(), 'nowhere')]);
      assert.equal(missing.code, 2);
      assert.match(missing.stderr, /nowhere: neither|nowhere cannot be opened/);
      const alone = await leeward(['--state', state(), 'demo', '--functions', 'http://127.0.0.1:9']);
      assert.equal(alone.code, 2);
      assert.match(alone.stderr, /--functions and --key belong together/);
    });
  });

  describe('with volumes of the user', { concurrency: 1 }, () => {
    const { state } = stateFolder();
    /** What qemu-img compares: each has a replica once the demo ran with it. */
    const volumes: Record<string, { path: string; sizeBytes: number; url?: string }> = {};
    let kept: Report | undefined;
    /** Runs the demo with one of them, which must stay as it is; gives the demo's report. */
    const protect = async (
      name: string,
      stateFolder: string,
      options: readonly string[],
      environment: Record<string, string> = {},
    ): Promise<Report & Ran> => {
      const volume = volumes[name];
      assert(volume);
      const content = await readFile(volume.path);
      const report = await demo(['--state', stateFolder, 'demo', '--volume', volume.path, ...options], environment);
      const [{ sha256, sizeBytes, url }] = report.replicas;
      assert.equal(sizeBytes, volume.sizeBytes);
      assert.equal(sha256, paddedHash(content));
      assert.deepEqual(await readFile(volume.path), content, 'the volume was written to');
      volume.url = url;
      return report;
    };

    before(async () => {
      const make = async (name: string, sizeBytes: number, content: Uint8Array): Promise<string> => {
        const path = join(state(), `${name}.img`);
        volumes[name] = { path, sizeBytes };
        await writeFile(path, content);
        return path;
      };
      await make(ODD, 7 * MIB, randomBytes(7 * MIB));
      await make(RAGGED, 4 * MIB, randomBytes(3 * MIB + 12_345));
      await truncate(await make(EMPTY, 5 * MIB, Buffer.alloc(0)), 5 * MIB);
      const ext4 = await make(EXT4, 12 * MIB, Buffer.alloc(0));
      await systemTool('mke2fs', ['-q', '-F', '-t', 'ext4', '-d', join(ROOT, 'docs'), ext4, '12M']);
    });

    test(`${ODD}, where nothing boots, and the stack is kept when asked to`, async () => {
      // A PATH without QEMU; other tools are found where the system keeps them.
      const bin = join(state(), 'bin');
      await mkdir(bin);
      for (const tool of ['cp', 'sleep']) await symlink(`/bin/${tool}`, join(bin, tool));
      const report = await protect(ODD, state(), ['--keep'], { PATH: bin });
      assert.equal(report.machine.kind, 'simulated');
      assert.match(report.machine.booted, /^nothing: .*simulated.*because/);
      assert.match(report.stderr, /machines are only simulated/);
      const answer = await fetch(report.replicas[0].url);
      assert.equal(answer.status, 200);
      assert.equal((await answer.arrayBuffer()).byteLength, 7 * MIB + 512);
      kept = report;
    });

    describe('against functions that run elsewhere, all at once', { concurrency: true }, () => {
      const options = async (): Promise<string[]> => {
        assert(kept);
        const running = await statusOfStack(join(kept.stack.state, 'local'));
        assert(running);
        const { functions: key } = await readFunctionKeys(running.facts);
        return ['--functions', kept.stack.functionsUrl, '--key', key];
      };
      for (const name of [RAGGED, EMPTY, EXT4]) {
        test(name, async () => {
          const given = await options();
          const report = await protect(name, kept?.stack.state ?? '', given);
          assert.equal(report.stack.kept, true);
        });
      }
      test('and a wrong key is told', async () => {
        const given = await options();
        const args = ['demo', '--volume', volumes[EMPTY]?.path ?? '', ...given.slice(0, -1), 'wrong'];
        const { code, stderr } = await leeward(['--state', kept?.stack.state ?? '', ...args]);
        assert.equal(code, 2);
        assert.match(stderr, /--key a key of it/);
      });
    });

    for (const name of [ODD, RAGGED, EMPTY, EXT4]) {
      test(`qemu-img finds volume and replica identical: ${name}`, needs('qemu-img'), async () => {
        const { path = '', url } = volumes[name] ?? {};
        assert(url !== undefined, 'the demo with it failed');
        await compareByQemu(path, url);
      });
    }

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
});
