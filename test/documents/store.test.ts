/** Documents: checked both ways, newer formats refused, unknown fields kept, changes only over what was read. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { Documents } from '../../src/documents/store.ts';
import { groupKind } from '../../src/documents/group.ts';
import type { GroupDocument } from '../../src/documents/group.ts';
import { CURRENT_VERSION } from '../../src/kernel/versions.ts';
import { ManualClock } from '../support/memory/clock.ts';
import { MemoryState } from '../support/memory/state.ts';

const NAME = 'groups/acme/paris/shop.json';
const GROUP: GroupDocument = {
  version: CURRENT_VERSION,
  group: 'acme/paris/shop',
  term: 1,
  phase: 'open',
  holder: 'site',
  leaseMs: 6000,
  marginMs: 2000,
  renewals: 0,
  run: null,
  closing: null,
};

function open(): { state: MemoryState; documents: Documents } {
  const state = new MemoryState(new ManualClock());
  return { state, documents: new Documents(state) };
}

suite('documents', () => {
  test('what a newer program added survives a rewrite, deep inside too', async () => {
    const { state, documents } = open();
    const newer = { ...GROUP, colour: 'blue', version: { ...CURRENT_VERSION, format: 2, note: 'added' } };
    await state.create(NAME, JSON.stringify(newer));
    await documents.update(groupKind, NAME, (group) => ({ ...group, renewals: 1 }));
    const { document } = await state.read(NAME);
    assert.deepEqual(JSON.parse(document?.text ?? ''), { ...newer, renewals: 1 });
  });

  test('a format that only newer programs may read is refused, and a retry helps', async () => {
    const { state, documents } = open();
    await state.create(NAME, JSON.stringify({ version: { format: 3, oldestReader: 2, oldestWriter: 2 } }));
    await assert.rejects(documents.need(groupKind, NAME), { code: 'VERSION_TOO_NEW', retryHelps: true });
  });

  test('a format that only newer programs may rewrite can be read', async () => {
    const { state, documents } = open();
    const newer = { ...GROUP, version: { format: 2, oldestReader: 1, oldestWriter: 2 } };
    await state.create(NAME, JSON.stringify(newer));
    assert.equal((await documents.need(groupKind, NAME)).value.term, 1);
    const change = documents.update(groupKind, NAME, (group) => ({ ...group, renewals: 1 }));
    await assert.rejects(change, { code: 'VERSION_TOO_NEW' });
    assert.deepEqual(JSON.parse((await state.read(NAME)).document?.text ?? ''), newer);
  });

  test('what does not fit its schema is neither read nor written, and the field is named', async () => {
    const { state, documents } = open();
    await state.create(NAME, JSON.stringify({ ...GROUP, term: 'one' }));
    await assert.rejects(documents.need(groupKind, NAME), { code: 'DOCUMENT_INVALID', message: /term/ });
    const wrong = { ...GROUP, phase: 'closing' as const };
    await assert.rejects(documents.create(groupKind, 'groups/a/b/c.json', wrong), { message: /closing/ });
    assert.equal((await state.read('groups/a/b/c.json')).document, undefined);
  });

  test('text that is no JSON is told as that', async () => {
    const { state, documents } = open();
    await state.create(NAME, '{');
    await assert.rejects(documents.need(groupKind, NAME), { code: 'DOCUMENT_INVALID', message: /not JSON/ });
  });

  test('a change is made again on what somebody else wrote meanwhile', async () => {
    const { documents } = open();
    await documents.create(groupKind, NAME, GROUP);
    let meddled = false;
    const { value } = await documents.update(groupKind, NAME, (group) => {
      if (!meddled) {
        meddled = true;
        void documents.update(groupKind, NAME, (other) => ({ ...other, term: 2 }));
      }
      return { ...group, renewals: group.renewals + 1 };
    });
    assert.equal(value.renewals, 1);
    const held = await documents.need(groupKind, NAME);
    assert.equal(held.value.renewals, 1);
  });

  test('what may not be there yet is made, or made anew of what somebody else wrote meanwhile', async () => {
    const { state, documents } = open();
    const readings: (readonly [term: number | undefined, isAgain: boolean])[] = [];
    const record = () =>
      documents.record(groupKind, NAME, (found, { isAgain }) => {
        readings.push([found?.value.term, isAgain]);
        if (readings.length === 1) void state.create(NAME, JSON.stringify({ ...GROUP, term: 7 }));
        return { ...(found?.value ?? GROUP), renewals: 5 };
      });
    const { held } = await record();
    assert.deepEqual([held.value.term, held.value.renewals], [7, 5]);
    assert.deepEqual(readings, [
      [undefined, false],
      [7, true],
    ]);
    const again = await documents.record(groupKind, NAME, (found) => found?.value ?? GROUP);
    assert.equal(again.held.etag, held.etag, 'nothing new is no write');
    await documents.remove(NAME);
    assert.equal((await record()).held.value.term, GROUP.term);
  });

  test('a version that was replaced cannot be written over', async () => {
    const { documents } = open();
    const first = await documents.create(groupKind, NAME, GROUP);
    await documents.replace(groupKind, first, { ...GROUP, renewals: 1 });
    await assert.rejects(documents.replace(groupKind, first, { ...GROUP, renewals: 9 }), { code: 'CONFLICT' });
    assert.equal((await documents.need(groupKind, NAME)).value.renewals, 1);
  });
});
