/** How outcomes are shown: a table for people, JSON for programs. */
import Table from 'cli-table3';
import { BOUNDS } from './bounds.ts';
import type { Outcome } from './bounds.ts';

const DETAIL_WIDTH = 72;

export function tableOf(outcomes: readonly Outcome[]): string {
  const table = new Table({
    head: ['name', 'value', 'bound', 'held', 'detail'],
    style: { head: [], border: [] },
    colAligns: ['left', 'right', 'right', 'left', 'left'],
    colWidths: [null, null, null, null, DETAIL_WIDTH],
    wordWrap: true,
  });
  for (const { name, value, bound, held, detail } of outcomes) {
    const { what } = BOUNDS[name];
    table.push([name, value === null ? '–' : shown(value), `≤ ${bound}`, held ? 'yes' : 'NO', `${what}\n${detail}`]);
  }
  return table.toString();
}

/** `[{"name", "value", "bound", "held", "detail"}]`, docs/bench.md. */
export function jsonOf(outcomes: readonly Outcome[]): string {
  const plain = outcomes.map(({ name, value, bound, held, detail }) => ({ name, value, bound, held, detail }));
  return `${JSON.stringify(plain, undefined, 2)}\n`;
}

function shown(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(3);
}
