/** What is told of clocks that go apart, when reading both takes long. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Clock } from '../../../src/kernel/clock.ts';
import { apartMs, clocksOf, narrowed } from '../../../src/site/guard/clocks.ts';
import type { Clocks } from '../../../src/site/guard/clocks.ts';

/** Clocks of one machine, and a process that is held up after it has read the wall clock. */
class Machine implements Clock {
  nowMs = 1_000_000;
  aheadMs = 5000;
  heldMs = 0;
  #known = clocksOf(this);

  bootMs(): number {
    return this.nowMs;
  }

  wallMs(): number {
    const wallMs = this.nowMs + this.aheadMs;
    this.nowMs += this.heldMs;
    return wallMs;
  }

  async sleep(): Promise<void> {
    return Promise.resolve();
  }

  /** What a look shows that is taken after so long. */
  after(ms: number, heldMs = 0): number {
    this.nowMs += ms;
    this.heldMs = heldMs;
    const now = clocksOf(this);
    const jumpMs = apartMs(this.#known.wall, now.wall);
    this.#known = narrowed(this.#known, now);
    return jumpMs;
  }
}

suite('clocks', () => {
  test('that go apart do so by a jump, either way', () => {
    const machine = new Machine();
    assert.equal(machine.after(250), 0);
    machine.aheadMs += 3_600_000;
    assert.equal(machine.after(250), 3_600_000);
    machine.aheadMs -= 7_200_000;
    assert.equal(machine.after(250), -3_600_000);
  });

  test('do not while the process is held up between its reads, which hides no jump from a later look', () => {
    const machine = new Machine();
    assert.deepEqual([machine.after(250, 3000), machine.after(250), machine.after(250, 800)], [0, 0, 0]);
    machine.aheadMs += 2000;
    assert.equal(machine.after(250, 3000), 0, 'within what this look leaves open');
    assert.equal(machine.after(250), 2000, 'the next tells it whole');
  });

  test('do by a jump that is larger than what a look leaves open', () => {
    const machine = new Machine();
    machine.aheadMs += 60_000;
    assert.equal(machine.after(250, 1200), 60_000 - 1200);
  });

  test('add up what each look shows too little of', () => {
    const machine = new Machine();
    const shown: number[] = [];
    for (let look = 0; look < 4; look += 1) {
      machine.aheadMs += 900;
      shown.push(machine.after(250));
    }
    assert.deepEqual(shown, [900, 1800, 2700, 3600]);
  });

  test('say nothing of one that cannot be read', () => {
    const { hardware } = clocksOf(new Machine());
    assert.equal(hardware, undefined);
    assert.equal(apartMs(hardware, { leastMs: 5000, mostMs: 5000 }), 0);
    const before: Clocks = { wall: { leastMs: 0, mostMs: 0 }, hardware };
    assert.deepEqual(narrowed(before, { ...before, hardware: { leastMs: 1, mostMs: 2 } }).hardware, {
      leastMs: 1,
      mostMs: 2,
    });
  });
});
