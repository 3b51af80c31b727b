/** Adding and removing a site's witnesses, and the observer that one of them is. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { InvocationContext } from '@azure/functions';
import { answering } from '../../functions/http-answer.ts';
import { addWitness, removeWitness } from '../../src/app/witnesses.ts';
import { siteKind } from '../../src/documents/site.ts';
import { witnessRecordKind } from '../../src/documents/witness.ts';
import type { Witness } from '../../src/documents/witness.ts';
import { receiveWitness } from '../../src/health/doors/witness-word.ts';
import { LeewardError, isLeewardError } from '../../src/kernel/errors.ts';
import { parseSite } from '../../src/kernel/ids.ts';
import { documents as names } from '../../src/kernel/names.ts';
import type { Http } from '../../src/ports/http.ts';
import {
  newWitnessAccess,
  parseWitnessAccess,
  parseWitnessAccesses,
  serializeWitnessAccess,
} from '../../src/site/witness/access.ts';
import { Observer } from '../../src/site/witness/observer.ts';
import { SITE, createWorld } from '../failover/world.ts';
import type { World } from '../failover/world.ts';

const site = parseSite(SITE);
const timing = { gapMs: 60_000, everyMs: 15_000 };
const OSLO: Witness = { name: 'oslo', kind: 'observer', domain: 'oslo', everyMs: 30_000 };
const storageOf = (world: World) => ({ documents: world.documents, keySecret: world.heartbeats.keySecret });
const siteOf = async (world: World) => (await world.documents.need(siteKind, names.site(site))).value;

suite("a site's witnesses", () => {
  test('are its heartbeat and those that are added, each with a key where it posts its words', async () => {
    const world = await createWorld();
    const key = await addWitness(storageOf(world), site, { witness: OSLO, timing });
    assert.equal(key?.name, 'witness-oslo');
    const probe: Witness = {
      name: 'shop',
      kind: 'probe',
      domain: 'monitor',
      everyMs: 30_000,
      url: 'https://shop.example/',
    };
    assert.equal(await addWitness(storageOf(world), site, { witness: probe, timing }), undefined);
    await addWitness(storageOf(world), site, { witness: { ...OSLO, everyMs: 20_000 }, timing });
    const { witnesses, keys } = await siteOf(world);
    assert.deepEqual(
      witnesses?.map(({ name, everyMs }) => [name, everyMs]),
      [
        ['heartbeat', 15_000],
        ['shop', 30_000],
        ['oslo', 20_000],
      ],
    );
    assert.deepEqual(
      keys.filter(({ name }) => name.startsWith('witness')),
      [{ name: 'witness-oslo', state: 'active' }],
    );
  });

  test('fit every plan of the site, or are refused with the inequality', async () => {
    const world = await createWorld();
    const slow = { witness: { ...OSLO, everyMs: 41_000 }, timing };
    await assert.rejects(addWitness(storageOf(world), site, slow), {
      code: 'USAGE',
      message: /window ≥ 3 × interval of witness oslo does not hold: 120 s ≥ 3 × 41 s$/,
    });
    assert.equal((await siteOf(world)).witnesses, undefined);
    await world.heartbeat({ says: { stopMs: 20_000 } });
    await assert.rejects(addWitness(storageOf(world), site, { witness: OSLO, timing }), {
      code: 'USAGE',
      message: /fit: stop \+ kill < lease − lease\/3 does not hold: 20 s \+ 1 s < 30 s − 10 s$/,
    });
  });

  test('go with their keys, but the heartbeat stays', async () => {
    const world = await createWorld();
    await addWitness(storageOf(world), site, { witness: OSLO, timing });
    await removeWitness(world.documents, site, 'oslo');
    const { witnesses, keys } = await siteOf(world);
    assert.deepEqual(
      witnesses?.map(({ name }) => name),
      ['heartbeat'],
    );
    assert.deepEqual(keys.at(-1), { name: 'witness-oslo', state: 'revoked' });
    await assert.rejects(removeWitness(world.documents, site, 'oslo'), { code: 'NOT_FOUND' });
    await assert.rejects(removeWitness(world.documents, site, 'heartbeat'), { code: 'REFUSED' });
    await assert.rejects(addWitness(storageOf(world), site, { witness: OSLO, timing }), { message: /was revoked/ });
    const other = { witness: { ...OSLO, name: 'heartbeat' }, timing };
    await assert.rejects(addWitness(storageOf(world), site, other), { code: 'REFUSED' });
  });

  test('are one heartbeat, whose interval and domain can be changed under its own name', async () => {
    const world = await createWorld();
    const witness: Witness = { name: 'heartbeat', kind: 'heartbeat', domain: 'westeurope', everyMs: 20_000 };
    await addWitness(storageOf(world), site, { witness, timing });
    assert.deepEqual((await siteOf(world)).witnesses, [witness]);
    await assert.rejects(addWitness(storageOf(world), site, { witness: { ...witness, name: 'own' }, timing }), {
      code: 'REFUSED',
      message: /its heartbeats are the witness "heartbeat"; use that name$/,
    });
    assert.deepEqual((await siteOf(world)).witnesses, [witness]);
  });
});

suite('an observer', () => {
  const opened = async () => {
    const world = await createWorld();
    const key = await addWitness(storageOf(world), site, { witness: OSLO, timing });
    assert(key);
    const of = {
      witness: 'oslo',
      functionsUrl: 'http://leeward.example/',
      url: 'https://shop.example/',
      everyMs: 1000,
    };
    const access = parseWitnessAccess(serializeWitnessAccess(newWitnessAccess(key, of)));
    const seen: { status: number | undefined; posts: string[] } = { status: 200, posts: [] };
    const http: Http = {
      get: async (url) => {
        assert.equal(url, 'https://shop.example/');
        if (seen.status === undefined) throw new LeewardError('UNAVAILABLE', 'time out');
        return { status: seen.status, body: '' };
      },
      post: async (url, { body }) => {
        assert.equal(url, 'http://leeward.example/api/witness');
        seen.posts.push(body);
        return { status: 200, body: JSON.stringify(await receiveWitness(world.heartbeats, JSON.parse(body))) };
      },
    };
    const observer = new Observer({ access, http, clock: world.clock });
    const spoken = async () =>
      (await world.documents.read(witnessRecordKind, names.witness(site, 'oslo')))?.value.spoken.verdict;
    return { world, access, http, seen, observer, spoken };
  };

  test('says what it sees: an answer is up, a fault or none is down', async () => {
    const { observer, seen, spoken } = await opened();
    for (const [status, verdict] of [
      [200, 'up'],
      [301, 'up'],
      [404, 'up'],
      [500, 'down'],
      [503, 'down'],
      [undefined, 'down'],
    ] as const) {
      seen.status = status;
      assert.equal(await observer.look(), verdict);
      assert.equal(await spoken(), verdict);
    }
  });

  test('goes on as often as the cloud wants it, over what fails, until it is stopped', async () => {
    const { world, access, http, seen } = await opened();
    const failing: Http = {
      ...http,
      post: async (url, options) => {
        if (seen.posts.length !== 1) return await http.post(url, options);
        seen.posts.push('');
        return { status: 502, body: 'bad gateway' };
      },
    };
    const observer = new Observer({ access, http: failing, clock: world.clock });
    const ending = new AbortController();
    const beganMs = world.clock.wallMs();
    const told: unknown[] = [];
    await observer.run(ending.signal, (news) => {
      told.push('error' in news ? String(news.error) : news.verdict);
      if (told.length === 4) ending.abort();
    });
    assert.equal(told[0], 'up');
    assert.match(String(told[1]), /status 502/);
    assert.equal(world.clock.wallMs() - beganMs, 3 * OSLO.everyMs);
  });

  test('tells that it is refused, and why, whatever the words are', async () => {
    const { world, access, http } = await opened();
    let refusal: LeewardError | undefined;
    const answered: Http = {
      ...http,
      post: async (_, { body }) => {
        const answer = await answering(new InvocationContext(), async () => {
          if (refusal) throw refusal;
          return await receiveWitness(world.heartbeats, JSON.parse(body));
        });
        return { status: answer.status ?? 0, body: JSON.stringify(answer.jsonBody) };
      },
    };
    const observer = new Observer({ access, http: answered, clock: world.clock });
    await observer.look();
    const said = 'counter 7 of "oslo" did not grow: \\ is no reason';
    refusal = new LeewardError('REFUSED', said);
    await assert.rejects(observer.look(), (error) => isLeewardError(error, 'REFUSED') && error.message.endsWith(said));
    refusal = undefined;
    await removeWitness(world.documents, site, 'oslo');
    await assert.rejects(observer.look(), { code: 'SIGNATURE_INVALID', message: /^the word of witness oslo.*: .{10}/ });
  });

  test('reads a list of accesses without quoting it where it is wrong', async () => {
    const { access } = await opened();
    assert.deepEqual(parseWitnessAccesses(JSON.stringify([access])), [access]);
    for (const text of ['{', JSON.stringify([{ ...access, secret: 'no-secret' }])]) {
      assert.throws(
        () => parseWitnessAccesses(text),
        (error) => !String(error).includes('no-secret'),
      );
    }
  });
});
