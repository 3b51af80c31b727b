/** `leeward inspect delta` of what only version 2 has, and of a delta whose texts are none. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { craft, hashOf } from '../delta/craft.ts';
import { Leeward } from '../support/command.ts';

const folder = mkdtempSync(join(tmpdir(), 'leeward-inspect-'));
const leeward = new Leeward(folder);
after(() => {
  rmSync(folder, { recursive: true, force: true });
});

function put(name: string, bytes: Uint8Array): string {
  writeFileSync(join(folder, name), bytes);
  return name;
}

test('references, sources and properties are shown', async () => {
  const file = put('all.delta', readFileSync(new URL('../golden/delta/everything.delta', import.meta.url)));
  const told = await leeward.json(['inspect', 'delta', file]);
  const source = /^erp\/data\/00000001\/0000000001-[0-9a-f]{64}-literal-12\.delta$/;
  assert.partialDeepStrictEqual(told, {
    valid: true,
    problems: [],
    outsideCount: 2,
    properties: { label: 'data' },
    extents: [
      { kind: 'literal' },
      { kind: 'zeros' },
      { kind: 'own', at: 512 },
      { kind: 'prior', at: 1_048_064 },
      { kind: 'journal', at: 512 },
    ],
  });
  const { code, stdout, stderr } = await leeward.run('inspect', 'delta', file);
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
  const [verdict, ...rest] = stdout.split('\n');
  assert.equal(
    verdict,
    'all.delta: valid as it was sent; only with the content of 2 references can its digest be checked',
  );
  assert.deepEqual({ valid: true, problems: [], ...(JSON.parse(rest.join('\n')) as object) }, told);
  assert.match(/"source": "([^"]+)"/.exec(stdout)?.[1] ?? '', source);
});

test('what is wrong with references is said, and no text of a broken delta reaches the terminal as it is', async () => {
  const clear = '\u001b[2J\u009b2J\r\n';
  const file = put(
    'broken.delta',
    craft({
      volume: `a/b/c/${clear}`,
      extents: [{ offset: 0, length: 512, kind: 4 }],
      references: [{ at: 1, source: 9, sha256: hashOf('') }],
      sources: [`${clear}x`],
      properties: `{"label":${JSON.stringify(clear)}}\u009b`,
    }),
  );
  const { code, stdout, stderr } = await leeward.run('inspect', 'delta', file);
  assert.deepEqual({ code, stderr }, { code: 1, stderr: '' });
  assert.match(stdout, /^broken\.delta: not valid\n {2}source 0 \(byte \d+\): not the name of a journal entry/);
  assert.match(stdout, /\n {2}extent 0, source \(byte \d+\): 9, but the source table has 1 entries\n/);
  assert.match(stdout, /\n {2}extent 0, position \(byte \d+\): 1 is no multiple of 512/);
  assert.match(stdout, /\n {2}properties \(byte \d+\): not JSON\n/);
  assert.doesNotMatch(stdout.replaceAll('\n', ''), /\p{Cc}/u);
});
