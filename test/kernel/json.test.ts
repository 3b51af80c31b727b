import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { isLeewardError } from '../../src/kernel/errors.ts';
import { checkStored, parseJson, parseStored } from '../../src/kernel/json.ts';
import { CURRENT_VERSION, versionSchema } from '../../src/kernel/versions.ts';

const what = 'note "n"';
const schema = z.looseObject({ version: versionSchema, text: z.string() });
const NOTE = { version: CURRENT_VERSION, text: 'a', unheard: 'of' };

test('what is not JSON is undefined, which nothing that is JSON is', () => {
  assert.deepEqual(['{"a":1}', 'null', '', '{', 'undefined'].map(parseJson), [
    { a: 1 },
    null,
    undefined,
    undefined,
    undefined,
  ]);
});

test('a stored document is what was written, with what this program does not know', () => {
  assert.deepEqual(parseStored(JSON.stringify(NOTE), { what, schema, use: 'read' }), NOTE);
  assert.deepEqual(checkStored(NOTE, { what, schema }), NOTE);
});

test('one that is too new is refused before the rest of it is looked at, and what is none by its field', () => {
  const newer = (oldestReader: number): string =>
    JSON.stringify({ version: { format: 9, oldestReader, oldestWriter: 9 } });
  for (const [text, use, expected] of [
    [newer(9), 'read', /^note "n" needs format 9 to read it/],
    [newer(9), 'rewrite', /^note "n" needs format 9 to read it/],
    [newer(1), 'rewrite', /^note "n" needs format 9 to rewrite it/],
    [newer(1), 'read', /^note "n": text: /],
    ['{"version":', 'read', /^note "n" is not JSON$/],
    ['null', 'rewrite', /^note "n": the whole: /],
  ] as const) {
    assert.throws(
      () => parseStored(text, { what, schema, use }),
      (error) => isLeewardError(error, 'DOCUMENT_INVALID', 'VERSION_TOO_NEW') && expected.test(error.message),
      `${text}, ${use}`,
    );
  }
});
