/** Old decisions are removed, but those that anything still refers to. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { siteDecisionKind } from '../../../src/documents/site-failure.ts';
import type { SiteDecisionDocument } from '../../../src/documents/site-failure.ts';
import { siteNotesKind } from '../../../src/documents/site-notes.ts';
import { Documents } from '../../../src/documents/store.ts';
import { removeOldDecisions } from '../../../src/health/monitor/kept-decisions.ts';
import { groupId, parseGroup, siteId } from '../../../src/kernel/ids.ts';
import { documents as names } from '../../../src/kernel/names.ts';
import { CURRENT_VERSION } from '../../../src/kernel/versions.ts';
import { askingHistory } from '../../support/asked.ts';
import { ManualClock } from '../../support/memory/clock.ts';
import { MemoryState } from '../../support/memory/state.ts';

const DAY_MS = 86_400_000;
const GROUP = parseGroup('acme/berlin/erp');
/** Its name begins like the other's. */
const OTHER = parseGroup('acme/berlin/erp-2');

test('alerts and reports are removed once they are old; the newest of each group and what is referred to stays', async () => {
  const clock = new ManualClock();
  const state = new MemoryState(clock);
  const documents = new Documents(state);
  const made = async (decision: string, verdict: SiteDecisionDocument['verdict'], group = GROUP): Promise<void> => {
    clock.advance(1000);
    await documents.create(siteDecisionKind, names.decision(group, decision), {
      version: CURRENT_VERSION,
      decision,
      group: groupId(group),
      actor: { kind: 'function', name: 'monitor', decision },
      verdict,
      reason: 'r',
      history: askingHistory(clock.wallMs()),
    });
  };
  const left = async (): Promise<string[]> => {
    const found: string[] = [];
    for await (const { name } of documents.list(names.allDecisions)) found.push(name.slice('decisions/'.length));
    return found;
  };
  await made('t1-alert-done', 'alert');
  await made('t1-alert-a', 'alert');
  await made('t1-report-a', 'report');
  await made('t1-ask-a', 'ask');
  await made('t1-fail-over-a', 'fail-over');
  await made('t1-report-a', 'report', OTHER);
  await made('t1-alert-b', 'alert', OTHER);
  await documents.create(siteNotesKind, names.siteNotes(GROUP), {
    version: CURRENT_VERSION,
    site: siteId(GROUP),
    probes: [],
    groups: [{ group: groupId(GROUP), watchedMs: 0, done: 't1-alert-done' }],
    words: [],
  });
  clock.advance(29 * DAY_MS);
  await made('t1-report-young', 'report');
  await made('t1-report-younger', 'report');
  // Of a program that labelled nothing.
  await state.create(names.decision(GROUP, 't1-alert-unlabelled'), '{}');
  const keptMs = 30 * DAY_MS;
  assert.equal(await removeOldDecisions(documents, { keptMs }), 0);
  clock.advance(2 * DAY_MS);
  assert.equal(await removeOldDecisions(documents, { keptMs }), 3);
  assert.deepEqual((await left()).toSorted(), [
    'acme/berlin/erp-2/t1-alert-b.json',
    'acme/berlin/erp/t1-alert-done.json',
    'acme/berlin/erp/t1-alert-unlabelled.json',
    'acme/berlin/erp/t1-ask-a.json',
    'acme/berlin/erp/t1-fail-over-a.json',
    'acme/berlin/erp/t1-report-young.json',
    'acme/berlin/erp/t1-report-younger.json',
  ]);
  assert.equal(await removeOldDecisions(documents, { keptMs }), 0);
});
