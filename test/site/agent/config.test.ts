/** leeward.yaml: what it says, and every fault of it with its line. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { isLeewardError } from '../../../src/kernel/errors.ts';
import { configJsonSchema, guardSocketOf, intervalOf, machineConfig } from '../../../src/site/agent/config.ts';
import { parseConfig } from '../../../src/site/agent/config-file.ts';
import { limitsOf } from '../../../src/site/decide/config.ts';

/** The example of docs/operation.md, "Applications". */
const EXAMPLE =
  /^## Applications$.*?^```yaml\n(.*?)^```$/ms.exec(
    readFileSync(join(import.meta.dirname, '../../../docs/operation.md'), 'utf8'),
  )?.[1] ?? '';
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

  test('the example of the documentation is right, and what it leaves out is filled in', () => {
    const config = read(EXAMPLE);
    assert.partialDeepStrictEqual(config.groups['erp']?.applications['shop'], {
      node: 'node-1',
      priority: 5,
      dependsOn: ['database'],
      run: { command: '/srv/shop/run' },
      monitors: [{ name: 'answers', intervalMs: 5000, failures: 3 }],
      restarts: { attempts: 2, steadyMs: 600_000 },
    });
    assert.partialDeepStrictEqual(machineConfig(config, 'db-1', 'node-1').steps, {
      'restart-application': { countMax: 1, windowMs: 3_600_000 },
      'restart-machine': { timeoutMs: 300_000 },
    });
    assert.equal(machineConfig(config, 'node-2', 'node-2').policy, 'failed-against-running');
    assert.equal(guardSocketOf(config, 'erp', 'node-2'), '/run/leeward/node-2.sock');
    assert.equal(guardSocketOf(config, 'erp', 'node-1'), undefined);
  });

  test('a machine without control is not restarted in place, one with it is', () => {
    const config = read(EXAMPLE);
    const countMax = (name: string): number =>
      limitsOf(machineConfig(config, name, name)).steps['restart-machine'].countMax;
    assert.deepEqual([countMax('db-1'), countMax('node-2')], [1, 0]);
  });

  /** The example with one line in place of another, and the number of its last. */
  function changed(line: string, into: string): { readonly text: string; readonly at: number } {
    const lines = EXAMPLE.split('\n');
    const at = lines.findIndex((one) => one.trim().startsWith(line));
    assert(at >= 0, line);
    lines[at] = (lines[at] ?? '').replace(/\S.*/, into);
    return { text: lines.join('\n'), at: at + into.split('\n').length };
  }

  const misfits: [what: string, line: string, into: string, problem: RegExp][] = [
    [
      'a dependency that is not there',
      'dependsOn:',
      'dependsOn: [databas]',
      /shop\.dependsOn: it depends on databas, which/,
    ],
    ['a circle', 'dependsOn:', 'dependsOn: [shop]', /shop\.dependsOn: it depends on itself: shop → shop/],
    ['a dependency on another node', 'dependsOn:', 'dependsOn: [reports]', /reports runs on another node/],
    [
      'a machine that is not declared',
      'machine: db-1',
      'machine: db-2',
      /database\.machine: machine db-2 is not among/,
    ],
    [
      'a machine on another node',
      'run: { container',
      'run: { container: x }\n        machine: db-1',
      /machine: machine db-1 is on node-1/,
    ],
    [
      'a group that the site does not have',
      'erp:',
      'crm:',
      /^leeward\.yaml:\d+: groups\.crm: is no group of the site .*it has erp/,
    ],
    ['an application twice', 'shop:', 'database:', /keys must be unique/],
    ['a name that is none', 'shop:', 'Shop_1:', /applications\.Shop_1: use 1 to 40 lower-case/],
    ['nothing to run', 'run: { unit', 'run: {}', /database\.run: give one of command, unit/],
    ['two things to run', 'run: { unit', 'run: { unit: a.service, command: b }', /database\.run: give one of/],
    [
      'a unit that another application runs',
      'run: { command',
      'run: { unit: postgresql.service }',
      /shop\.run: unit postgresql\.service on node-1 is run by erp\/database already/,
    ],
    ['a priority of nothing', 'priority: 5', 'priority: 0', /shop\.priority: /],
    ['a policy that is none', 'policy:', 'policy: vote', /db-1\.policy: /],
    ['a step that is none', 'fail-over:', 'move: {}', /machines\.db-1\.steps\.move: is no word of this file/],
    [
      'a guard where nothing runs',
      'node-2: { socket',
      'node-3: { socket: /run/n }',
      /guards\.node-3: no application runs there/,
    ],
    ['a socket that no path can be', 'node-2: { socket', 'node-2: { socket: run/n }', /node-2\.socket: /],
    [
      'a monitor with a word too many',
      '- { name: port',
      "- { name: port, kind: tcp, host: a, port: 9, url: 'x' }",
      /monitors\.0\.url: is no word/,
    ],
  ];
  for (const [what, line, into, problem] of misfits) {
    test(`${what} is refused with its line`, () => {
      const { text, at } = changed(line, into);
      const told = faults(text);
      assert(
        told.some((fault) => fault.startsWith(`leeward.yaml:${at}: `) && problem.test(fault)),
        `${at}: ${told.join('\n')}`,
      );
    });
  }

  test('a machine that two groups run in is refused, and more than a heartbeat takes', () => {
    const application = (node: string): string =>
      `{ node: ${node}, run: { command: x }, monitors: [{ name: p, kind: tcp, host: h, port: 1 }] }`;
    const both = `groups:\n  erp:\n    applications:\n      a: ${application('n')}\n  crm:\n    applications:\n      b: ${application('n')}\n`;
    assert.throws(
      () => parseConfig('f', both, undefined),
      /f:7: groups\.crm\.applications\.b\.node: machine n runs erp\/a too/,
    );
    const nodes = Array.from({ length: 17 }, (_, index) => `      a${index}: ${application(`n${index}`)}`);
    const many = `groups:\n  erp:\n    applications:\n${nodes.join('\n')}\n`;
    assert.throws(
      () => parseConfig('f', many, undefined),
      /f:2: groups\.erp: 17 nodes are more than the 16 that a heartbeat takes/,
    );
    const apps = Array.from({ length: 1001 }, (_, index) => `      a${index}: *one`);
    const most = `groups:\n  erp:\n    applications:\n      a: &one ${application('n')}\n${apps.slice(1).join('\n')}\n`;
    assert.throws(() => parseConfig('f', most, undefined), /1001 applications are more than the 1000|alias/);
  });

  test('a unit or container that two groups run on one node is refused; on two nodes it is two', () => {
    const file = (runs: readonly [node: string, run: string][]): string =>
      `groups:\n${runs.map(([node, run], at) => `  g${at}:\n    applications:\n      a: { node: ${node}, machine: m${at}, run: { ${run} }, monitors: [{ name: p, kind: tcp, host: h, port: 1 }] }\n`).join('')}machines:\n${runs.map(([node], at) => `  m${at}: { node: ${node} }\n`).join('')}`;
    for (const run of ['unit: db.service', 'container: db', 'container: db, tool: podman']) {
      const twice = file([
        ['n', run],
        ['n', run],
      ]);
      assert.throws(
        () => parseConfig('f', twice, undefined),
        /^LeewardError: f:7: groups\.g1\.applications\.a\.run: .* g0\/a already$/,
      );
    }
    const apart = file([
      ['n', 'container: db'],
      ['o', 'container: db'],
      ['n', 'container: db, tool: podman'],
      ['n', 'unit: db.service'],
    ]);
    assert.equal(Object.keys(parseConfig('f', apart, undefined).groups).length, 4);
  });

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
