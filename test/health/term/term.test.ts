/** Who may run a group: each change of its document, and what competes for one write. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { GroupDocument } from '../../../src/documents/group.ts';
import {
  bound,
  closed,
  confirmedStopped,
  endedForCloud,
  freed,
  lastGranted,
  openedForSite,
  promisedBy,
  renewed,
  untilStoppedMs,
  whyNoLease,
  whyNotBound,
  withGuards,
  wonBySite,
} from '../../../src/health/term/term.ts';
import { CURRENT_VERSION } from '../../../src/kernel/versions.ts';
import { NO_NONCE } from '../../../src/protocol/lease.ts';

const RUN = 't1-unplanned-1';
const ACTOR = { kind: 'by-hand' as const };
const LEASE_MS = 60_000;
const MARGIN_MS = 7000;
const open: GroupDocument = {
  version: CURRENT_VERSION,
  group: 'acme/berlin/erp',
  term: 1,
  phase: 'open',
  holder: 'site',
  leaseMs: LEASE_MS,
  marginMs: MARGIN_MS,
  renewals: 3,
  run: null,
  closing: null,
  guards: [{ node: 'north' }, { node: 'south' }],
};

const FIRST = { group: 'acme/berlin/erp', nonce: 'a'.repeat(32), node: 'north' };

const must = (group: GroupDocument | undefined): GroupDocument => {
  assert(group);
  return group;
};
/** Bound to the run over a version of second 100, closed over one of second 101. */
const boundGroup = must(bound(open, RUN, 100_000));
const closing = must(closed(boundGroup, { run: RUN, actor: ACTOR, lastModifiedMs: 101_000 }));
const promise = (node: string) => ({ term: 1, run: RUN, node });

suite('the term of a group', () => {
  test('a lease is granted in an open term of the site alone', () => {
    assert.equal(must(renewed(open, [FIRST]).after).renewals, 4);
    const none = [
      closing,
      must(wonBySite(closing, RUN)),
      must(endedForCloud(closing, RUN)),
      { ...open, holder: 'cloud' as const },
    ];
    for (const group of none) {
      assert.equal(renewed(group, [FIRST]).after, undefined);
      assert.notEqual(whyNoLease(group), undefined);
    }
  });

  test('a question is granted once, after the one that it names, for each node', () => {
    const once = must(renewed(open, [FIRST]).after);
    assert.equal(renewed(once, [FIRST]).after, undefined, 'sent again');
    assert.equal(renewed(once, [{ ...FIRST, nonce: 'b'.repeat(32) }]).after, undefined, 'asked before the answer came');
    const second = { ...FIRST, nonce: 'b'.repeat(32), after: FIRST.nonce };
    const twice = must(renewed(once, [second]).after);
    assert.equal(lastGranted(twice, 'north'), second.nonce);
    assert.equal(lastGranted(twice, 'south'), NO_NONCE, "another node's own");
    for (const recorded of [FIRST, second]) assert.equal(renewed(twice, [recorded]).after, undefined);
    const south = { ...second, node: 'south', after: NO_NONCE };
    const both = must(renewed(twice, [FIRST, south]).after);
    assert.deepEqual(
      [both.renewals, lastGranted(both, 'north')],
      [6, second.nonce],
      'one that may, and one that may not',
    );
  });

  test('a node may have any name', () => {
    const question = { ...FIRST, node: 'constructor' };
    const group = { ...must(renewed(open, [FIRST]).after), guards: [{ node: 'constructor' }] };
    const once = must(renewed(group, [question]).after);
    assert.equal(lastGranted(once, 'constructor'), question.nonce);
  });

  test('a guard that is removed and added again goes on where it was', () => {
    const once = must(renewed(open, [FIRST]).after);
    const without = must(withGuards(once, ['south'], 1000));
    assert.equal(renewed(must(withGuards(without, ['north', 'south'], 2000)), [FIRST]).after, undefined);
  });

  test('what is waited for is the last grant before the closing, not the binding of the run', () => {
    assert.equal(closing.closing?.lastGrantMs, 100_000);
    const renewedSince = must(renewed(boundGroup, [FIRST]).after);
    const later = must(closed(renewedSince, { run: RUN, actor: ACTOR, lastModifiedMs: 105_000 }));
    assert.equal(later.closing?.lastGrantMs, 105_000);
  });

  test('the wait ends with the lease, its margin and the second that the service cuts off', () => {
    const endMs = 100_000 + 1000 + LEASE_MS + MARGIN_MS;
    assert.equal(untilStoppedMs(closing, RUN, 101_000), endMs - 101_000);
    assert.equal(untilStoppedMs(closing, RUN, endMs), 0);
    assert.throws(() => untilStoppedMs(open, RUN, endMs), { code: 'REFUSED' });
    assert.throws(() => untilStoppedMs(closing, 'another', endMs), { code: 'REFUSED' });
  });

  test('the promises of all guards end the wait, those of some do not', () => {
    const one = must(promisedBy(closing, promise('north')));
    assert.ok(untilStoppedMs(one, RUN, 101_000) > 0);
    assert.equal(untilStoppedMs(must(promisedBy(one, promise('south'))), RUN, 101_000), 0);
    assert.equal(promisedBy(one, promise('north')), undefined, 'twice is once');
    assert.equal(promisedBy(closing, promise('east')), undefined, 'no guard of the group');
    assert.equal(promisedBy(closing, { ...promise('north'), run: 'another' }), undefined);
    assert.equal(promisedBy(closing, { ...promise('north'), term: 2 }), undefined);
    assert.equal(promisedBy(open, promise('north')), undefined);
  });

  test('promises are not all there is to wait for soon after the guards were changed', () => {
    const changed = must(withGuards(open, ['north'], 99_000));
    assert.deepEqual([changed.guards, changed.earlierGrantMs], [[{ node: 'north' }], 99_000]);
    assert.equal(withGuards(changed, ['north'], 100_000), undefined, 'they are so already');
    const ends = must(closed(must(bound(changed, RUN, 100_000)), { run: RUN, actor: ACTOR, lastModifiedMs: 101_000 }));
    const all = must(promisedBy(ends, promise('north')));
    const endMs = 99_000 + 1000 + LEASE_MS + MARGIN_MS;
    assert.equal(untilStoppedMs(all, RUN, 101_000), endMs - 101_000, 'south may still have a lease');
    assert.equal(untilStoppedMs(all, RUN, endMs), 0);
    assert.throws(() => withGuards(ends, ['north', 'south'], 1), { code: 'REFUSED' });
    assert.throws(() => withGuards(boundGroup, ['north'], 1), { code: 'REFUSED' });
  });

  test('where leases keep, no time ends the wait: every promise does, or a person', () => {
    const kept: GroupDocument = { ...closing, lease: 'keep' };
    const YEAR_MS = 365 * 86_400_000;
    assert.equal(untilStoppedMs(kept, RUN, YEAR_MS), Infinity);
    const one = must(promisedBy(kept, promise('north')));
    assert.equal(untilStoppedMs(one, RUN, YEAR_MS), Infinity);
    assert.equal(untilStoppedMs(must(promisedBy(one, promise('south'))), RUN, 101_000), 0);
    assert.equal(untilStoppedMs({ ...kept, guards: undefined }, RUN, YEAR_MS), Infinity, 'nobody is there to promise');
    const endMs = 100_000 + 1000 + LEASE_MS + MARGIN_MS;
    const by = { actor: ACTOR, atMs: endMs };
    assert.throws(() => confirmedStopped(one, RUN, { ...by, atMs: endMs - 1000 }), {
      code: 'REFUSED',
      message: /look again in 1 s/,
    });
    const confirmed = must(confirmedStopped(one, RUN, by));
    assert.deepEqual(confirmed.closing?.confirmed, by);
    assert.equal(untilStoppedMs(confirmed, RUN, endMs), 0);
    assert.equal(confirmedStopped(confirmed, RUN, { ...by, atMs: endMs + 1000 }), undefined, 'the first word stays');
    assert.throws(() => confirmedStopped(kept, 'another', by), { code: 'REFUSED' });
    assert.throws(() => confirmedStopped({ ...open, lease: 'keep' }, RUN, by), { code: 'REFUSED' });
    assert.throws(() => confirmedStopped(must(wonBySite(kept, RUN)), RUN, by), { code: 'REFUSED' });
    assert.throws(() => confirmedStopped(closing, RUN, by), { code: 'REFUSED', message: /strict/ });
  });

  test('where leases keep, a guard can join and none can leave', () => {
    const kept: GroupDocument = { ...open, lease: 'keep' };
    assert.equal(must(withGuards(kept, ['north', 'south', 'east'], 1)).guards?.length, 3);
    assert.throws(() => withGuards(kept, ['north'], 1), { code: 'REFUSED', message: /south/ });
  });

  test('without guards nobody can promise: only time ends the wait', () => {
    const alone = { ...closing, guards: undefined };
    assert.ok(untilStoppedMs(alone, RUN, 101_000) > 0);
  });

  test('a run is bound to a free open term of the site, once, and never again after it was undone', () => {
    assert.equal(whyNotBound(open, RUN), undefined);
    assert.equal(bound(boundGroup, RUN, 1), undefined, 'bound already');
    const free = must(freed(boundGroup, RUN));
    assert.match(whyNotBound(free, RUN) ?? '', /was undone/);
    assert.equal(whyNotBound(free, 't1-unplanned-2'), undefined);
    assert.match(whyNotBound(boundGroup, 't1-unplanned-2') ?? '', /moves it already/);
    assert.match(whyNotBound({ ...closing, run: null }, RUN) ?? '', /is closing/);
    assert.match(whyNotBound({ ...open, holder: 'cloud' }, RUN) ?? '', /the cloud has term 1/);
  });

  test('freeing and closing compete: a closed group is not freed, a freed one is not closed', () => {
    assert.equal(freed(closing, RUN), undefined);
    const free = must(freed(boundGroup, RUN));
    assert.throws(() => closed(free, { run: RUN, actor: ACTOR, lastModifiedMs: 1 }), { code: 'REFUSED' });
    assert.equal(closed(closing, { run: RUN, actor: ACTOR, lastModifiedMs: 1 }), undefined, 'closed by it already');
  });

  test('ending for the cloud and winning for the site compete: whoever is second is refused', () => {
    const cloud = must(endedForCloud(closing, RUN));
    assert.deepEqual([cloud.phase, cloud.holder], ['ended', 'cloud']);
    assert.throws(() => wonBySite(cloud, RUN), { code: 'REFUSED' });
    assert.equal(endedForCloud(cloud, RUN), undefined);
    const site = must(wonBySite(closing, RUN));
    assert.deepEqual([site.phase, site.holder], ['ended', 'site']);
    assert.throws(() => endedForCloud(site, RUN), { code: 'REFUSED' });
    assert.equal(wonBySite(site, RUN), undefined);
    for (const end of [endedForCloud, wonBySite]) assert.throws(() => end(closing, 'another'), { code: 'REFUSED' });
  });

  test("the site's next term opens only after the run has ended the one before, and as a fresh one", () => {
    assert.throws(() => openedForSite(closing, RUN), { code: 'REFUSED' });
    assert.throws(() => openedForSite(must(wonBySite(closing, RUN)), 'another'), { code: 'REFUSED' });
    const taken = must(openedForSite(must(endedForCloud(closing, RUN)), RUN));
    assert.partialDeepStrictEqual(taken, { term: 2, phase: 'open', holder: 'site' }, 'taken back from the cloud');
    const next = must(openedForSite(must(wonBySite(closing, RUN)), RUN));
    assert.partialDeepStrictEqual(next, {
      term: 2,
      phase: 'open',
      holder: 'site',
      renewals: 0,
      run: null,
      closing: null,
    });
    assert.equal(openedForSite(next, RUN), undefined, 'open already');
    assert.equal(whyNoLease(next), undefined);
    assert.match(whyNotBound(next, RUN) ?? '', /was undone/);
    assert.equal(promisedBy(next, promise('north')), undefined, 'a promise of the term before');
  });
});
