/** References: the same pages, the same digest, whatever travelled; and never more work than the content is worth. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { checkDelta, checkSent, openDelta } from '../../src/delta/delta.ts';
import type { Delta, DeltaPiece } from '../../src/delta/delta.ts';
import type { OutsideReference } from '../../src/delta/extents.ts';
import { DELTA_LIMITS } from '../../src/delta/limits.ts';
import { literalsAt } from '../../src/delta/literals.ts';
import { rehydrate } from '../../src/delta/rehydrate.ts';
import { DeltaWriter, encodeDelta } from '../../src/delta/write.ts';
import type { DeltaStart, EncodedDelta } from '../../src/delta/write.ts';
import { journalEntry } from '../../src/kernel/names.ts';
import { KIB, MIB } from '../../src/kernel/units.ts';
import { craft, gzipFrame, hashOf, rawFrame, zstdFrame } from './craft.ts';
import { fullest, longNames } from './fullest.ts';
import { refusal } from './refusal.ts';

const PAGES = 64;
const START: DeltaStart = {
  volume: 'acme/berlin/erp/data',
  generation: 1,
  term: 1,
  number: 7,
  volumeBytes: PAGES * 512,
  predecessor: 'a'.repeat(64),
  sourceTimeMs: 0,
};
const VOLUME = { tenant: 'acme', site: 'berlin', group: 'erp', volume: 'data' };

function noise(lengthBytes: number, seed: string): Buffer {
  return createHash('shake256', { outputLength: lengthBytes }).update(seed).digest();
}

/** State before, and two earlier deltas of which only the literal bytes matter. */
const PRIOR = noise(PAGES * 512, 'prior');
PRIOR.fill(0, 512, 2048);
const SOURCES = new Map(
  [1, 2].map((number) => {
    const start = { ...START, number, predecessor: String(number).repeat(64) };
    const bytes = Buffer.concat([noise(16 * 512, `source ${number}`), Buffer.alloc(512)]);
    const made = encodeDelta({ ...start, extents: [{ offset: 0, bytes }] }, { zstdLevel: number });
    return [journalEntry(VOLUME, { ...start, digest: made.digest, form: `literal-${number}` }), made] as const;
  }),
);

/** What the cloud does with a reference. */
function resolve(reference: OutsideReference): Uint8Array {
  if (reference.kind === 'prior') return PRIOR.subarray(reference.at, reference.at + reference.lengthBytes);
  const source = SOURCES.get(reference.source) ?? assert.fail(`no entry ${reference.source}`);
  return literalsAt(checkDelta(source.bytes), [reference])[0] ?? assert.fail();
}

/** What a volume of noise becomes. */
function applied(pieces: Iterable<DeltaPiece>): string {
  const volume = noise(PAGES * 512, 'volume');
  for (const piece of pieces) {
    if ('zerosBytes' in piece) volume.fill(0, piece.offset, piece.offset + piece.zerosBytes);
    else volume.set(piece.bytes, piece.offset);
  }
  return volume.toString('hex');
}

/** Extents of a small volume; `at` is cut to what the kind allows. */
const plans = fc.array(
  fc.record({
    gap: fc.integer({ min: 0, max: 2 }),
    pages: fc.integer({ min: 1, max: 4 }),
    kind: fc.constantFrom('literal', 'zeros', 'own', 'prior', 'journal 1', 'journal 2'),
    at: fc.nat(PAGES),
  }),
  { maxLength: 16 },
);
const compressions = fc.constantFrom('zstd' as const, 'gzip' as const, 'none' as const);
const propertyTexts = fc.constantFrom(undefined, '{}', '{"label":"Büro"}');

/** The same content by reference where the plan says so, and as literal bytes. */
function both(
  plan: readonly { gap: number; pages: number; kind: string; at: number }[],
  options: { properties: string | undefined; frameCompression: 'zstd' | 'gzip' | 'none' },
): { sent: EncodedDelta; whole: EncodedDelta } {
  const { properties, frameCompression } = options;
  const writers = [1, 2].map(() => new DeltaWriter({ ...START, properties }, { frameCompression }));
  const [sent, whole] = writers;
  assert.ok(sent && whole);
  const literals: Buffer[] = [];
  let page = 0;
  for (const { gap, pages, kind, at } of plan) {
    const offset = (page + gap) * 512;
    page += gap + pages;
    if (page > PAGES) break;
    const lengthBytes = pages * 512;
    const literal = Buffer.concat(literals);
    const pool = kind === 'prior' ? PRIOR : kind === 'own' ? literal : noise(0, '');
    if (kind === 'zeros') {
      for (const writer of writers) writer.zeros(offset, lengthBytes);
    } else if (kind.startsWith('journal')) {
      const [entry = ''] = [...SOURCES.keys()].slice(kind === 'journal 1' ? 0 : 1);
      const position = (at % (17 - pages)) * 512;
      const reference = {
        kind: 'journal',
        source: entry,
        at: position,
        lengthBytes,
        offset,
        index: 0,
        sha256: '',
      } as const;
      const content = resolve(reference);
      sent.journal(offset, { entry, at: position }, content);
      whole.literal(offset, content);
    } else if (pool.length >= lengthBytes) {
      const position = (at % (pool.length / 512 - pages + 1)) * 512;
      const content = pool.subarray(position, position + lengthBytes);
      if (kind === 'own') sent.own(offset, position, content);
      else sent.prior(offset, position, content);
      whole.literal(offset, content);
    } else {
      const content = noise(lengthBytes, `page ${page}`);
      literals.push(content);
      for (const writer of writers) writer.literal(offset, content);
    }
  }
  return { sent: sent.finish(), whole: whole.finish() };
}

test('a delta by reference and its content as literal bytes are the same delta', () => {
  fc.assert(
    fc.property(plans, compressions, propertyTexts, (plan, frameCompression, properties) => {
      const { sent, whole } = both(plan, { frameCompression, properties });
      assert.equal(sent.digest, whole.digest);
      const delta = checkSent(sent.bytes);
      assert.equal(delta.head.referenceCount, delta.extents.filter((extent) => 'at' in extent).length);
      assert.ok(delta.outside.every((reference) => delta.extents[reference.index]?.offset === reference.offset));
      const rehydrated = rehydrate(delta, resolve);
      assert.equal(rehydrated.digest, whole.digest);
      const again = checkDelta(rehydrated.bytes);
      assert.ok(again.extents.every(({ kind }) => kind === 'literal' || kind === 'zeros'));
      assert.equal(again.head.properties, properties);
      assert.equal(again.head.formatVersion, properties === undefined ? 1 : 2);
      assert.equal(applied(again.pieces()), applied(checkDelta(whole.bytes).pieces()));
      if (delta.outside.length === 0) assert.equal(applied(checkDelta(sent.bytes).pieces()), applied(again.pieces()));
      else assert.throws(() => [...delta.pieces()], { code: 'DELTA_INVALID', message: /extent \d+, kind: refers to/ });
    }),
    { numRuns: 150 },
  );
});

test('own references point anywhere into the literal bytes, over frames and extents', () => {
  const choices = fc.array(fc.tuple(fc.nat(20), fc.integer({ min: 1, max: 8 })), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(choices, fc.integer({ min: 1, max: 20 }), fc.nat(2), (references, framePages, packing) => {
      const literal = noise(20 * 512, 'literal');
      const pack = [rawFrame, zstdFrame, gzipFrame][packing] ?? rawFrame;
      const frames = [];
      for (let at = 0; at < literal.length; at += framePages * 512)
        frames.push(pack(literal.subarray(at, at + framePages * 512)));
      const extents = [{ offset: 20 * 512, length: literal.length, kind: 0 }];
      const table = [];
      const expected: DeltaPiece[] = [{ offset: 20 * 512, bytes: literal }];
      let offset = 44 * 512;
      for (const [at, pages] of references) {
        const content = literal.subarray(at * 512, (at + pages) * 512);
        if (content.length === 0) continue;
        extents.push({ offset, length: content.length, kind: 2 });
        table.push({ at: at * 512, sha256: hashOf(content) });
        expected.push({ offset, bytes: content });
        offset += content.length;
      }
      const of = { volumeBytes: 128 * 512, frames, extents, references: table, version: 2 };
      const { digest } = encodeDelta({ ...openDelta(craft(of)).head, properties: undefined, extents: expected });
      const delta = checkDelta(craft({ ...of, digest }));
      const whole = (pieces: Iterable<DeltaPiece>): Buffer[] => {
        const volume = Buffer.alloc(128 * 512);
        for (const piece of pieces) if ('bytes' in piece) volume.set(piece.bytes, piece.offset);
        return [volume];
      };
      assert.deepEqual(whole(delta.pieces()), whole(expected));
    }),
    { numRuns: 60 },
  );
});

test('literal bytes are given by range, whatever frames they lie in', () => {
  const literal = noise(40 * 512, 'ranges');
  const frames = [7, 1, 20, 12].map((pages, index) => {
    const start = [0, 7, 8, 28][index] ?? 0;
    const raw = literal.subarray(start * 512, (start + pages) * 512);
    return index % 2 === 0 ? zstdFrame(raw) : rawFrame(raw);
  });
  const delta = openDelta(craft({ frames, extents: [{ offset: 0, length: literal.length, kind: 0 }] }));
  const ranges = fc.array(
    fc.tuple(fc.nat(40), fc.nat(40)).map(([one, other]) => ({
      at: Math.min(one, other) * 512,
      lengthBytes: Math.abs(one - other) * 512,
    })),
  );
  fc.assert(
    fc.property(ranges, (wanted) => {
      const got = literalsAt(delta, wanted).map((bytes) => Buffer.from(bytes));
      assert.deepEqual(
        got,
        wanted.map(({ at, lengthBytes }) => Buffer.from(literal.subarray(at, at + lengthBytes))),
      );
    }),
    { numRuns: 100 },
  );
  assert.throws(() => literalsAt(delta, [{ at: 39 * 512, lengthBytes: 1024 }]), {
    code: 'DELTA_INVALID',
    message: /position: 1024 bytes from 19968 reach past the end of the 20480 literal bytes/,
  });
});

test('a range costs only the frames that it lies in', () => {
  const [damaged, sound] = [noise(512, 'damaged'), noise(512, 'sound')];
  const frames = [{ ...rawFrame(damaged), crc: 0 }, zstdFrame(sound), { ...rawFrame(damaged), crc: 0 }];
  const delta = openDelta(craft({ frames, extents: [{ offset: 0, length: 1536, kind: 0 }] }));
  assert.deepEqual(literalsAt(delta, [{ at: 512, lengthBytes: 512 }]), [new Uint8Array(sound)]);
  assert.throws(() => literalsAt(delta, [{ at: 512, lengthBytes: 1024 }]), { message: /frame 2, CRC/ });
});

/** A delta of one prior and one journal reference. */
function twoReferences(): { delta: Delta; contents: Buffer[] } {
  const contents = [noise(1024, 'a'), noise(512, 'b')];
  const writer = new DeltaWriter(START);
  const [entry = ''] = SOURCES.keys();
  writer.prior(0, 0, contents[0] ?? Buffer.alloc(0));
  writer.journal(4096, { entry, at: 512 }, contents[1] ?? Buffer.alloc(0));
  return { delta: checkSent(writer.finish().bytes), contents };
}

test('a reference is held against its length and its hash', () => {
  const { delta, contents } = twoReferences();
  const give = (index: number): Buffer => contents[index === 0 ? 0 : 1] ?? Buffer.alloc(0);
  assert.equal(rehydrate(delta, ({ index }) => give(index)).digest, delta.head.digest);
  for (const [wrong, message] of [
    [give(0).subarray(512), /extent 0, content: 1024 bytes are due, and the prior reference gives 512/],
    [Buffer.alloc(1024), /extent 0, content: the SHA-256 [0-9a-f]{64} is due, and the prior reference gives 5f70bf18/],
  ] as const) {
    assert.throws(() => rehydrate(delta, ({ index }) => (index === 0 ? wrong : give(index))), {
      code: 'DELTA_INVALID',
      message,
    });
  }
  const gone = new Error('the source is gone');
  assert.throws(
    () =>
      rehydrate(delta, ({ kind }) => {
        if (kind === 'journal') throw gone;
        return give(0);
      }),
    (error) => error === gone,
  );
});

test('a digest that its references do not give is found when they are resolved', () => {
  const page = noise(512, 'page');
  const lie = craft({
    extents: [{ offset: 0, length: 512, kind: 3 }],
    references: [{ at: 0, sha256: hashOf(page) }],
    digest: 'b'.repeat(64),
  });
  assert.throws(() => rehydrate(checkSent(lie), () => page), {
    code: 'DELTA_INVALID',
    message: /digest \(byte 88\): b{64} is stated, but with its references' content the delta gives/,
  });
});

test('the fullest delta with references is read, resolved, and fits as literal bytes', () => {
  const sent = fullest();
  assert.ok(sent.length <= DELTA_LIMITS.encodedBytesMax);
  const delta = checkSent(sent);
  assert.deepEqual(
    [delta.head.contentBytes, delta.head.extentCount],
    [DELTA_LIMITS.contentBytesMax, DELTA_LIMITS.extentsMax],
  );
  const page = Buffer.alloc(512, 1);
  const whole = rehydrate(delta, () => page, { zstdLevel: 0 });
  assert.equal(whole.digest, delta.head.digest);
  assert.equal(checkDelta(whole.bytes).head.literalBytes, DELTA_LIMITS.contentBytesMax);
});

/** CPU time in milliseconds that `run` took: other processes on the machine do not count. */
function cpuMs(run: () => void): number {
  const before = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

test('thousands of references into as many frames cost each frame once', () => {
  const literal = Buffer.from(noise(4 * MIB, 'literal').toString('hex'), 'latin1');
  const start = { ...START, volumeBytes: 64 * MIB };
  const writer = new DeltaWriter(start);
  writer.literal(0, literal);
  for (let index = 0; writer.extentCount < DELTA_LIMITS.extentsMax; index += 1) {
    const at = ((index * 2048 + (index >> 3)) % 16_384) * 512;
    writer.own(16 * MIB + index * 1024, at, literal.subarray(at, at + 512));
  }
  const { bytes } = writer.finish();
  assert.equal(openDelta(bytes).head.referenceCount, DELTA_LIMITS.extentsMax - 1);
  const plain = encodeDelta({ ...start, extents: [{ offset: 0, bytes: literal }] }).bytes;
  const once = cpuMs(() => void checkDelta(plain));
  const all = cpuMs(() => void checkDelta(bytes));
  assert.ok(all < 100 * once, `${all} ms of CPU against ${once} ms; a frame for each reference would take 2,000 times`);
});

test('what no reference can be is not written', () => {
  const page = new Uint8Array(512);
  const [entry = '', ...names] = longNames(DELTA_LIMITS.sourcesMax + 1);
  const cases: [name: string, write: (writer: DeltaWriter) => void, message: RegExp][] = [
    [
      'own, with nothing literal',
      (writer) => {
        writer.own(0, 0, page);
      },
      /position: 512 bytes from 0 reach past the delta's 0 literal/,
    ],
    [
      'own, behind the end',
      (writer) => {
        writer.literal(0, page);
        writer.own(512, 512, page);
      },
      /position: 512 bytes from 512 reach/,
    ],
    [
      'own, between pages',
      (writer) => {
        writer.literal(0, page);
        writer.own(512, 1, page);
      },
      /position: 1 is no multiple/,
    ],
    [
      'prior, below zero',
      (writer) => {
        writer.prior(0, -512, page);
      },
      /position: -512/,
    ],
    [
      'prior, beyond any volume',
      (writer) => {
        writer.prior(0, DELTA_LIMITS.volumeBytesMax, page);
      },
      /volumeBytesMax/,
    ],
    [
      'journal, beyond any delta',
      (writer) => {
        writer.journal(0, { entry, at: 16 * MIB }, page);
      },
      /contentBytesMax/,
    ],
    [
      'journal, of references',
      (writer) => {
        writer.journal(0, { entry: entry.replace('literal', 'refs'), at: 0 }, page);
      },
      /form literal-N/,
    ],
    [
      'journal, no entry',
      (writer) => {
        writer.journal(0, { entry: 'a/b', at: 0 }, page);
      },
      /source: not the name/,
    ],
    [
      'less than a page',
      (writer) => {
        writer.prior(0, 0, page.subarray(1));
      },
      /length: 511/,
    ],
    [
      'nothing',
      (writer) => {
        writer.prior(0, 0, new Uint8Array(0));
      },
      /length: 0/,
    ],
    [
      'out of order',
      (writer) => {
        writer.zeros(512, 512);
        writer.prior(0, 0, page);
      },
      /overlaps or precedes/,
    ],
    [
      'past the end',
      (writer) => {
        writer.prior(PAGES * 512, 0, page);
      },
      /past the volume's end/,
    ],
    [
      'too much',
      (writer) => {
        writer.literal(0, page);
        writer.prior(512, 0, new Uint8Array(16 * MIB));
      },
      /contentBytesMax/,
    ],
    [
      'one source too many',
      (writer) => {
        [entry, ...names].forEach((name, index) => {
          writer.journal(index * 512, { entry: name, at: 0 }, page);
        });
      },
      /source count: above the limit of 32 \(sourcesMax\)/,
    ],
    [
      'after the end',
      (writer) => {
        writer.finish();
        writer.prior(0, 0, page);
      },
      /finished already/,
    ],
  ];
  for (const [name, write, message] of cases) {
    assert.throws(
      () => {
        write(new DeltaWriter({ ...START, volumeBytes: PAGES * 512 }));
      },
      refusal(message),
      name,
    );
  }
});

test('as many reads of the state before as there may be are written and read; one more is not', () => {
  const page = new Uint8Array(512);
  const reading = (reads: number): DeltaWriter => {
    const writer = new DeltaWriter({ ...START, volumeBytes: MIB });
    for (let read = 0; read < reads; read += 1) writer.prior(read * 512, read * 128 * KIB, page);
    return writer;
  };
  const { bytes } = reading(DELTA_LIMITS.priorReadsMax).finish();
  assert.equal(checkSent(bytes).outside.length, DELTA_LIMITS.priorReadsMax);
  assert.throws(
    () => reading(DELTA_LIMITS.priorReadsMax + 1).finish(),
    refusal(/reference table: 257 reads of the state before are above the limit of 256 \(priorReadsMax\)/),
  );
});

test('references are never joined, and count what they are', () => {
  const writer = new DeltaWriter(START, { zstdLevel: 0 });
  const content = noise(1024, 'x');
  const [entry = ''] = SOURCES.keys();
  writer.literal(0, content);
  writer.own(1024, 0, content.subarray(0, 512));
  writer.own(1536, 512, content.subarray(512));
  writer.journal(2048, { entry, at: 0 }, content);
  writer.journal(3072, { entry, at: 0 }, content);
  assert.deepEqual(
    [writer.literalBytes, writer.contentBytes, writer.extentCount, writer.sourceCount],
    [1024, 4096, 5, 1],
  );
  const { encodedBytes } = writer;
  const { bytes } = writer.finish();
  const { head, extents, outside } = checkSent(bytes);
  assert.ok(bytes.length <= encodedBytes);
  assert.deepEqual([head.literalBytes, head.contentBytes, head.extentCount, head.referenceCount], [1024, 4096, 5, 4]);
  assert.deepEqual(
    extents.map(({ kind }) => kind),
    ['literal', 'own', 'own', 'journal', 'journal'],
  );
  assert.deepEqual(outside[1], {
    kind: 'journal',
    index: 4,
    offset: 3072,
    lengthBytes: 1024,
    at: 0,
    source: entry,
    sha256: hashOf(content),
  });
});
