/** docs/cli.md against what `--help` has: every command has its row, every option is told of its command, and no other is. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Command } from 'commander';
import { addDemo } from '../../src/cli/commands/demo.ts';
import { addLocal } from '../../src/cli/commands/local.ts';
import { createProgram } from '../../src/cli/program.ts';

/** Those of every command, in the page's words. */
const EVERYWHERE = ['--json', '--state', '--help'];

interface Leaf {
  readonly path: string;
  readonly flags: readonly string[];
}

function leavesOf(command: Command, path: readonly string[]): readonly Leaf[] {
  if (command.commands.length > 0) return command.commands.flatMap((one) => leavesOf(one, [...path, one.name()]));
  const flags = command.options.flatMap(({ long }) =>
    typeof long !== 'string' || EVERYWHERE.includes(long) ? [] : [long],
  );
  return [{ path: path.join(' '), flags }];
}

const leaves = leavesOf(createProgram('0', [addLocal, addDemo]), []);
const page = readFileSync(join(import.meta.dirname, '../../docs/cli.md'), 'utf8');
const [before = '', demo = ''] = page.split('\n## The demo\n');

/** Rows of the tables, as their first cell and the whole of them. */
function rowsOf(text: string): readonly { readonly first: string; readonly row: string }[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((row) => ({ first: row.split('|')[1] ?? '', row }));
}

function rowsOn(path: string): readonly string[] {
  const own = rowsOf(before).filter(({ first }) => new RegExp(`\`${path}[ \`]`).test(first));
  return [...own, ...(path === 'demo' ? rowsOf(demo) : [])].map(({ row }) => row);
}

function has(text: string, flag: string): boolean {
  return new RegExp(`${flag}(?![\\w-])`).test(text);
}

test('every command has its row in docs/cli.md', () => {
  assert.deepEqual(
    leaves.map(({ path }) => path).filter((path) => rowsOn(path).length === 0),
    [],
  );
});

test('every option of a command is told in a row of that command', () => {
  const untold = leaves.flatMap(({ path, flags }) =>
    flags.filter((flag) => !rowsOn(path).some((row) => has(row, flag))).map((flag) => `${path} ${flag}`),
  );
  assert.deepEqual(untold, []);
});

test('what docs/cli.md says of options is there', () => {
  const known = new Set([...EVERYWHERE, ...leaves.flatMap(({ flags }) => flags)]);
  const named = rowsOf(page).flatMap(({ row }) =>
    [...row.matchAll(/`[^`]*`/g)].flatMap(([code]) => code.match(/--[a-z][a-z-]*/g) ?? []),
  );
  assert(named.length > 30);
  assert.deepEqual(
    [...new Set(named)].filter((flag) => !known.has(flag)),
    [],
  );
});
