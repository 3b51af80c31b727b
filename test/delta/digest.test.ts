/** The digest: the same for the same content however it travelled, another for anything else. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { checkDelta } from '../../src/delta/delta.ts';
import { DigestBuilder } from '../../src/delta/digest.ts';
import type { DeltaIdentity } from '../../src/delta/identity.ts';
import { encodeDelta } from '../../src/delta/write.ts';
import { NO_DIGEST, sha256Hex } from '../../src/kernel/hash.ts';
import { craft, rawFrame, zstdFrame } from './craft.ts';
import type { CraftedExtent, CraftedFrame } from './craft.ts';

const PAGES = 48;
const IDENTITY: DeltaIdentity = {
  volume: 'acme/berlin/erp/data',
  generation: 1,
  term: 1,
  number: 1,
  volumeBytes: PAGES * 512,
  predecessor: NO_DIGEST,
};

/** What a page becomes: undefined is left alone, 0 is zeros, else its last byte. */
const contents = fc.array(fc.constantFrom(undefined, 0, 0, 1, 2, 255), { minLength: PAGES, maxLength: PAGES });

function page(last: number): Buffer {
  const bytes = Buffer.alloc(512);
  bytes[511] = last;
  return bytes;
}

function digestByPage(content: readonly (number | undefined)[]): string {
  const builder = new DigestBuilder();
  content.forEach((last, index) => {
    if (last !== undefined) builder.literal(index * 512, page(last));
  });
  return builder.finish(IDENTITY);
}

test('cuts, zeros and compression change nothing', () => {
  const choices = fc.array(fc.nat(7), { minLength: PAGES, maxLength: PAGES });
  fc.assert(
    fc.property(contents, choices, choices, (content, extentChoices, frameChoices) => {
      const extents: CraftedExtent[] = [];
      const literal: Buffer[] = [];
      let endBefore = -1;
      content.forEach((last, index) => {
        if (last === undefined) return;
        const choice = extentChoices[index] ?? 0;
        const kind = last === 0 && choice % 2 === 0 ? 1 : 0;
        if (kind === 0) literal.push(page(last));
        const before = extents.at(-1);
        if (before && before.kind === kind && endBefore === index && choice < 4)
          before.length = Number(before.length) + 512;
        else extents.push({ offset: index * 512, length: 512, kind });
        endBefore = index + 1;
      });
      const frames: CraftedFrame[] = [];
      for (let at = 0; at < literal.length;) {
        const choice = frameChoices[at] ?? 0;
        const raw = Buffer.concat(literal.slice(at, at + 1 + choice));
        frames.push(choice % 2 === 0 ? rawFrame(raw) : zstdFrame(raw));
        at += 1 + choice;
      }
      const digest = digestByPage(content);
      const travelled = craft({ volumeBytes: PAGES * 512, extents, frames, digest });
      assert.equal(checkDelta(travelled).head.digest, digest);
    }),
    { numRuns: 150 },
  );
});

test('another content has another digest', () => {
  fc.assert(
    fc.property(contents, fc.nat(PAGES - 1), fc.constantFrom(undefined, 0, 1, 2, 255), (content, index, last) => {
      fc.pre(content[index] !== last);
      assert.notEqual(digestByPage(content.with(index, last)), digestByPage(content));
    }),
    { numRuns: 150 },
  );
});

test('large literals of zeros and data alike are told apart page by page', () => {
  const pageCount = 1000;
  const content = Buffer.alloc(pageCount * 512);
  for (let index = 0; index < pageCount; index += 1) {
    if (index < 100 || (index > 300 && index % 7 < 3) || index === 999)
      content[index * 512 + (index % 512)] = 1 + (index % 255);
  }
  const whole = new DigestBuilder();
  whole.literal(512, content);
  const byPage = new DigestBuilder();
  for (let at = 0; at < content.length; at += 512) {
    const bytes = content.subarray(at, at + 512);
    if (bytes.every((byte) => byte === 0)) byPage.zeros(512 + at, 512);
    else byPage.literal(512 + at, bytes);
  }
  assert.equal(whole.finish(IDENTITY), byPage.finish(IDENTITY));
});

test('everything that the digest covers changes it, the source time does not', () => {
  const marker = { name: 'm', consistency: 'crash' as const, timeMs: 5 };
  const base = { ...IDENTITY, number: 2, predecessor: sha256Hex('1'), marker, sourceTimeMs: 1 };
  const extents = [{ offset: 512, bytes: Buffer.alloc(512, 1) }];
  const digestOf = (change: Partial<typeof base>): string => encodeDelta({ ...base, extents, ...change }).digest;
  const digests = [
    encodeDelta({ ...base, marker: undefined, extents }).digest,
    encodeDelta({ ...base, extents: [] }).digest,
    encodeDelta({ ...base, extents: [{ offset: 1024, bytes: Buffer.alloc(512, 1) }] }).digest,
    ...[
      {},
      { volume: 'acme/berlin/erp/data2' },
      { generation: 2 },
      { term: 2 },
      { number: 3 },
      { volumeBytes: (PAGES + 1) * 512 },
      { predecessor: sha256Hex('2') },
      { marker: { ...marker, name: 'n' } },
      { marker: { ...marker, consistency: 'application' as const } },
      { marker: { ...marker, timeMs: 6 } },
    ].map((change) => digestOf(change as Partial<typeof base>)),
  ];
  assert.equal(new Set(digests).size, digests.length);
  assert.equal(digestOf({ sourceTimeMs: 2 }), digestOf({}));
});
