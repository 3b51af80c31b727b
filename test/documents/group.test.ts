/** What bounds the last grant: the document's time of writing, or an earlier time if no renewal was counted since. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lastGrantBoundMs } from '../../src/documents/group.ts';
import type { GroupDocument } from '../../src/documents/group.ts';
import { CURRENT_VERSION } from '../../src/kernel/versions.ts';

const GROUP: GroupDocument = {
  version: CURRENT_VERSION,
  group: 'acme/paris/shop',
  term: 1,
  phase: 'open',
  holder: 'site',
  leaseMs: 6000,
  marginMs: 2000,
  renewals: 7,
  run: null,
  closing: null,
};

test('without a word about it, any write may have been a grant', () => {
  assert.equal(lastGrantBoundMs(GROUP, 9000), 9000);
});

test('a write that was no renewal does not count as one', () => {
  assert.equal(lastGrantBoundMs({ ...GROUP, quiet: { renewals: 7, sinceMs: 4000 } }, 9000), 4000);
});

test('a renewal since then ends that', () => {
  assert.equal(lastGrantBoundMs({ ...GROUP, quiet: { renewals: 6, sinceMs: 4000 } }, 9000), 9000);
});

test('the bound is never later than the writing', () => {
  assert.equal(lastGrantBoundMs({ ...GROUP, quiet: { renewals: 7, sinceMs: 12_000 } }, 9000), 9000);
});

test('whatever renewals, bindings and freeings follow one another, no grant is later than the bound', () => {
  const STEPS = ['renew', 'bind', 'free'] as const;
  const LENGTH = 8;
  for (let run = 0; run < STEPS.length ** LENGTH; run += 1) {
    let group = GROUP;
    let writtenMs = 1000;
    let lastGrantMs = 0;
    for (let step = 0, rest = run; step < LENGTH; step += 1, rest = Math.floor(rest / STEPS.length)) {
      // Some writes fall into one of the service's seconds: its clock does not move between them.
      const nowMs = writtenMs + (step % 2) * 1000;
      switch (STEPS[rest % STEPS.length]) {
        case 'renew':
          group = { ...group, renewals: group.renewals + 1 };
          lastGrantMs = nowMs;
          break;
        case 'bind':
          group = {
            ...group,
            run: 'r',
            quiet: { renewals: group.renewals, sinceMs: lastGrantBoundMs(group, writtenMs) },
          };
          break;
        case 'free':
        case undefined:
          group = { ...group, run: null };
      }
      writtenMs = nowMs;
      assert.ok(lastGrantBoundMs(group, writtenMs) >= lastGrantMs, `sequence ${run}, step ${step}`);
    }
  }
});
