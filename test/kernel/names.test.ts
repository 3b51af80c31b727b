/** Names: legal in Azure, one for each thing, and read back as they were made. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { ID_LENGTH_MAX, parseVolume, volumeId } from '../../src/kernel/ids.ts';
import type { VolumeRef } from '../../src/kernel/ids.ts';
import {
  GENERATION_MAX,
  documents,
  fenceOf,
  journalContainer,
  journalEntry,
  parseForm,
  parseJournalEntry,
  parseVolumeDocument,
  rangesEntry,
  replicaBlob,
  uploadContainer,
} from '../../src/kernel/names.ts';
import { NO_DIGEST } from '../../src/kernel/hash.ts';

const part = (lengthMax: number): fc.Arbitrary<string> =>
  fc.stringMatching(/^[a-z0-9]+(-[a-z0-9]+)*$/).filter((text) => text.length <= lengthMax);
const volumes: fc.Arbitrary<VolumeRef> = fc.record({
  tenant: part(ID_LENGTH_MAX.tenant),
  site: part(ID_LENGTH_MAX.site),
  group: part(ID_LENGTH_MAX.group),
  volume: part(ID_LENGTH_MAX.volume),
});

suite('identifiers', () => {
  test('a text that was made from an identifier is read back as it', () => {
    fc.assert(
      fc.property(volumes, (volume) => {
        assert.deepEqual(parseVolume(volumeId(volume)), { ...volume });
      }),
    );
  });

  for (const wrong of [
    '',
    'a/b/c',
    'a/b/c/d/e',
    'a/b//d',
    'A/b/c/d',
    'a/b/c/d ',
    'a/b/c/../d',
    'a/b/c/-d',
    'a/b/c/d--e',
    'a/b/c/d-',
    `a/b/c/${'d'.repeat(61)}`,
    `${'a'.repeat(21)}/b/c/d`,
    'a/b/c/dé',
    'a/b/c/d\n',
  ]) {
    test(`${JSON.stringify(wrong)} is none, and the refusal says what is expected`, () => {
      assert.throws(() => parseVolume(wrong), { code: 'IDENTIFIER_INVALID', message: /form|lower-case/ });
    });
  }
});

suite('names', () => {
  test("a volume's document is read back as the volume, and nothing else is one", () => {
    const volume = parseVolume('tenant/site/group/volume');
    assert.equal(parseVolumeDocument(documents.volume(volume)), volumeId(volume));
    for (const name of [documents.site(volume), documents.allVolumes, `${documents.volume(volume)}.old`]) {
      assert.equal(parseVolumeDocument(name), undefined);
    }
  });

  test('containers and blobs are legal, however long the identifiers', () => {
    fc.assert(
      fc.property(volumes, fc.integer({ min: 1, max: GENERATION_MAX }), (volume, generation) => {
        assert.match(journalContainer(volume), /^[a-z0-9](?:[a-z0-9]|-(?=[a-z0-9])){2,62}$/);
        assert.ok(replicaBlob(volume, generation).length <= 1024);
      }),
    );
  });

  test('sites whose names run together have journals of their own', () => {
    assert.notEqual(journalContainer({ tenant: 'a-b', site: 'c' }), journalContainer({ tenant: 'a', site: 'b-c' }));
  });

  test('a journal entry is read back as it was named, and no other spelling is one', () => {
    const volume = { tenant: 't', site: 's', group: 'g', volume: 'v' };
    const entry = { generation: 3, number: 4_294_967_295, digest: NO_DIGEST, form: 'literal-2' as const };
    const name = journalEntry(volume, entry);
    assert.deepEqual(parseJournalEntry(name), { ...entry, group: 'g', volume: 'v' });
    for (const other of [
      ` ${name}`,
      name.toUpperCase(),
      name.replace('literal', 'liberal'),
      name.replace('literal-2', 'literal-0'),
      name.replace('literal-2', 'literal-02'),
      name.replace('literal-2', 'literal-10000'),
      `${name}.delta`,
      `x/${name}`,
    ]) {
      assert.equal(parseJournalEntry(other), undefined, other);
    }
  });

  test('an entry that refers to others says so, and its form is read back', () => {
    const volume = { tenant: 't', site: 's', group: 'g', volume: 'v' };
    const name = journalEntry(volume, { generation: 1, number: 1, digest: NO_DIGEST, form: 'refs-12' });
    assert.equal(parseJournalEntry(name)?.form, 'refs-12');
    assert.deepEqual(parseForm('refs-12'), { kind: 'refs', attempt: 12 });
    assert.deepEqual(parseForm('literal-1'), { kind: 'literal', attempt: 1 });
    for (const other of ['literal', 'refs-', 'base-1', 'literal-0', 'literal-01', 'literal-12345'])
      assert.equal(parseForm(other), undefined);
  });

  test('a range list lies beside the entries of its generation, and is taken for none of them', () => {
    const volume = { tenant: 't', site: 's', group: 'g', volume: 'v' };
    const name = rangesEntry(volume, { generation: 1, number: 7, sha256: NO_DIGEST });
    assert.equal(name, `g/v/00000001/ranges/0000000007-${NO_DIGEST}.ranges`);
    assert.equal(parseJournalEntry(name), undefined);
    assert.throws(() => rangesEntry(volume, { generation: 1, number: 7, sha256: '../x' }), {
      code: 'IDENTIFIER_INVALID',
    });
  });

  test('each upload has a container of its own, with a name that Azure takes', () => {
    const volume = { tenant: 't', site: 's', group: 'g', volume: 'v' };
    assert.match(uploadContainer(volume, 1), /^upload-[0-9a-f]{32}$/);
    assert.notEqual(uploadContainer(volume, 1), uploadContainer(volume, 2));
  });

  test('numbers that do not fit their place are refused, not cut', () => {
    const volume = { tenant: 't', site: 's', group: 'g', volume: 'v' };
    assert.throws(() => replicaBlob(volume, 100_000_000), { code: 'IDENTIFIER_INVALID' });
    assert.throws(() => replicaBlob(volume, 1.5), { code: 'IDENTIFIER_INVALID' });
  });
});

suite('fences', () => {
  test('grow with the number, and more with the epoch', () => {
    assert.ok(fenceOf({ epoch: 1, number: 2 }) > fenceOf({ epoch: 1, number: 1 }));
    assert.ok(fenceOf({ epoch: 2, number: 0 }) > fenceOf({ epoch: 1, number: 2 ** 32 - 1 }));
  });

  test('stay below 2^53, where the SDK counts exactly; what has no room is refused', () => {
    assert.ok(Number.isSafeInteger(fenceOf({ epoch: 2 ** 21 - 1, number: 2 ** 32 - 1 })));
    for (const wrong of [
      { epoch: 2 ** 21, number: 0 },
      { epoch: 1, number: 2 ** 32 },
      { epoch: -1, number: 0 },
    ]) {
      assert.throws(() => fenceOf(wrong), { code: 'REFUSED' });
    }
  });
});
