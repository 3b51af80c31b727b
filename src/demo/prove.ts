/**
 * The last act: everything that the demo claims is looked at where it lies, and each claim is true or false.
 *
 * Invariant: what is compared with was kept at the site, at the last recovery point or at the failure; nothing that the
 * cloud says of itself is taken for a proof.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { currentGeneration, volumeKind } from '../documents/volume.ts';
import { isLeewardError } from '../kernel/errors.ts';
import { volumeId } from '../kernel/ids.ts';
import { documents as names, journalPrefix } from '../kernel/names.ts';
import { openVolumeSource } from '../system/volume-source.ts';
import { DATABASE, DATABASE_FILES, examine } from './database.ts';
import type { FailedOver } from './fail.ts';
import { APPLICATION_FOLDER } from './file-system.ts';
import { openRecoveredDisk } from './recovered-disk.ts';
import type { RecoveredDisk } from './recovered-disk.ts';
import { compareReplica, populatedBytes } from './replica.ts';
import type { Replicated } from './replicate.ts';
import type { DemoReport, Proofs } from './report.ts';
import { showBytes } from './show.ts';
import type { Stage } from './stage.ts';
import { tallyRequests } from './tally.ts';

/** How long the report's URL can be read. */
const URL_MS = 12 * 3_600_000;

/** Looks at everything, and reports. */
export async function prove(
  stage: Stage,
  { replicated, failedOver }: { replicated: Replicated; failedOver: FailedOver },
): Promise<Omit<DemoReport, 'stack'>> {
  const { clock, facts, progress, ref, storage, volume } = stage;
  const { value: document } = await storage.documents.need(volumeKind, names.volume(ref));
  const generation = currentGeneration(document);
  const replica = await replicaBeside(stage, replicated.keptPath, generation.replica);
  progress.line(
    replica.differsAt === undefined
      ? `every byte of the replica is the volume's: ${showBytes(replica.dataBytes)}, sha256 ${replica.sha256}`
      : `the replica differs from the volume at byte ${replica.differsAt}`,
  );
  for (const problem of replica.problems) progress.line(`the replica is no fixed VHD of the volume: ${problem}`);

  const disk = await openRecoveredDisk(failedOver.run, {
    replicas: storage.replicas,
    folder: join(stage.folder, 'disk'),
  });
  progress.line(`booted: ${disk.booted}`);
  const diskHash = await disk.sha256(replica.dataBytes);
  progress.line(`the machine's disk has sha256 ${diskHash}, read ${disk.readFrom}`);
  const content = await readBack(stage, disk, { replicated, failedOver });

  const proofs: Proofs = {
    failedOverByItself: failedOver.run.actor.kind === 'function' && failedOver.run.actor.name === 'monitor',
    leaseOverBeforeTermEnded: failedOver.leaseUntilWallMs <= failedOver.termEndedWallMs,
    ...(replicated.application && {
      applicationGoneBeforeTermEnded:
        failedOver.applicationGoneWallMs !== undefined &&
        failedOver.applicationGoneWallMs <= failedOver.termEndedWallMs,
    }),
    unchangedIntervalSentNothing: replicated.unchanged.deltas === 0 && replicated.unchanged.sentBytes === 0,
    replicaIsFixedVhd: replica.problems.length === 0,
    replicaEqualsVolume: replica.differsAt === undefined,
    diskEqualsReplica: diskHash === replica.sha256,
    ...content?.proofs,
  };
  const url = await storage.access.readUrl(generation.replica, clock.wallMs() + URL_MS);
  const { intervals } = replicated;
  const [journal, replicaPages] = [await journalBytes(stage, generation), await populatedBytes(url)];
  return {
    proved: Object.values(proofs).every((proof) => proof === true),
    proofs,
    machine: { kind: disk.kind, booted: disk.booted, readFrom: disk.readFrom },
    replicas: [{ volume: volumeId(ref), sizeBytes: replica.dataBytes, url, sha256: replica.sha256 }],
    bytes: {
      read: intervals.reduce((sum, { readBytes }) => sum + readBytes, 0),
      sent: intervals.at(-1)?.sentBytes ?? 0,
      stored: journal + replicaPages,
      journal,
      replicaPages,
    },
    deltas: intervals.reduce((sum, { numbers }) => sum + numbers.length, 0),
    intervals: intervals.length,
    requests: await tallyRequests(facts.stateDir, ref, {
      sinceMs: replicated.beganWallMs,
      untilMs: failedOver.endedWallMs,
    }),
    rpoSeconds: (failedOver.failureWallMs - Math.min(...failedOver.run.volumes.map((point) => point.takenAtMs))) / 1000,
    rtoSeconds: failedOver.rtoSeconds,
    rtoParts: failedOver.parts,
    application: replicated.application
      ? {
          how: replicated.application.how,
          rowsAtPoint: replicated.application.atPoint.rows,
          rowsLost:
            failedOver.rowsInTheEnd === undefined
              ? null
              : failedOver.rowsInTheEnd - replicated.application.atPoint.rows,
          lastFile: content?.lastFile ?? null,
        }
      : null,
    volume: { path: volume.path, sizeBytes: volume.sizeBytes, content: volume.content },
  };
}

async function replicaBeside({ signal, storage }: Stage, path: string, place: Parameters<typeof compareReplica>[1]) {
  const source = await openVolumeSource(path);
  try {
    return await compareReplica(storage.replicas, place, { volume: source, signal });
  } finally {
    await source.close();
  }
}

interface ReadBack {
  readonly proofs: Partial<Proofs>;
  readonly lastFile: { readonly name: string; readonly text: string } | null;
}

/** Files and database of the machine's disk; undefined for a volume whose content the demo does not know. */
async function readBack(
  stage: Stage,
  disk: RecoveredDisk,
  { replicated, failedOver }: { replicated: Replicated; failedOver: FailedOver },
): Promise<ReadBack | undefined> {
  const { own } = stage.volume;
  if (!own || !replicated.application) return undefined;
  const { atPoint } = replicated.application;
  const { progress } = stage;

  const name = failedOver.lastFile?.name ?? '';
  const text = textOf(await fileOrNone(disk, `${APPLICATION_FOLDER}/${name}`));
  progress.line(`${name}, the last file before the failure, says there: ${text?.trim() ?? 'nothing, it is missing'}`);

  let equal = 0;
  for (const path of own.sample) {
    const found = await fileOrNone(disk, path);
    if (found && Buffer.compare(found, await readFile(join(own.from, path))) === 0) equal += 1;
  }
  progress.line(`${equal} of ${own.sample.length} files read back are equal, such as ${own.sample[0] ?? ''}`);

  const folder = join(stage.folder, 'database');
  await mkdir(folder);
  for (const file of DATABASE_FILES) {
    const bytes = await fileOrNone(disk, `${APPLICATION_FOLDER}/${file}`);
    if (bytes) await writeFile(join(folder, file), bytes);
  }
  const { integrity, rows } = examine(join(folder, DATABASE));
  progress.line(`the database there: integrity check "${integrity}", ${rows} rows; ${atPoint.rows} at the last point`);
  return {
    proofs: {
      lastFileReadBack: text !== undefined && text === failedOver.lastFile?.text,
      filesReadBack: equal === own.sample.length && equal > 0,
      databaseIntact: integrity === 'ok',
      databaseComplete: rows === atPoint.rows && rows > 0,
    },
    lastFile: text === undefined ? null : { name, text },
  };
}

async function fileOrNone(disk: RecoveredDisk, path: string): Promise<Uint8Array | undefined> {
  try {
    return await disk.file(path);
  } catch (error) {
    if (isLeewardError(error, 'NOT_FOUND')) return undefined;
    throw error;
  }
}

function textOf(bytes: Uint8Array | undefined): string | undefined {
  return bytes && Buffer.from(bytes).toString('utf8');
}

async function journalBytes(
  { ref, storage }: Stage,
  generation: ReturnType<typeof currentGeneration>,
): Promise<number> {
  let sum = 0;
  const prefix = journalPrefix(ref, generation.generation);
  for await (const { sizeBytes } of storage.entries.list(generation.journal, prefix)) sum += sizeBytes;
  return sum;
}
