/** leeward.yaml: what it says, and every fault of it with its line. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { isLeewardError } from '../../../src/kernel/errors.ts';
import { configJsonSchema, intervalOf, parseConfig } from '../../../src/site/agent/config.ts';

const VOLUMES = ['erp/data', 'erp/log'];
const read = (text: string) => parseConfig('leeward.yaml', text, VOLUMES);

function faults(text: string): string[] {
  try {
    read(text);
  } catch (error) {
    assert(isLeewardError(error, 'USAGE'), String(error));
    assert(!error.message.includes('\n'));
    return error.message.split('; leeward.yaml').map((fault, at) => (at === 0 ? fault : `leeward.yaml${fault}`));
  }
  return [];
}

suite('leeward.yaml', () => {
  test('an empty file says what is usual, of every volume', () => {
    for (const text of ['', '# nothing\n', '{}']) assert.equal(intervalOf(read(text), 'acme/berlin/erp/data'), 300_000);
  });

  test('a volume has its own interval, the others that for all', () => {
    const config = read('intervalMs: 60000\nvolumes:\n  erp/log:\n    intervalMs: 10000\n');
    assert.equal(intervalOf(config, 'acme/berlin/erp/data'), 60_000);
    assert.equal(intervalOf(config, 'acme/berlin/erp/log'), 10_000);
  });

  const wrong: [string, string, (string | RegExp)[]][] = [
    ['no YAML', 'intervalMs: [1\n', [/^leeward\.yaml:[12]: /]],
    ['a word twice', 'intervalMs: 60000\nintervalMs: 70000\n', [/^leeward\.yaml:2: .*unique/]],
    ['no map', '- 1\n- 2\n', [/^leeward\.yaml:1: .*expected object/]],
    ['an unknown word', 'intervalMs: 60000\nintervalS: 5\n', ['leeward.yaml:2: intervalS: is no word of this file']],
    ['too short an interval', '\n\nintervalMs: 10\n', [/^leeward\.yaml:3: intervalMs: .*>=1000/]],
    ['a text for a number', 'intervalMs: soon\n', [/^leeward\.yaml:1: intervalMs: .*expected number/]],
    [
      'a volume that the site does not have',
      'volumes:\n  erp/data: {}\n  erp/dat: {}\n',
      ['leeward.yaml:3: volumes.erp/dat: is no volume of the site kept here; it has erp/data, erp/log'],
    ],
    [
      'several things',
      'intervalMs: 5\nvolumes:\n  erp/data:\n    often: true\n    intervalMs: never\n',
      [
        /^leeward\.yaml:1: intervalMs: /,
        'leeward.yaml:4: volumes.erp/data.often: is no word of this file',
        /^leeward\.yaml:5: volumes\.erp\/data\.intervalMs: /,
      ],
    ],
  ];
  for (const [what, text, expected] of wrong) {
    test(`${what} is refused with its line`, () => {
      const told = faults(text);
      assert.equal(told.length, expected.length, told.join('\n'));
      for (const [index, one] of expected.entries()) {
        if (typeof one === 'string') assert.equal(told[index], one);
        else assert.match(told[index] ?? '', one);
      }
    });
  }

  test('a file that grows by its aliases is refused', () => {
    const rows = Array.from({ length: 12 }, (_, index) => `a${index}: &a${index} [${`*a${index - 1},`.repeat(9)}]`);
    const told = faults(['a-1: &a-1 [x]', ...rows].join('\n'));
    assert.match(told[0] ?? '', /^leeward\.yaml:1: .*alias/i);
  });

  test('editors are given what it may say', () => {
    assert.partialDeepStrictEqual(configJsonSchema(), {
      type: 'object',
      additionalProperties: false,
      properties: { intervalMs: { type: 'integer', minimum: 1000, default: 300_000 } },
    });
  });
});
