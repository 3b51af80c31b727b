/**
 * The failed-over machine's disk, read where it is: by the booted machine's own answers over HTTP, or, where machines are
 * simulated, from the blob that its disk was imported from.
 */
import { mkdir, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { RunDocument } from '../documents/run.ts';
import { LeewardError } from '../kernel/errors.ts';
import { sha256 } from '../kernel/hash.ts';
import type { BlobPlace } from '../kernel/places.ts';
import { MIB } from '../kernel/units.ts';
import { MACHINE_KIND_TAG } from '../local/arm/virtual-machines.ts';
import type { ReplicaStore } from '../ports/replica-store.ts';
import { download } from '../system/download.ts';
import { systemTool } from './tools.ts';

export interface RecoveredDisk {
  readonly kind: 'qemu' | 'simulated';
  /** What booted, or why nothing did. */
  readonly booted: string;
  /** How the disk's content was read, as the end of a sentence. */
  readonly readFrom: string;
  /** SHA-256 of the disk's first `dataBytes`, as it was imported. */
  sha256(dataBytes: number): Promise<string>;
  /** A file of the ext4 file system on the disk. Errors: NOT_FOUND. */
  file(path: string): Promise<Uint8Array>;
}

const healthSchema = z.looseObject({
  kind: z.enum(['qemu', 'simulated']),
  kernel: z.string().optional(),
  note: z.string().optional(),
  disks: z.array(z.looseObject({ lun: z.int(), sizeBytes: z.int().optional(), mounted: z.boolean() })),
});

const ASK_MS = 60_000;
/** An emulated processor hashes at least this much in a millisecond. */
const HASH_BYTES_PER_MS = 2048;
const FILE_BYTES_MAX = 64 * MIB;
const PIECE_BYTES = 4 * MIB;
const LUN = 0;

/** The disk of the run's only machine. `folder` takes what has to be copied to be read. */
export async function openRecoveredDisk(
  run: RunDocument,
  of: { replicas: ReplicaStore; folder: string },
): Promise<RecoveredDisk> {
  const [machine] = run.machines;
  const [volume] = run.volumes;
  if (!machine || !volume) throw new LeewardError('PLATFORM_FAILED', `run ${run.run} names no machine and no volume`);
  const ask = (path: string, what: string, timeoutMs = ASK_MS): Promise<Uint8Array> =>
    download({ url: new URL(path, machine.healthUrl).href, timeoutMs, bytesMax: FILE_BYTES_MAX, what });
  const health = healthSchema.parse(JSON.parse(textOf(await ask('/health', "the machine's health"))));
  if (machine.tags[MACHINE_KIND_TAG] !== health.kind) {
    throw new LeewardError(
      'PLATFORM_FAILED',
      `machine ${machine.name} says that it is "${health.kind}", its tag says "${machine.tags[MACHINE_KIND_TAG] ?? 'nothing'}"`,
    );
  }
  if (health.kind === 'simulated') {
    const booted = health.note ?? 'this machine is simulated and no operating system boots';
    return await importedBlob(volume.copy, { ...of, booted });
  }
  const disk = health.disks.find((candidate) => candidate.lun === LUN);
  const state = disk?.mounted === true ? 'mounted' : 'raw';
  return {
    kind: 'qemu',
    booted: `QEMU, Linux ${health.kernel ?? 'of unknown version'}, at ${machine.address}; the replica is its disk ${LUN}, ${state}`,
    readFrom: 'by the running machine itself, which answers over HTTP',
    sha256: async (dataBytes) => {
      const timeoutMs = ASK_MS + dataBytes / HASH_BYTES_PER_MS;
      return textOf(
        await ask(`/cgi-bin/sha256/lun${LUN}?bytes=${dataBytes}`, "the hash of the machine's disk", timeoutMs),
      );
    },
    file: (path) => ask(`/files/lun${LUN}/${encodeURI(path)}`, `file ${path} of the machine's disk`),
  };
}

/** A copy of the imported blob, read through debugfs. */
async function importedBlob(
  place: BlobPlace,
  of: { replicas: ReplicaStore; folder: string; booted: string },
): Promise<RecoveredDisk> {
  await mkdir(of.folder, { recursive: true });
  const image = join(of.folder, 'imported.img');
  let files = 0;
  let copied = 0;
  return {
    kind: 'simulated',
    booted: `nothing: ${of.booted}`,
    readFrom: "from the blob that the simulated machine's disk was imported from",
    sha256: async (dataBytes) => {
      const hash = sha256();
      const handle = await open(image, 'w');
      try {
        await handle.truncate(dataBytes);
        for (let offset = 0; offset < dataBytes; offset += PIECE_BYTES) {
          const lengthBytes = Math.min(PIECE_BYTES, dataBytes - offset);
          const piece = await of.replicas.read(place, { offset, lengthBytes });
          hash.update(piece);
          if (piece.some((byte) => byte !== 0)) await handle.write(piece, 0, lengthBytes, offset);
        }
      } finally {
        await handle.close();
      }
      copied = dataBytes;
      return hash.hex();
    },
    file: async (path) => {
      if (copied === 0) throw new LeewardError('REFUSED', 'the imported blob was not read yet');
      const to = join(of.folder, `file-${(files += 1)}`);
      await systemTool('debugfs', ['-R', `dump "/${path}" "${to}"`, image]);
      try {
        return await readFile(to);
      } catch (error) {
        throw new LeewardError('NOT_FOUND', `the imported disk has no file ${path}`, { cause: error });
      }
    },
  };
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('utf8').trim();
}
