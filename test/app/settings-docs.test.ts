/** docs/settings.md and local.settings.example.json are in step with the schema, host.json and infra/. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { z } from 'zod';
import { PAGE, withTable } from '../../scripts/settings-docs.ts';
import { readSettings, settingsSchema } from '../../src/app/settings.ts';
import { PLATFORM_SETTINGS, settingFindings } from '../infra/checks.ts';

const root = join(import.meta.dirname, '../..');
const page = readFileSync(PAGE, 'utf8');

/** Settings of the platform that only this machine has. */
const LOCAL_PLATFORM_SETTINGS = ['AzureWebJobsStorage', 'FUNCTIONS_WORKER_RUNTIME'];

const exampleSchema = z.strictObject({ IsEncrypted: z.literal(false), Values: z.record(z.string(), z.string()) });
const example = exampleSchema.parse(JSON.parse(readFileSync(join(root, 'local.settings.example.json'), 'utf8')));

test('the table of settings is the one that npm run settings writes', async () => {
  assert.equal(page, await withTable(page));
});

test('a table that fell behind is found', async () => {
  const behind = page.replace('LEEWARD_CLAIM_MS', 'LEEWARD_CLAIM_SECONDS');
  assert.notEqual(behind, page);
  assert.equal(await withTable(behind), page);
});

test("the platform's settings are described", () => {
  for (const name of [...PLATFORM_SETTINGS, ...LOCAL_PLATFORM_SETTINGS]) {
    assert.ok(page.includes(`\`${name}\``), `${name} is not described`);
  }
});

test('every entry of host.json is described with its value, and no other', () => {
  const host: unknown = JSON.parse(readFileSync(join(root, 'host.json'), 'utf8'));
  const part = page.slice(page.indexOf('## host.json'));
  const described = [...part.matchAll(/^\| `([\w.]+)`\s*\| `([^`]+)`\s*\| \S/gm)].map(([, key, value]) => [key, value]);
  assert.deepEqual(described, leaves(host));
});

test('the example of local settings names what the program needs, and nothing that nobody knows', () => {
  const schema = z.toJSONSchema(settingsSchema, { io: 'input' });
  const findings = settingFindings(Object.keys(example.Values), {
    known: Object.keys(schema.properties ?? {}),
    required: [...(schema.required ?? []), 'LEEWARD_STORAGE', ...LOCAL_PLATFORM_SETTINGS],
    platform: LOCAL_PLATFORM_SETTINGS,
  });
  assert.deepEqual(findings, []);
});

test('with its empty values filled in, the example is a set of settings; it holds no secret', () => {
  const filled = {
    LEEWARD_STORAGE: 'UseDevelopmentStorage=true',
    LEEWARD_KEY_SECRET: Buffer.alloc(32, 1).toString('base64'),
    LEEWARD_PUBLIC_URL: 'http://127.0.0.1:7071',
    LEEWARD_ARM_ENDPOINT: 'http://127.0.0.1:7072',
  };
  const settings = readSettings({ ...example.Values, ...filled });
  assert.equal(settings.LEEWARD_MONITOR_SCHEDULE, example.Values['LEEWARD_MONITOR_SCHEDULE']);
  const empty = Object.keys(example.Values).filter((name) => example.Values[name] === '');
  assert.deepEqual(empty.sort(), ['AzureWebJobsStorage', ...Object.keys(filled)].sort());
});

/** Paths and values of everything in `value` that is no object. */
function leaves(value: unknown, path = ''): [string, string][] {
  if (typeof value !== 'object' || value === null) return [[path, String(value)]];
  return Object.entries(value).flatMap(([key, inner]) => leaves(inner, path === '' ? key : `${path}.${key}`));
}
