/** A volume's document stays small, whatever a site says and however long: it is read whole, and has to be written. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SNAPSHOTS_KEPT_MAX } from '../../src/documents/generation.ts';
import { volumeKind } from '../../src/documents/volume.ts';
import { writeProperties } from '../../src/delta/properties.ts';
import type { VolumeProperties } from '../../src/delta/properties.ts';
import { sha256Hex } from '../../src/kernel/hash.ts';
import { KIB, MIB } from '../../src/kernel/units.ts';
import { DOCUMENT_BYTES_MAX } from '../../src/ports/state.ts';
import { askFor, endTerm, noteFork } from '../../src/replica/chain/chain.ts';
import { GENERATIONS_MAX, begin, orderReseed } from '../../src/replica/generation/generations.ts';
import { heedWord } from '../../src/replica/intake/site-word.ts';
import { runUpkeep } from '../../src/replica/rounds/upkeep.ts';
import type { MemoryStorage } from '../support/data-path.ts';
import { baseDigestOf, putList } from '../support/range-lists.ts';
import { SiteFixture } from '../support/site-fixture.ts';
import { start } from './start.ts';

const HOUR_MS = 3_600_000;

/** As many properties as a delta may have. */
function fullest(): VolumeProperties {
  const mountPoints = Array.from({ length: 64 }, (_, at) => `/${String(at).padEnd(57, 'm')}`);
  const properties = { label: 'x'.repeat(100), mountPoints };
  assert(4096 - Buffer.byteLength(writeProperties(properties)) < 128);
  return properties;
}

async function sizeBytes(storage: MemoryStorage, site: SiteFixture): Promise<number> {
  return Buffer.byteLength((await storage.state.read(site.documentName)).document?.text ?? '');
}

test('of a site that loses its state every hour, whether upkeep comes or not', async () => {
  for (const hasUpkeep of [true, false]) {
    const { storage, site, worker } = await start({}, { snapshotsKept: 4 });
    let now = site;
    const sizes: number[] = [];
    for (let generation = 1; generation <= 12; generation += 1) {
      for (let at = 0; at < 5; at += 1) {
        await worker.receive(now.inline(now.next({ marker: `m${at}`, properties: fullest() })));
      }
      sizes.push(await sizeBytes(storage, site));
      storage.clock.advance(HOUR_MS);
      const word = { volume: site.id, generation, stored: 0, waitingBytes: 0, wants: 'generation' as const };
      await heedWord(storage, word, storage.clock.wallMs());
      await worker.sweep();
      const bytes = now.bytesAt(now.last);
      const digest = baseDigestOf(site.id, generation + 1, bytes);
      now = new SiteFixture({ volume: site.ref, generation: generation + 1 }, [{ number: 0, digest, bytes }]);
      await worker.receive(await putList(storage.entries, now, { number: 0 }));
      if (hasUpkeep) await runUpkeep(storage, { keptMs: 7 * 24 * HOUR_MS });
    }
    const [before = 0, after = Infinity] = [sizes[5], sizes[11]];
    assert.ok(after - before < 6 * 2 * KIB, `it grew by ${after - before} bytes in six generations`);
  }
});

test('at its fullest it can be written, and the end of a term still fits', async () => {
  const { storage, site, worker } = await start({}, { snapshotsKept: SNAPSHOTS_KEPT_MAX });
  const points = SNAPSHOTS_KEPT_MAX;
  for (let at = 0; at < points; at += 1) {
    await worker.receive(site.inline(site.next({ extents: [], marker: 'm'.repeat(128), properties: fullest() })));
  }
  const reseed = { from: 'zeros' as const, reason: 'r'.repeat(200), sinceMs: 0 };
  let value = await storage.volume(site);
  for (let count = 0; ; count += 1) {
    const ordered = orderReseed(value, reseed);
    if (!ordered) break;
    assert.ok(count < GENERATIONS_MAX);
    value = begin(ordered, 0);
  }
  assert.equal(Object.keys(value.generations).length, GENERATIONS_MAX);
  // As if the present one had as many points, and all that may be asked for.
  const current = value.generations[String(value.current)];
  const old = value.generations['1'];
  assert(current && old);
  const full = { ...current, properties: old.properties, snapshots: old.snapshots, applied: old.applied, tip: old.tip };
  value = { ...value, generations: { ...value.generations, [String(value.current)]: full } };
  for (let number = 601; number <= 700; number += 1) {
    for (let tries = 0; tries < 40; tries += 1) {
      const unresolvable = `${sha256Hex(`${number} ${tries}`)}${'e'.repeat(300)}`;
      value = askFor(value, { number, form: 'literal-9', unresolvable, why: 'x'.repeat(600), sinceMs: 0 }) ?? value;
    }
  }
  const ranges = Array.from({ length: 256 }, (_, at) => ({ offset: at * 8 * MIB, lengthBytes: 4 * MIB }));
  const repair = { id: 'r'.repeat(200), ranges, sinceMs: 0 };
  const verification = { ...full.tip, generation: value.current, entry: 'e'.repeat(400), sinceMs: 0, next: 0 };
  value = noteFork(
    { ...value, repair, verification: { ...verification, differing: ranges } },
    { message: 'm'.repeat(1000), sinceMs: 0 },
  );
  const written = await storage.documents.create(volumeKind, 'volumes/acme/berlin/erp/full.json', value);
  const ended = await storage.documents.update(volumeKind, written.name, (document) => endTerm(document, 1));
  const { document } = await storage.state.read(ended.name);
  assert.ok(Buffer.byteLength(document?.text ?? '') < DOCUMENT_BYTES_MAX);
});
