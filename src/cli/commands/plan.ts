/** `leeward plan show|set`: who decides on a group's failure, and when. */
import { Option } from 'commander';
import type { Command } from 'commander';
import { z } from 'zod';
import { changePlan, planOf, timingOf } from '../../app/plans.ts';
import type { Deciding } from '../../app/plans.ts';
import { SINGLE_WITNESS_CONSENT, STRICT_LEASE_CONSENT } from '../../documents/plan.ts';
import type { Plan } from '../../documents/plan.ts';
import { parseGroup } from '../../kernel/ids.ts';
import { wholeSeconds } from '../arguments.ts';
import { openCloud } from '../context.ts';
import { outputOf, placesOf } from '../globals.ts';
import { table } from '../output.ts';

const setSchema = z.object({
  mode: z.enum(['automatic', 'ask', 'report']).optional(),
  consent: z.union([z.array(z.string()), z.literal(false)]).optional(),
  window: z.number().optional(),
  answer: z.number().optional(),
  unanswered: z.enum(['no', 'fail-over']).optional(),
  alert: z.number().optional(),
});

export function addPlan(program: Command): void {
  const plan = program.command('plan').description("who decides on a group's failure, and when");
  const of = (name: string): Command => plan.command(name).argument('<group>', 'TENANT/SITE/GROUP');
  of('show').description('the plan, what is missing for a failover by itself, and what no longer fits').action(show);
  of('set')
    .addOption(new Option('--mode <mode>', 'who decides').choices(['automatic', 'ask', 'report']))
    .addOption(
      new Option('--consent <words...>', 'what the plan consents to, in place of what it did').choices([
        SINGLE_WITNESS_CONSENT,
        STRICT_LEASE_CONSENT,
      ]),
    )
    .option('--no-consent', 'the plan consents to nothing any more')
    .option('--window <seconds>', 'how long the site has to be down, by its witnesses', wholeSeconds)
    .option('--answer <seconds>', 'how long a person has who is asked', wholeSeconds)
    .addOption(new Option('--unanswered <what>', 'what no answer in time means').choices(['no', 'fail-over']))
    .option(
      '--alert <seconds>',
      'how long the monitor may not watch a whole window before people are told',
      wholeSeconds,
    )
    .description('change who decides; a plan that does not fit is refused with the inequality that fails')
    .action(set);
}

async function show(name: string, _options: unknown, command: Command): Promise<void> {
  const { storage, settings } = await openCloud(placesOf(command));
  const found = await planOf(storage.documents, parseGroup(name), timingOf(settings));
  outputOf(command).result(found, () =>
    [describe(found.plan), ...found.missing.map((why) => `missing: ${why}`)].join('\n'),
  );
}

async function set(name: string, _options: unknown, command: Command): Promise<void> {
  const options = setSchema.parse(command.opts());
  const { storage, settings } = await openCloud(placesOf(command));
  const change: Partial<Deciding> = {
    ...(options.mode && { mode: options.mode }),
    ...(options.consent !== undefined && { consents: options.consent === false ? [] : options.consent }),
    ...(options.window !== undefined && { windowMs: options.window * 1000 }),
    ...(options.answer !== undefined && { answerMs: options.answer * 1000 }),
    ...(options.unanswered && { noAnswer: options.unanswered }),
    ...(options.alert !== undefined && { alertAfterMs: options.alert * 1000 }),
  };
  const timing = timingOf(settings);
  const plan = await changePlan(storage.documents, parseGroup(name), { change, timing });
  outputOf(command).result(plan, () => describe(plan));
}

function describe({ group, mode, consents, windowMs, noAnswer, answerMs, alertAfterMs }: Plan): string {
  return table([
    ['group', group],
    ['mode', mode],
    ['consents', consents.join('; ') || 'none'],
    ['window', `${windowMs / 1000} s`],
    ['answer', `${answerMs / 1000} s, and then ${noAnswer}`],
    ['alert', `${alertAfterMs / 1000} s`],
  ]);
}
