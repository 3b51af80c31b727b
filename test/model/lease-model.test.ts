/**
 * The lease's protocol, checked with the production's own transitions: safe within the bounds, and unsafe as soon as any one
 * of its rules is broken. `npm run model` looks further.
 */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { check } from './checker.ts';
import { LeaseModel } from './lease-model.ts';
import { SAFE_BOUNDS, UNSAFE } from './unsafe.ts';

const STATES_MAX = 2_000_000;

suite('two writers', () => {
  test('are not possible, whatever is lost, late or dead', () => {
    const bounds = { ...SAFE_BOUNDS, ticks: 8, deaths: 0 };
    const { states, isComplete, violation } = check(new LeaseModel(bounds), STATES_MAX);
    assert.equal(violation, undefined);
    assert.ok(isComplete, `${states} states did not do`);
  });

  for (const [name, { bounds, unsafe }] of Object.entries(UNSAFE)) {
    test(`are possible with ${name}`, () => {
      const { violation } = check(new LeaseModel(bounds, unsafe), STATES_MAX);
      assert.match(violation?.what ?? 'nothing was found', /at the site and in the cloud/);
    });
  }
});
