/** `leeward failover start|confirm-stopped|status`: orders a failover, signed with the operator's key, and shows how runs go. */
import { userInfo } from 'node:os';
import type { Command } from 'commander';
import { z } from 'zod';
import { describeActor } from '../../documents/actor.ts';
import { groupKind } from '../../documents/group.ts';
import { runKind } from '../../documents/run.ts';
import type { RunDocument } from '../../documents/run.ts';
import { confirmedStopped } from '../../health/term/term.ts';
import { groupId, parseGroup } from '../../kernel/ids.ts';
import { QUEUES, documents as names } from '../../kernel/names.ts';
import { deriveKey, sign } from '../../protocol/signed.ts';
import { runName } from '../../failover/names.ts';
import { checkMayStart } from '../../failover/start.ts';
import type { Order } from '../../protocol/order.ts';
import { operator, reasonText, word } from '../arguments.ts';
import { openCloud } from '../context.ts';
import { outputOf, placesOf } from '../globals.ts';
import { showDuration, table } from '../output.ts';

/** Name of an operator's key. Operators' keys are derived; there is one for each name. */
const OPERATOR_KEY = 'k1';

export function addFailover(program: Command): void {
  const failover = program.command('failover').description('order failovers and see how they go');
  failover
    .command('start')
    .argument('<group>', 'TENANT/SITE/GROUP')
    .option('--reason <words>', 'why, for the record', reasonText, 'ordered on the command line')
    .option('--as <operator>', 'name of the operator, for the record', operator, operatorName())
    .description('fail a group over: close its leases, wait them out, end the term, start its machines in the cloud')
    .action(start);
  failover
    .command('confirm-stopped')
    .argument('<group>', 'TENANT/SITE/GROUP')
    .requiredOption('--run <run>', 'the run that waits: leeward failover status tells', word)
    .option('--as <operator>', 'name of the operator, for the record', operator, operatorName())
    .description('your word that nothing of a group whose leases keep runs at its site any more: go and see first')
    .action(confirmStopped);
  failover
    .command('status')
    .argument('<group>', 'TENANT/SITE/GROUP')
    .description("show a group's runs, step by step")
    .action(status);
}

async function start(name: string, _options: unknown, command: Command): Promise<void> {
  const group = parseGroup(name);
  const { reason, as } = z.object({ reason: z.string(), as: z.string() }).parse(command.opts());
  const { storage } = await openCloud(placesOf(command));
  const { value: document } = await storage.documents.need(groupKind, names.group(group));
  await checkMayStart(storage.documents, document);
  const key = deriveKey(storage.keySecret, { signer: `operator/${as}`, name: OPERATOR_KEY });
  const kind = 'unplanned';
  const { term } = document;
  // The moment is signed too: an order that is given again after a run that failed is a new one.
  const order: Order = { start: { group: groupId(group), kind, reason, term, orderedAtMs: storage.clock.wallMs() } };
  const message = sign(key, 'order', order);
  const run = runName({ term, kind, order: message.mac });
  await storage.queues.send(QUEUES.failover, JSON.stringify(message));
  outputOf(command).result({ group: groupId(group), ordered: true, by: key.signer, run }, () =>
    [`run ${run} ordered by ${key.signer}`, `next: leeward failover status ${groupId(group)}`].join('\n'),
  );
}

async function confirmStopped(name: string, _options: unknown, command: Command): Promise<void> {
  const group = parseGroup(name);
  const { run, as } = z.object({ run: z.string(), as: z.string() }).parse(command.opts());
  const { storage } = await openCloud(placesOf(command));
  const { held, serviceNowMs: atMs } = await storage.documents.readWithTime(groupKind, names.group(group));
  const { value: document } = held ?? (await storage.documents.need(groupKind, names.group(group)));
  const key = deriveKey(storage.keySecret, { signer: `operator/${as}`, name: OPERATOR_KEY });
  // What would be refused is told here, where somebody reads it.
  confirmedStopped(document, run, { actor: { kind: 'key', signer: key.signer, key: key.name }, atMs });
  const order: Order = { confirmStopped: { group: groupId(group), run } };
  await storage.queues.send(QUEUES.failover, JSON.stringify(sign(key, 'order', order)));
  outputOf(command).result({ group: groupId(group), confirmed: true, by: key.signer, run }, () =>
    [
      `run ${run} is told by ${key.signer} that nothing runs at the site`,
      `next: leeward failover status ${groupId(group)}`,
    ].join('\n'),
  );
}

async function status(name: string, _options: unknown, command: Command): Promise<void> {
  const group = parseGroup(name);
  const { storage } = await openCloud(placesOf(command));
  await storage.documents.need(groupKind, names.group(group));
  const runs: RunDocument[] = [];
  for await (const { name: run } of storage.documents.list(names.runsOf(group))) {
    runs.push((await storage.documents.need(runKind, run)).value);
  }
  const told = runs.map((run) => ({ ...run, operations: Object.keys(run.operations) }));
  outputOf(command).result(told, () =>
    runs.length === 0 ? `${groupId(group)}: no runs` : runs.map(describe).join('\n\n'),
  );
}

/** A run for people. */
export function describe(run: RunDocument): string {
  const steps = run.steps.map(({ step, startedAtMs, endedAtMs, attempts, detail }) => [
    step,
    endedAtMs === null ? 'under way' : showDuration(endedAtMs - startedAtMs),
    attempts,
    detail,
  ]);
  return [
    `run ${run.run} of ${run.group}: ${run.state}, ordered by ${describeActor(run.actor)}: ${run.reason}`,
    table(steps, ['step', 'took', 'tries', '']),
    ...run.machines.map(({ name, healthUrl }) => `machine ${name}: ${healthUrl}`),
    ...(run.failure ? [`failed: ${run.failure.message}`] : []),
  ].join('\n');
}

/** This user's name, as far as an operator's name may hold it. */
function operatorName(): string {
  const name = userName()
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]/g, '-')
    .replace(/^-+/, '')
    .slice(0, 64);
  return name === '' ? 'unknown' : name;
}

/** Empty for a user that the system has no name for, as in many a container. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return '';
  }
}
