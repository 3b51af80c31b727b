/** The published description of the site's protocol is what the code checks by. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { z } from 'zod';
import { OPENAPI_FILE, openApi } from '../../scripts/openapi.ts';
import { INLINE_BYTES_MAX } from '../../src/protocol/envelope.ts';
import { sign, signedMessageSchema, verifySigned } from '../../src/protocol/signed.ts';

const PAGE = join(import.meta.dirname, '../../docs/site-protocol.md');

test('the committed OpenAPI is what the schemas give (npm run openapi)', async () => {
  assert.equal(await readFile(OPENAPI_FILE, 'utf8'), openApi());
});

test('every reference in it leads somewhere', () => {
  const { components } = z
    .looseObject({ components: z.object({ schemas: z.record(z.string(), z.unknown()) }) })
    .parse(JSON.parse(openApi()));
  const references = [...openApi().matchAll(/"\$ref": "#\/components\/schemas\/(\w+)"/g)].map(([, name = '']) => name);
  assert.ok(references.length > 10);
  assert.deepEqual(new Set(references).difference(new Set(Object.keys(components.schemas))), new Set());
});

test("the page's example is signed as the page says", async () => {
  const page = await readFile(PAGE, 'utf8');
  const [, example = ''] = /```json\n(\{[^`]*"mac"[^`]*)```/.exec(page) ?? [];
  const message = signedMessageSchema.parse(JSON.parse(example));
  const key = { signer: 'acme/berlin', name: 'k1', secret: new Uint8Array(32).fill(7) };
  verifySigned(message, key);
  assert.deepEqual(sign(key, 'heartbeat', { counter: 1_700_000_000_000 }), message);
});

test('the page names the limit of what travels inline', async () => {
  assert.ok((await readFile(PAGE, 'utf8')).includes(`at most **${INLINE_BYTES_MAX.toLocaleString('en-US')} bytes**`));
});
