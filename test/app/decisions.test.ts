/** What was decided on a group, as people ask for it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decisionOf, decisionsOf } from '../../src/app/decisions.ts';
import { explain, timeline } from '../../src/health/decide/explain.ts';
import { parseGroup } from '../../src/kernel/ids.ts';
import { GROUP, WINDOW_MS, createWorld } from '../failover/world.ts';

test('decisions are listed oldest first, each is found by its id, and what cannot be read hides no other', async () => {
  const world = await createWorld({ plan: { mode: 'ask', consents: [], answerMs: 60_000 } });
  await world.tick();
  await world.heartbeat();
  await world.renew();
  await world.live(2 * WINDOW_MS + 120_000);
  await world.state.create(`decisions/${GROUP}/broken.json`, '{');
  const { decisions, unreadable } = await decisionsOf(world.documents, parseGroup(GROUP));
  assert.deepEqual(
    decisions.map(({ verdict }) => verdict),
    ['ask', 'report'],
  );
  assert.equal(unreadable.length, 1);
  for (const made of decisions) {
    const found = await decisionOf(world.documents, `${GROUP}/${made.decision}`);
    assert.deepEqual(found, made);
    assert.match(explain(found).join(' '), /the decision is the same/);
    assert.ok(timeline(found.history).length > 4);
  }
  await assert.rejects(decisionOf(world.documents, `${GROUP}/t1-none-1`), { code: 'NOT_FOUND' });
  for (const id of ['shop', '', `${GROUP}/Ünsinn`]) {
    await assert.rejects(decisionOf(world.documents, id), { code: 'USAGE' });
  }
  await assert.rejects(decisionsOf(world.documents, { ...parseGroup(GROUP), group: 'none' }), { code: 'NOT_FOUND' });
});
