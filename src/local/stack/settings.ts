/** local.settings.json of a stack: the example with its empty places filled in. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { LeewardError } from '../../kernel/errors.ts';

/** What Core Tools look for in the folder of an app. */
export const SETTINGS_NAME = 'local.settings.json';

const EXAMPLE = join(import.meta.dirname, '..', '..', '..', 'local.settings.example.json');

const exampleSchema = z.looseObject({ Values: z.record(z.string(), z.string()) });

/**
 * The text of a local.settings.json: the example's values, replaced and added to by `values`. Throws DOCUMENT_INVALID for
 * an example with a place that nothing fills; an empty setting would fail later and elsewhere.
 */
export async function settingsText(values: Readonly<Record<string, string>>): Promise<string> {
  const example = exampleSchema.parse(JSON.parse(await readFile(EXAMPLE, 'utf8')));
  const filled = { ...example.Values, ...values };
  const empty = Object.entries(filled).find(([, value]) => value === '');
  if (empty) throw new LeewardError('DOCUMENT_INVALID', `${EXAMPLE}: the local stack has no value for ${empty[0]}`);
  return `${JSON.stringify({ ...example, Values: filled }, undefined, 2)}\n`;
}
