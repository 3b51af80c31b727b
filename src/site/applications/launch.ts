/**
 * What a guard starts and stops of one application, as people write it: `run` in leeward.yaml (docs/operation.md, "Guards").
 *
 * Invariants: exactly one way is named; no name can be taken for an option by the program that it is handed to.
 */
import { z } from 'zod';
import { CONTAINER_TOOLS } from '../../ports/launch.ts';
import type { Launch } from '../../ports/launch.ts';

export const launchSchema = z
  .strictObject({
    command: z.string().min(1).max(4096).optional().meta({ description: 'A command, run by /bin/sh.' }),
    unit: z
      .string()
      .regex(
        /^[A-Za-z0-9:_.\\@][A-Za-z0-9:_.\\@-]{0,240}\.service$/,
        'must be the name of a systemd service: NAME.service',
      )
      .optional()
      .meta({ description: 'A systemd service, which nothing but the guard may start.' }),
    container: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/, 'must be the name of a container')
      .optional()
      .meta({ description: 'A container that exists, by its name, with the restart policy "no".' }),
    tool: z
      .enum(CONTAINER_TOOLS)
      .optional()
      .meta({ description: 'What runs the container; docker if it is left out.' }),
  })
  .transform(({ command, unit, container, tool }, context): Launch => {
    const given: Launch[] = [];
    if (command !== undefined) given.push({ kind: 'command', command });
    if (unit !== undefined) given.push({ kind: 'unit', unit });
    if (container !== undefined) given.push({ kind: 'container', container, tool: tool ?? 'docker' });
    const [run, ...others] = given;
    if (run !== undefined && others.length === 0 && (tool === undefined || run.kind === 'container')) return run;
    context.addIssue({ code: 'custom', message: 'give one of command, unit or container; tool goes with a container' });
    return z.NEVER;
  });
