/** Whether a plan is one: what it covers, and that its sums are those of its requests. */
import assert from 'node:assert/strict';
import type { ByteRange } from '../../../src/kernel/byte-range.ts';
import { timeOf } from '../../../src/replica/plan/cost.ts';
import type { ApplyPlan, PlanOptions } from '../../../src/replica/plan/plan.ts';
import type { PageRun } from '../../../src/replica/plan/segments.ts';
import { PAGE_BYTES } from '../../../src/kernel/units.ts';

/** Fails unless the plan's requests do what `runs` demand, and nothing else, at the cost that it states. */
export function checkPlan(plan: ApplyPlan, runs: readonly PageRun[], options: Required<PlanOptions>): void {
  const { costs, limits, zerosFrom } = options;
  const writes = plan.steps.filter((step) => step.kind === 'write');
  const clears = plan.steps.filter((step) => step.kind === 'clear');
  const literals = runs.filter(({ kind }) => kind === 'literal');
  const zeros = runs.filter(({ kind }) => kind === 'zeros');
  ascends(plan.steps);
  ascends(plan.reads);
  for (const { lengthBytes } of writes) assert(lengthBytes <= limits.writeBytesMax, 'a write is too long');
  for (const { lengthBytes } of plan.reads) assert(lengthBytes <= limits.readBytesMax, 'a read is too long');
  assert.equal(overlap(writes, literals), sum(literals), 'literal bytes are not written');
  const before = zeros.flatMap((run) => upTo(run, zerosFrom));
  assert.equal(overlap(plan.steps, before), sum(before), 'zeros are neither written nor cleared');
  assert.equal(overlap(clears, zeros), sum(clears), 'something is cleared that should stay');
  const gaps = writes.flatMap((write) => write.gaps);
  ascends(gaps);
  for (const write of writes) assert.equal(overlap([write], write.gaps), sum(write.gaps), 'a gap outside its write');
  assert.equal(overlap(plan.reads, gaps), sum(gaps), 'a gap is not read');
  assert.equal(overlap(runs, gaps), 0, 'a gap that is none');
  // All that is written besides the runs is read, or known to be zeros.
  const unknown = writes.flatMap((write) => upTo(write, zerosFrom));
  assert.equal(sum(unknown), overlap(unknown, runs) + sum(gaps), 'bytes of nowhere are written');
  const bytes = sum(writes) + sum(plan.reads);
  const requests = plan.steps.length + plan.reads.length;
  assert.deepEqual({ bytes: plan.bytes, requests: plan.requests }, { bytes, requests });
  assert.equal(plan.timeS, timeOf({ requests, pages: bytes / PAGE_BYTES }, costs));
  assert(plan.lowerBoundS <= plan.timeS);
}

function ascends(ranges: readonly ByteRange[]): void {
  let end = 0;
  for (const { offset, lengthBytes } of ranges) {
    assert(offset >= end && lengthBytes > 0 && lengthBytes % PAGE_BYTES === 0 && offset % PAGE_BYTES === 0);
    end = offset + lengthBytes;
  }
}

function sum(ranges: readonly ByteRange[]): number {
  return ranges.reduce((bytes, { lengthBytes }) => bytes + lengthBytes, 0);
}

/** Bytes that lie in both; either ascends without overlaps. */
function overlap(some: readonly ByteRange[], others: readonly ByteRange[]): number {
  let [bytes, next] = [0, 0];
  for (const { offset, lengthBytes } of some) {
    const end = offset + lengthBytes;
    for (let index = next; index < others.length; index += 1) {
      const other = others[index];
      if (!other || other.offset >= end) break;
      const otherEnd = other.offset + other.lengthBytes;
      bytes += Math.max(0, Math.min(end, otherEnd) - Math.max(offset, other.offset));
      if (otherEnd <= end) next = index + 1;
    }
  }
  return bytes;
}

function upTo({ offset, lengthBytes }: ByteRange, limit: number): ByteRange[] {
  return offset < limit ? [{ offset, lengthBytes: Math.min(lengthBytes, limit - offset) }] : [];
}
