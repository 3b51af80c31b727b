/** How far a volume's acknowledged state lies behind. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Lag } from '../../src/site/lag.ts';

test('the age counts from the interval that read what is acknowledged, not from its acknowledgement', () => {
  const lag = new Lag();
  const age = (acknowledgedNumber: number, nowBootMs: number, generation = 1): number | undefined =>
    lag.ageMs({ generation, acknowledgedNumber, nowBootMs });
  assert.equal(age(0, 100), undefined, 'nothing was read');
  lag.read({ generation: 1, number: 3, bootMs: 100 });
  assert.equal(age(2, 150), undefined, 'only a part of it');
  assert.equal(age(3, 160), 60);
  lag.read({ generation: 1, number: 5, bootMs: 200 });
  assert.equal(age(4, 260), 160, 'the interval before, until all of the newest is there');
  assert.equal(age(5, 260), 60);
  lag.read({ generation: 1, number: 5, bootMs: 300 });
  assert.equal(age(5, 310), 10, 'nothing had changed: what is acknowledged is as young as the look');
  assert.equal(age(5, 320, 2), undefined, 'another generation');
  lag.read({ generation: 2, number: 1, bootMs: 400 });
  assert.equal(age(5, 410, 1), undefined);
  assert.equal(age(1, 410, 2), 10);
});
