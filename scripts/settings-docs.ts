/**
 * `npm run settings`: writes the table of settings in docs/settings.md anew, from the schema in src/app/settings.ts. What
 * stands around the table is written by hand, in the page itself.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { z } from 'zod';
import { settingsSchema } from '../src/app/settings.ts';

/** The page. */
export const PAGE = join(import.meta.dirname, '../docs/settings.md');

const BEGIN = '<!-- settings: written by npm run settings -->';
const END = '<!-- settings end -->';

const propertySchema = z.looseObject({
  description: z.string(),
  default: z.union([z.string(), z.number()]).optional(),
  minimum: z.number().optional(),
  secret: z.literal(true).optional(),
});

/** The page with its table as the schema has it. Throws if the page has lost its marks, or a setting its description. */
export async function withTable(page: string): Promise<string> {
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`docs/settings.md has no part between "${BEGIN}" and "${END}"`);
  const text = `${page.slice(0, begin)}${BEGIN}\n\n${table()}\n\n${page.slice(end)}`;
  return await format(text, { ...(await resolveConfig(PAGE)), parser: 'markdown' });
}

function table(): string {
  const { properties = {}, required = [] } = z.toJSONSchema(settingsSchema, { io: 'input' });
  const rows = Object.entries(properties).map(([name, schema]) => {
    const { description, default: fallback, minimum, secret } = propertySchema.parse(schema);
    const value = required.includes(name) ? 'required' : fallback === undefined ? 'optional' : `\`${fallback}\``;
    const least = minimum === undefined ? '' : ` At least ${minimum}.`;
    return `| \`${name}\` | ${value} | ${description}${least}${secret ? ' **Secret.**' : ''} |`;
  });
  return ['| Setting | Default | What it is |', '| --- | --- | --- |', ...rows].join('\n');
}

if (import.meta.main) await writeFile(PAGE, await withTable(await readFile(PAGE, 'utf8')));
