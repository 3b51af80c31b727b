/** The end of a demo for people: a short table. */
import type { DemoReport, Proofs, RecoveryParts } from '../demo/report.ts';
import { showBytes, table } from './output.ts';

const PROOFS: Readonly<Record<keyof Proofs, string>> = {
  failedOverByItself: "the failover was the monitor's own decision",
  agentAloneStoppedNothing: "the agent's death stopped nothing and moved nothing: people were told",
  applicationGoneBeforeTermEnded: "the application was gone before the site's term ended",
  lastWriteBeforeFirstInCloud: "the site's last write was before the cloud's first",
  siteStaysOnStandby: 'the site that came back stays on standby',
  unchangedIntervalSentNothing: 'an interval without changes sent nothing',
  replicaIsFixedVhd: 'the replica is a fixed VHD of the right size',
  replicaEqualsVolume: "every byte of the replica is the volume's",
  diskEqualsReplica: "the machine's disk has the same hash",
  lastFileReadBack: 'the last file before the last point is on it',
  filesReadBack: 'files of the volume were read back from it, equal',
  databaseIntact: 'the database on it passes its integrity check',
  databaseComplete: 'the database has exactly the rows of the last point',
};

const PARTS: Readonly<Record<keyof RecoveryParts, string>> = {
  silenceNoticed: 'silence noticed',
  leaseOverAndTermEnded: 'lease and margin over, term ended',
  drain: 'what was acknowledged applied',
  point: 'recovery point copied',
  disk: 'disk imported',
  machine: 'machine created',
  health: 'machine healthy',
};

export function describeDemo(report: DemoReport): string {
  const { application, bytes, deltas, machine, requests, rpoSeconds, rtoSeconds, volume } = report;
  const perDelta = (count: number): string => (count / Math.max(1, deltas)).toFixed(1);
  const sum = Object.values(requests.forDeltas).reduce((all, count) => all + count, 0);
  const sections = [
    table([
      ['volume', `${showBytes(volume.sizeBytes)}, ${volume.content}`],
      ['read', `${showBytes(bytes.read)} in ${report.intervals} intervals`],
      ['sent', `${showBytes(bytes.sent)} in ${deltas} deltas`],
      [
        'stored',
        `${showBytes(bytes.stored)}: journal ${showBytes(bytes.journal)}, replica ${showBytes(bytes.replicaPages)}`,
      ],
    ]),
    table(
      [
        ...Object.entries(requests.forDeltas).map(([kind, count]) => [kind, count, perDelta(count)]),
        ['all', sum, perDelta(sum)],
        ['(polling, heartbeats, leases, failover)', requests.standing, ''],
      ],
      ['storage requests', 'count', 'per delta'],
    ),
    table([
      [
        'RPO at the failure',
        showSeconds(rpoSeconds),
        application ? `${application.rowsLost ?? 'all'} rows, written after the last point, are lost` : '',
      ],
      ['RTO', showSeconds(rtoSeconds), ''],
      ...partsOf(report.rtoParts),
    ]),
    table([
      ['booted', machine.booted],
      ['read back', machine.readFrom],
      ...(application ? [['written', application.how]] : []),
    ]),
    proofsOf(report.proofs),
    verdict(report),
  ];
  return sections.join('\n\n');
}

function partsOf(parts: RecoveryParts): string[][] {
  return Object.entries(PARTS).map(([part, words]) => [
    `  ${words}`,
    showSeconds(parts[part as keyof RecoveryParts]),
    '',
  ]);
}

function proofsOf(proofs: Proofs): string {
  const words: Readonly<Record<string, string>> = PROOFS;
  return Object.entries(proofs)
    .map(([proof, holds]) => `${holds === true ? '✔' : '✘ NOT PROVED:'} ${words[proof] ?? proof}`)
    .join('\n');
}

function verdict({ machine, proved, stack }: DemoReport): string {
  const lines = [proved ? 'Everything was proved.' : `Not everything was proved; logs: ${stack.state}`];
  if (machine.kind === 'simulated')
    lines.push('No machine booted: it was simulated, and its disk was read from the imported blob.');
  if (stack.kept) lines.push(`The stack is up; to stop it: npx leeward --state ${stack.state} local down`);
  return lines.join('\n');
}

function showSeconds(seconds: number): string {
  return `${seconds.toFixed(1)} s`;
}
