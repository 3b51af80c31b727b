/** What is told of a clock that goes another way than boot time, when reading both takes long. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { ClockOffset } from '../../../src/site/guard/clock-offset.ts';

/** Two clocks of one machine, and a process that is held up after it has read the second. */
class Machine {
  nowMs = 1_000_000;
  aheadMs = 5000;
  heldMs = 0;
  readonly offset = new ClockOffset(
    () => {
      const otherMs = this.nowMs + this.aheadMs;
      this.nowMs += this.heldMs;
      return otherMs;
    },
    () => this.nowMs,
  );

  after(ms: number, heldMs = 0): number {
    this.nowMs += ms;
    this.heldMs = heldMs;
    return this.offset.changedMs();
  }
}

suite('the offset of a clock', () => {
  test('changes by a jump, either way, once', () => {
    const machine = new Machine();
    assert.equal(machine.after(250), 0);
    machine.aheadMs += 3_600_000;
    assert.deepEqual([machine.after(250), machine.after(250)], [3_600_000, 0]);
    machine.aheadMs -= 7_200_000;
    assert.deepEqual([machine.after(250), machine.after(250)], [-7_200_000, 0]);
  });

  test('does not change while the process is held up between its reads, and hides no jump after that', () => {
    const machine = new Machine();
    assert.deepEqual([machine.after(250, 3000), machine.after(250), machine.after(250, 800)], [0, 0, 0]);
    machine.aheadMs += 2000;
    assert.equal(machine.after(250, 3000), 0, 'within what this look leaves open');
    assert.equal(machine.after(250), 2000, 'the next tells it whole');
  });

  test('is told of a jump that is larger than what a look leaves open', () => {
    const machine = new Machine();
    machine.aheadMs += 60_000;
    assert.equal(machine.after(250, 1200), 60_000 - 1200);
  });

  test('does not change where the clock cannot be read', () => {
    assert.equal(
      new ClockOffset(
        () => undefined,
        () => 1,
      ).changedMs(),
      0,
    );
  });
});
