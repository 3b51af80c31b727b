/** A recovery plan: where one more disk goes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasRoom, isPlanned, planSchema, withDisk } from '../../src/documents/plan.ts';
import type { Plan } from '../../src/documents/plan.ts';
import { parseGroup } from '../../src/kernel/ids.ts';
import { reportingPlan } from '../support/plan.ts';

/** A plan whose machines have disks at these LUNs. */
function planOf(...machines: readonly (readonly number[])[]): Plan {
  const disks = machines.map((luns, at) => luns.map((lun) => ({ volume: `acme/paris/shop/d${at}-${lun}`, lun })));
  return planSchema.parse(reportingPlan(parseGroup('acme/paris/shop'), ...disks));
}

const NEW = 'acme/paris/shop/new';
const ALL = Array.from({ length: 64 }, (_, lun) => lun);

test('one more disk goes to the first LUN that is free on the first machine that has one', () => {
  const places: [readonly (readonly number[])[], { readonly machine: number; readonly lun: number }][] = [
    [[[0]], { machine: 0, lun: 1 }],
    [[[63]], { machine: 0, lun: 0 }],
    [[[0, 1, 3, 63], [0]], { machine: 0, lun: 2 }],
    [[ALL, [0, 1]], { machine: 1, lun: 2 }],
    [[ALL.slice(0, 63)], { machine: 0, lun: 63 }],
  ];
  for (const [machines, { machine, lun }] of places) {
    const plan = withDisk(planOf(...machines), NEW, { optional: true });
    assert(plan);
    planSchema.parse(plan);
    assert.deepEqual(plan.machines[machine]?.disks.at(-1), { volume: NEW, lun, optional: true });
    assert(isPlanned(plan, NEW));
    assert.equal(withDisk(plan, NEW), undefined);
  }
});

test('a plan whose machines have all that they can have takes none', () => {
  const full = planOf(ALL, ALL);
  assert.equal(hasRoom(full), false);
  assert.equal(withDisk(full, NEW), undefined);
  assert.equal(isPlanned(full, NEW), false);
  assert(hasRoom(planOf(ALL, [0])));
});
