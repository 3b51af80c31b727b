/**
 * Witnesses at the real doors: words of observers, the monitor that goes by them, and what is refused and counted, with the
 * project's own functions over Azurite.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { decisionsOf } from '../../src/app/decisions.ts';
import { addGuard } from '../../src/app/registered-guards.ts';
import { knownSiteStatus } from '../../src/app/status.ts';
import { addWitness } from '../../src/app/witnesses.ts';
import { planKind } from '../../src/documents/plan.ts';
import { explain } from '../../src/health/decide/explain.ts';
import { parseGroup, parseSite } from '../../src/kernel/ids.ts';
import { documents as names } from '../../src/kernel/names.ts';
import { sign, witnessKey } from '../../src/protocol/signed.ts';
import type { SigningKey } from '../../src/protocol/signed.ts';
import { signingKey } from '../../src/site/send/access.ts';
import { newWitnessAccess } from '../../src/site/witness/access.ts';
import { Observer } from '../../src/site/witness/observer.ts';
import { SystemClock } from '../../src/system/clock.ts';
import { PlainHttp } from '../../src/system/http.ts';
import { Doors, QUIET } from '../support/integration/doors.ts';
import { register } from '../support/integration/live-site.ts';
import { LiveStack, until } from '../support/integration/live-stack.ts';

const GROUP = parseGroup('acme/berlin/erp');
const SITE = parseSite('acme/berlin');
const LIMIT_MS = 60_000;
const EVERY_MS = 3000;

describe('witnesses of a site', () => {
  let stack: LiveStack;
  let doors: Doors;
  let key: SigningKey;
  let status = 200;
  const shop = createServer((_, answer) => {
    answer.writeHead(status).end();
  });
  const observers: Observer[] = [];
  const keys: SigningKey[] = [];
  let counter = 0;

  before(async () => {
    shop.listen(0, '127.0.0.1');
    await once(shop, 'listening');
    stack = await LiveStack.up({ ...QUIET, LEEWARD_MONITOR_GAP_MS: '60000', LEEWARD_HEARTBEAT_MS: '3000' });
    doors = await Doors.open(stack);
    key = signingKey(await register(stack, 'acme/berlin/erp/data', { volumeBytes: 4096 }));
    await addGuard(stack.storage, GROUP, 'north');
    const address = shop.address();
    assert(address && typeof address === 'object');
    const url = `http://127.0.0.1:${address.port}/`;
    const timing = { gapMs: 5000, everyMs: 1000 };
    const probe = { name: 'shop', kind: 'probe' as const, domain: 'shop', everyMs: EVERY_MS, url };
    await addWitness(stack.storage, SITE, { witness: probe, timing });
    const oslo = { name: 'oslo', kind: 'observer' as const, domain: 'oslo', everyMs: EVERY_MS };
    const added = await addWitness(stack.storage, SITE, { witness: oslo, timing });
    assert(added);
    keys.push(added);
    const of = { witness: 'oslo', functionsUrl: stack.facts.functionsUrl, url, everyMs: EVERY_MS };
    observers.push(
      new Observer({ access: newWitnessAccess(added, of), http: new PlainHttp(), clock: new SystemClock() }),
    );
    // Shorter than what fits real intervals: nothing here happens by itself.
    await stack.storage.documents.update(planKind, names.plan(GROUP), (plan) => ({ ...plan, windowMs: 3000 }));
  });

  after(async () => {
    shop.close();
    await stack.close();
  });

  async function beat(): Promise<void> {
    counter += 1;
    const groups = [{ group: 'acme/berlin/erp', term: 1, lease: 'held', nodes: ['north'] }];
    const answer = await doors.post('heartbeat', JSON.stringify(sign(key, 'heartbeat', { counter, groups })));
    assert.equal(answer.status, 200, answer.text);
  }

  test('are heard at their own door, and what is forged, repeated or far ahead of the time is refused and counted', async () => {
    const [oslo] = keys;
    const [observer] = observers;
    assert(oslo && observer);
    assert.equal(await observer.look(), 'up');
    const far = Date.now() + 3 * 86_400_000;
    const bad: [string, number][] = [
      [JSON.stringify({ ...sign(oslo, 'witness', { counter: far, verdict: 'down' }), mac: '0'.repeat(64) }), 401],
      [JSON.stringify(sign(oslo, 'witness', { counter: 1, verdict: 'down' })), 409],
      [JSON.stringify(sign(oslo, 'witness', { counter: far, verdict: 'down' })), 409],
      [JSON.stringify(sign({ ...oslo, name: witnessKey('rome') }, 'witness', { counter: 9, verdict: 'down' })), 401],
      ['{', 400],
    ];
    for (const [body, expected] of bad) assert.equal((await doors.post('witness', body)).status, expected, body);
    await beat();
    const { refused } = await knownSiteStatus(stack.storage.documents, SITE);
    // The first at once, the others within a minute.
    assert.deepEqual(refused, { witness: { SIGNATURE_INVALID: 1 } });
  });

  test('a majority of them is what the monitor goes by, though the site is heard; the decision explains itself', async () => {
    status = 503;
    const [observer] = observers;
    const made = await until(
      () => 'no decision',
      LIMIT_MS,
      async () => {
        await beat();
        assert.equal(await observer?.look(), 'down');
        const said = await doors.callByHand('monitor', undefined);
        const trouble = said.find(({ level }) => level === 'error');
        assert.equal(trouble, undefined);
        const { decisions } = await decisionsOf(stack.storage.documents, GROUP);
        return decisions.find(({ verdict }) => verdict === 'report');
      },
    );
    assert.match(made.reason, /^2 of 3 failure domains .*shop: .*oslo: .*; the plan only reports/);
    const told = explain(made).join(' ').replaceAll(/ +/g, ' ');
    assert.match(told, /Witness heartbeat \(monitor\): up, for the last heartbeat came .*the decision is the same/);
    const { notices } = await knownSiteStatus(stack.storage.documents, SITE);
    assert.ok(notices.waiting >= 1);
  });
});
