/**
 * The last act: everything that the demo claims is looked at where it lies, and each claim is true or false.
 *
 * Invariant: what is compared with was kept at the site, at the last recovery point or at the failure; nothing that the
 * cloud says of itself is taken for a proof.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { siteDecisionKind } from '../documents/site-failure.ts';
import { currentGeneration, volumeKind } from '../documents/volume.ts';
import { explain, timeline } from '../health/decide/explain.ts';
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
import type { AgentAlone } from './agent-alone.ts';
import type { LastPoint } from './last-point.ts';
import type { DemoReport, Proofs } from './report.ts';
import { showBytes } from './show.ts';
import type { Interval, Site } from './site.ts';
import type { Stage } from './stage.ts';
import { tallyRequests } from './tally.ts';
import { whoWroteWhen } from './who-wrote-when.ts';
import type { Writes } from './who-wrote-when.ts';
import { describeVolume, folderOf } from './application-volume.ts';

/** How long the report's URL can be read. */
const URL_MS = 12 * 3_600_000;

/** What has happened before. */
export interface Happened {
  readonly site: Site;
  readonly beganWallMs: number;
  /** Of every agent that there was. */
  readonly intervals: readonly (readonly Interval[])[];
  /** Undefined with a volume of the user's own, where that act is left out. */
  readonly agentAlone: AgentAlone | undefined;
  readonly lastPoint: LastPoint;
  readonly failedOver: FailedOver;
  /** Whether the site stayed stopped when it came back; undefined where it never does. */
  readonly isOnStandby: boolean | undefined;
}

/** Looks at everything, and reports. */
export async function prove(stage: Stage, happened: Happened): Promise<Omit<DemoReport, 'stack'>> {
  const { site, agentAlone, lastPoint, failedOver } = happened;
  const { clock, facts, progress, ref, storage, volume } = stage;
  const { value: document } = await storage.documents.need(volumeKind, names.volume(ref));
  const generation = currentGeneration(document);
  const replica = await replicaBeside(stage, lastPoint.keptPath, generation.replica);
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
  const content = await readBack(stage, disk, lastPoint);
  const writes = await whoWroteWhen(site, disk);
  if (writes) progress.line(describeWrites(writes));
  const explanation = await explainFailover(stage, failedOver);

  const proofs: Proofs = {
    failedOverByItself: failedOver.run.actor.kind === 'function' && failedOver.run.actor.name === 'monitor',
    ...(agentAlone && { agentAloneStoppedNothing: agentAlone.nothingElseHappened }),
    applicationGoneBeforeTermEnded:
      failedOver.applicationGoneWallMs !== undefined && failedOver.applicationGoneWallMs <= failedOver.termEndedWallMs,
    ...(writes &&
      writes.firstInCloudWallMs !== null && {
        lastWriteBeforeFirstInCloud: writes.lastAtSiteWallMs <= writes.firstInCloudWallMs,
      }),
    ...(happened.isOnStandby !== undefined && { siteStaysOnStandby: happened.isOnStandby }),
    unchangedIntervalSentNothing: lastPoint.unchanged.deltas === 0 && lastPoint.unchanged.sentBytes === 0,
    replicaIsFixedVhd: replica.problems.length === 0,
    replicaEqualsVolume: replica.differsAt === undefined,
    diskEqualsReplica: diskHash === replica.sha256,
    ...content?.proofs,
  };
  const url = await storage.access.readUrl(generation.replica, clock.wallMs() + URL_MS);
  const intervals = happened.intervals.flat();
  const [journal, replicaPages] = [await journalBytes(stage, generation), await populatedBytes(url)];
  const { written } = lastPoint;
  return {
    scenario: stage.scenario,
    proved: Object.values(proofs).every((proof) => proof === true),
    proofs,
    machine: { kind: disk.kind, booted: disk.booted, readFrom: disk.readFrom },
    replicas: [{ volume: volumeId(ref), sizeBytes: replica.dataBytes, url, sha256: replica.sha256 }],
    bytes: {
      read: intervals.reduce((sum, { readBytes }) => sum + readBytes, 0),
      sent: happened.intervals.reduce((sum, ofAgent) => sum + (ofAgent.at(-1)?.sentBytes ?? 0), 0),
      stored: journal + replicaPages,
      journal,
      replicaPages,
    },
    deltas: intervals.reduce((sum, { numbers }) => sum + numbers.length, 0),
    intervals: intervals.length,
    requests: await tallyRequests(facts.stateDir, ref, {
      sinceMs: happened.beganWallMs,
      untilMs: failedOver.endedWallMs,
    }),
    rpoSeconds: (failedOver.failureWallMs - Math.min(...failedOver.run.volumes.map((point) => point.takenAtMs))) / 1000,
    rtoSeconds: failedOver.rtoSeconds,
    rtoParts: failedOver.parts,
    application:
      site.opened && written
        ? {
            how: describeVolume(site.opened),
            rowsAtPoint: written.rows,
            rowsLost: lostRows(join(folderOf(site.opened), DATABASE), written.rows),
            writes: writes ?? null,
            lastFile: content?.lastFile ?? null,
          }
        : null,
    alert: agentAlone?.alert ?? null,
    explanation,
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

/** Rows that the application wrote after the last point; null where they cannot be counted. */
function lostRows(database: string, rowsAtPoint: number): number | null {
  const { rows } = examine(database);
  return rows < 0 ? null : rows - rowsAtPoint;
}

function describeWrites({ lastAtSiteWallMs, firstInCloudWallMs, betweenSeconds }: Writes): string {
  const last = `the last write at the site: ${new Date(lastAtSiteWallMs).toISOString()}`;
  if (firstInCloudWallMs === null || betweenSeconds === null) return `${last}; no machine boots here that would write`;
  return `${last}; the first in the cloud: ${new Date(firstInCloudWallMs).toISOString()}, ${betweenSeconds.toFixed(1)} s later`;
}

/** The monitor's decision in words, from the history that it stored. */
async function explainFailover({ ref, storage, progress }: Stage, { run }: FailedOver): Promise<readonly string[]> {
  const { actor } = run;
  if (actor.kind !== 'function') return [];
  const { value } = await storage.documents.need(siteDecisionKind, names.decision(ref, actor.decision));
  const lines = [...explain(value), ...timeline(value.history)];
  progress.line(`why it failed over (leeward explain ${actor.decision}):`);
  for (const line of lines) progress.line(`  ${line}`);
  return lines;
}

/** Files and database of the machine's disk; undefined for a volume whose content the demo does not know. */
async function readBack(
  stage: Stage,
  disk: RecoveredDisk,
  { written, lastFile }: LastPoint,
): Promise<ReadBack | undefined> {
  const { own } = stage.volume;
  if (!own || !written) return undefined;
  const { progress } = stage;

  const name = lastFile?.name ?? '';
  const text = textOf(await fileOrNone(disk, `${APPLICATION_FOLDER}/${name}`));
  progress.line(
    `${name}, the last file before the last point, says there: ${text?.trim() ?? 'nothing, it is missing'}`,
  );

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
  progress.line(`the database there: integrity check "${integrity}", ${rows} rows; ${written.rows} at the last point`);
  return {
    proofs: {
      lastFileReadBack: text !== undefined && text === lastFile?.text,
      filesReadBack: equal === own.sample.length && equal > 0,
      databaseIntact: integrity === 'ok',
      databaseComplete: rows === written.rows && rows > 0,
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
