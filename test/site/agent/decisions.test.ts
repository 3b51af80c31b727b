/** The site's decisions as they are kept, and told. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CURRENT_VERSION } from '../../../src/kernel/versions.ts';
import { keepDecision, listDecisions, newDecisionId, readDecision } from '../../../src/site/agent/decisions.ts';
import { limitsOf, usualMachine } from '../../../src/site/decide/config.ts';
import type { MachineDecision } from '../../../src/site/decide/decision.ts';
import { explainMachine } from '../../../src/site/decide/explain.ts';
import { failsWith } from '../../support/fails-with.ts';
import { MemoryTexts } from '../../support/memory/kept-texts.ts';

const NOW_MS = 1_700_000_000_000;

function decisionOf(decision: string, machine: string): MachineDecision {
  const applications = [{ name: 'database', priority: 1, state: 'failed' as const, found: 'port: refused' }];
  return {
    version: CURRENT_VERSION,
    ...{
      decision,
      machine,
      node: 'north',
      group: 'acme/berlin/erp',
      verdict: 'nothing',
      reason: 'another version said so',
    },
    history: { policy: 'highest-decides', applications, offline: [], nowWallMs: NOW_MS },
    escalation: {
      events: [],
      limits: limitsOf(usualMachine('north')),
      now: { bootId: 'boot', bootMs: 1000, wallMs: NOW_MS },
    },
  };
}

test('ids only grow, also where the clock was set back, and the newest hundred of each machine are kept', async () => {
  const texts = new MemoryTexts();
  await keepDecision(texts, decisionOf(await newDecisionId(texts, 'db-1', NOW_MS), 'db-1'));
  const ids: string[] = [];
  for (let at = 0; at < 120; at += 1) {
    const id = await newDecisionId(texts, 'db', NOW_MS - at * 1000);
    await keepDecision(texts, decisionOf(id, 'db'));
    ids.push(id);
  }
  assert.equal(new Set(ids).size, 120);
  const kept = await listDecisions(texts);
  assert.deepEqual(
    kept.filter((id) => id.startsWith('db.')),
    ids.slice(-100),
  );
  assert.equal(kept.filter((id) => id.startsWith('db-1.')).length, 1, "another machine's");
  for (const id of ['db.1', 'db.9999999999999', '../access']) {
    await assert.rejects(async () => readDecision(texts, id), failsWith('NOT_FOUND'));
  }
});

test('a decision that this program would make otherwise is told as such', () => {
  const { words, timeline } = explainMachine(decisionOf('db.1700000000000', 'db'));
  assert.match(
    words.at(-1) ?? '',
    /^Replayed by this program it would be: act, restart-application, because the highest/,
  );
  assert.deepEqual(timeline, [{ atMs: NOW_MS, beforeMs: 0, what: 'decided: nothing' }]);
});
