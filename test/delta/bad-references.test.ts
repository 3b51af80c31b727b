/** Each field of version 2 that is not as it has to be is refused with one line that names it, at no cost. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32, gzipSync } from 'node:zlib';
import { checkDelta, checkSent, openDelta } from '../../src/delta/delta.ts';
import { describeDelta } from '../../src/delta/describe.ts';
import { parseHead } from '../../src/delta/head.ts';
import { DELTA_LIMITS } from '../../src/delta/limits.ts';
import type { DeltaLimits } from '../../src/delta/limits.ts';
import { readProperties, writeProperties } from '../../src/delta/properties.ts';
import { DeltaWriter, encodeDelta } from '../../src/delta/write.ts';
import { GIB, MIB } from '../../src/kernel/units.ts';
import { craft, gzipFrame, hashOf, patched, rawFrame } from './craft.ts';
import type { Crafted } from './craft.ts';
import { longNames } from './fullest.ts';
import { refusal } from './refusal.ts';

const PAGE = Buffer.alloc(512, 'leeward ');
const [FIRST = '', SECOND = ''] = longNames(2);

/** Two pages of literal bytes, one reference of each kind, two sources, and properties. */
const SAMPLE: Crafted = {
  number: 2,
  predecessor: 'a'.repeat(64),
  frames: [rawFrame(Buffer.concat([PAGE, PAGE]))],
  extents: [
    { offset: 0, length: 1024, kind: 0 },
    { offset: 1024, length: 512, kind: 2 },
    { offset: 2048, length: 512, kind: 3 },
    { offset: 4096, length: 512, kind: 4 },
  ],
  references: [
    { at: 512, sha256: hashOf(PAGE) },
    { at: 4096, sha256: hashOf('prior') },
    { at: 1024, source: 1, sha256: hashOf('journal') },
  ],
  sources: [FIRST, SECOND],
  properties: '{"label":"data"}',
};
const SOUND = craft(SAMPLE);
const EXTENTS_AT = 184 + 16;
const REFERENCES_AT = EXTENTS_AT + 4 * 24;
const SOURCES_AT = REFERENCES_AT + 3 * 48;
const PROPERTIES_AT = SOURCES_AT + 2 + FIRST.length + SECOND.length;

function refused(bytes: Uint8Array, message: RegExp): void {
  assert.throws(() => checkSent(bytes), refusal(message));
  const { valid, problems } = describeDelta(bytes);
  assert.equal(valid, false);
  assert.match(problems.join('\n'), message);
}

test('the sample is sound as it was sent', () => {
  assert.equal(checkSent(SOUND).outside.length, 2);
  assert.deepEqual(describeDelta(SOUND).problems, []);
  assert.deepEqual(describeDelta(SOUND).sources, [FIRST, SECOND]);
  assert.deepEqual(describeDelta(SOUND).properties, { label: 'data' });
  assert.equal(describeDelta(SOUND).outsideCount, 2);
});

test('each field of version 2 is named', () => {
  const cases: [at: number, values: number[], message: RegExp][] = [
    [
      144,
      [0xff, 0xff, 0xff, 0xff],
      /reference count \(byte 144\): 4294967295 is above the limit of 16384 \(extentsMax\)/,
    ],
    [148, [33], /source count \(byte 148\): 33 is above the limit of 32 \(sourcesMax\)/],
    [150, [0xff, 0xff], /properties bytes \(byte 150\): 65535 is above the limit of 4096 \(propertiesBytesMax\)/],
    [150, [17], /properties \(byte \d+\): not JSON|head bytes/],
    [150, [15], /padding \(byte \d+\)|properties/],
    [152, [1], /reserved \(byte 152\)/],
    [155, [1], /reserved \(byte 155\)/],
    [184, [3], /frame 0, compression .*: 3 is none of 0 \(none\), 1 \(zstd\), 2 \(gzip\)/],
    [EXTENTS_AT + 24 + 16, [5], /extent 1, kind .*: 5 is none of .* 2 \(own\), 3 \(prior\), 4 \(journal\)/],
    [EXTENTS_AT + 24 + 16, [1], /extent table .*: 2 extents are references, but the reference table has 3 entries/],
    [
      EXTENTS_AT + 24 + 8,
      [0, 4],
      /extent 1, position .*: 1024 bytes from 512 reach past the delta's 1024 literal bytes/,
    ],
    [EXTENTS_AT + 72 + 11, [1], /extent 3, length .* past the volume's end/],
    [REFERENCES_AT, [0, 4], /extent 1, position .*: 512 bytes from 1024 reach past the delta's 1024 literal bytes/],
    [REFERENCES_AT, [1], /extent 1, position .*: 513 is no multiple/],
    [REFERENCES_AT + 7, [1], /extent 1, position .*: above 2\^53 - 1/],
    [REFERENCES_AT + 8, [1], /extent 1, source .*: 1, but only a journal reference has one/],
    [REFERENCES_AT + 12, [1], /extent 1, reserved/],
    [REFERENCES_AT + 15, [1], /extent 1, reserved/],
    [REFERENCES_AT + 16, [1], /extent 1, content SHA-256: 01[0-9a-f]{62} is stated, but its content gives/],
    [REFERENCES_AT + 48 + 5, [8], /extent 2, position .* past any volume's end at \d+ \(volumeBytesMax\)/],
    [REFERENCES_AT + 48 + 8, [1], /extent 2, source/],
    [REFERENCES_AT + 96 + 3, [1], /extent 3, position .* past any literal bytes' end at 16777216 \(contentBytesMax\)/],
    [REFERENCES_AT + 96 + 8, [2], /extent 3, source .*: 2, but the source table has 2 entries/],
    [REFERENCES_AT + 96 + 8, [0xff, 0xff, 0xff, 0xff], /extent 3, source .*: 4294967295/],
    [SOURCES_AT, [0xff], /source 0 .*: not the name of a journal entry of the form literal-N/],
    [SOURCES_AT, [0], /source 0 .*: not the name/],
    [SOURCES_AT + 1, [0x2f], /source 0/],
    [SOURCES_AT + 1 + FIRST.length, [0xff], /source 1 .*: its name reaches past the end of the head/],
    [PROPERTIES_AT, [0x5b], /properties .*: not JSON/],
    [PROPERTIES_AT + 10, [0xff], /properties .*: not UTF-8/],
  ];
  for (const [at, values, message] of cases) refused(patched(SOUND, at, values), message);
  const fewer = { ...SAMPLE, references: SAMPLE.references?.slice(0, 2) ?? [] };
  refused(craft(fewer), /extent table .*: 3 extents are references, but the reference table has 2 entries/);
  refused(craft({ ...SAMPLE, tail: Buffer.alloc(8) }), /head bytes/);
  refused(craft({ ...SAMPLE, tail: Buffer.alloc(8, 1) }), /head bytes/);
});

test('sources are journal entries that hold what they set, and nothing else', () => {
  for (const source of [
    FIRST.replace('literal-9999', 'refs-1'),
    FIRST.replace('literal-9999', 'literal'),
    FIRST.replace('literal-9999', 'literal-0'),
    FIRST.replace('literal-9999', 'literal-07'),
    FIRST.replace('.delta', '.delta2'),
    FIRST.toUpperCase(),
    `../${SECOND}`.slice(0, 255),
    `${SECOND}\n`,
    '',
  ]) {
    refused(craft({ ...SAMPLE, sources: [source, SECOND] }), /source 0 \(byte \d+\): not the name of a journal entry/);
  }
});

test('nothing of version 2 is known to a delta that an older reader may read', () => {
  const plain = { number: 2, predecessor: 'a'.repeat(64), volumeBytes: MIB };
  const withGzip = { ...plain, frames: [gzipFrame(PAGE)], extents: [{ offset: 0, length: 512, kind: 0 }] };
  refused(craft({ ...withGzip, version: 1 }), /frame 0, compression .*: 2 is none of 0 \(none\), 1 \(zstd\)$/m);
  for (const kind of [2, 3, 4]) {
    const extents = [{ offset: 0, length: 512, kind }];
    refused(craft({ ...plain, extents, version: 1 }), /extent 0, kind .* is none of 0 \(literal\), 1 \(zeros\)$/m);
  }
  for (const at of [144, 148, 150]) refused(patched(craft(plain), at, [1]), new RegExp(`reserved \\(byte ${at}\\)`));
  refused(craft({ predecessor: 'a'.repeat(64), version: 1 }), /predecessor .* only from format 2 on/);
  // The same where its version is known and it only says that older readers may read it.
  refused(patched(patched(craft(plain), 8, [2]), 150, [1]), /reserved \(byte 150\)/);
  refused(patched(SOUND, 10, [1]), /reserved \(byte 144\)|head bytes/);
});

test('a newer delta that this program may read keeps what version 2 has', () => {
  const newer = patched(craft({ ...SAMPLE, tail: Buffer.alloc(16, 9) }), 8, [3, 0, 2, 0]);
  assert.equal(checkSent(patched(newer, 152, [1, 2, 3, 4])).outside.length, 2);
});

test('a base has a digest, and no other number is without one', () => {
  const of = { volumeBytes: MIB, predecessor: 'a'.repeat(64), version: 2 };
  assert.equal(openDelta(craft({ ...of, number: 1 })).head.predecessor, of.predecessor);
  assert.equal(openDelta(craft({ number: 1, version: 2 })).head.predecessor, '0'.repeat(64));
  refused(craft({ number: 2, version: 2 }), /predecessor \(byte 56\): number 2 needs one/);
});

test('references to more than the limit in all are refused before anything is made of them', () => {
  const references = Array.from({ length: 3 }, () => ({ at: 0, sha256: hashOf('') }));
  const extents = references.map((_, index) => ({ offset: index * 8 * MIB, length: 8 * MIB, kind: 3 }));
  const bytes = craft({ ...SAMPLE, volumeBytes: 64 * MIB, frames: [], extents, references, sources: [] });
  refused(bytes, /0 raw bytes and 25165824 referenced ones are above the limit of 16777216 \(contentBytesMax\)/);
  const huge = extents.map((extent, index) => ({ ...extent, offset: index * 2 * 2 ** 40, length: 2 ** 40 }));
  refused(
    craft({ ...SAMPLE, volumeBytes: 8191 * GIB, frames: [], extents: huge, references, sources: [] }),
    /contentBytesMax/,
  );
});

function patchedBytes(bytes: Buffer, at: number, value: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = value;
  return copy;
}

/** The member with each optional field of its header, and with all of them. Source: RFC 1952, section 2.3. */
function withOptionalHeader(member: Buffer): Buffer[] {
  const extra = [4, Buffer.from([3, 0, 0, 8, 0])] as const;
  const name = [8, Buffer.from('a\0')] as const;
  const comment = [16, Buffer.from('\0')] as const;
  return [[extra], [name], [comment], [extra, name, comment]].flatMap((fields) => {
    const flags = fields.reduce((sum, [flag]) => sum | flag, 0);
    const before = Buffer.concat([patchedBytes(member, 3, flags).subarray(0, 10), ...fields.map(([, bytes]) => bytes)]);
    const crc = Buffer.alloc(2);
    const withCrc = patchedBytes(before, 3, flags | 2);
    crc.writeUInt16LE(crc32(withCrc) & 0xffff);
    return [Buffer.concat([before, member.subarray(10)]), Buffer.concat([withCrc, crc, member.subarray(10)])];
  });
}

test('gzip gives exactly what is due, and a bomb does not go off', () => {
  const frameOf = (stored: Uint8Array, rawBytes: number): Crafted => ({
    ...SAMPLE,
    volumeBytes: 8 * MIB,
    frames: [{ compression: 2, stored, rawBytes }],
    extents: [
      { offset: 0, length: rawBytes, kind: 0 },
      { offset: rawBytes, length: 512, kind: 3 },
    ],
    references: [{ at: 0, sha256: hashOf('') }],
  });
  const sound = gzipSync(PAGE);
  assert.equal(checkSent(craft(frameOf(sound, 512))).head.literalBytes, 512);
  const wrongCheck = Buffer.from(sound);
  wrongCheck[sound.length - 8] = (wrongCheck[sound.length - 8] ?? 0) ^ 1;
  for (const stored of withOptionalHeader(sound)) {
    assert.equal(checkSent(craft(frameOf(stored, 512))).head.literalBytes, 512);
    refused(craft(frameOf(stored.subarray(0, 12), 512)), /gzip does not give 512 bytes/);
  }
  const empty = gzipSync(Buffer.alloc(0));
  const halves = [gzipSync(PAGE.subarray(0, 256)), gzipSync(PAGE.subarray(256))];
  for (const stored of [
    Buffer.concat([empty, sound]),
    Buffer.concat([sound, empty]),
    Buffer.concat([...halves, sound.subarray(-8)]),
    Buffer.concat([sound, Buffer.from('\0junk'), sound.subarray(-8)]),
    Buffer.concat([sound, sound.subarray(-4)]),
    patchedBytes(sound, 0, 0),
    patchedBytes(sound, 2, 7),
    patchedBytes(sound, 3, 0x20),

    Buffer.alloc(3),
    Buffer.alloc(16, 1),
    sound.subarray(0, -1),
    sound.subarray(0, -8),
    Buffer.concat([sound, Buffer.from('xx')]),
    Buffer.concat([sound, Buffer.alloc(1)]),
    Buffer.concat([sound, Buffer.alloc(8)]),
    Buffer.concat([sound, sound]),
    wrongCheck,
  ]) {
    refused(craft(frameOf(stored, 512)), /frame 0, stored bytes .*: gzip does not give 512 bytes/);
  }
  const before = process.resourceUsage().maxRSS;
  const member = gzipSync(Buffer.alloc(4 * MIB + 512));
  member.writeUInt32LE(4 * MIB, member.length - 4);
  refused(craft(frameOf(member, 4 * MIB)), /frame 0, stored bytes .*: gzip does not give 4194304 bytes/);
  const full = gzipSync(Buffer.alloc(4 * MIB));
  const members = Buffer.concat(Array.from({ length: 256 }, () => full));
  for (const rawBytes of [4 * MIB, 512]) {
    members.writeUInt32LE(rawBytes, members.length - 4);
    refused(craft(frameOf(members, rawBytes)), /frame 0, stored bytes .*: gzip does not give/);
  }
  const grownKib = process.resourceUsage().maxRSS - before;
  assert.ok(grownKib < 64 * 1024, `a GiB of zeros took ${grownKib} KiB`);
});

test('each limit can be lowered, and is named', () => {
  const marker = { name: 'hourly', consistency: 1, timeMs: 1 };
  const delta = craft({ ...SAMPLE, marker, volumeBytes: 8192 });
  const cases: [name: keyof DeltaLimits, enough: number, message: RegExp][] = [
    ['contentBytesMax', 1024 + 3 * 512, /1024 raw bytes and 1536 referenced ones/],
    ['encodedBytesMax', delta.length, /total bytes/],
    ['frameRawBytesMax', 1024, /frame 0, raw bytes/],
    ['framesMax', 1, /frame count/],
    ['extentsMax', 4, /extent count/],
    ['sourcesMax', 2, /source count/],
    ['priorReadsMax', 1, /reference table .*: 1 reads of the state before/],
    ['ratioMax', 1024 / delta.length, /frame table .*: 1024 raw bytes from \d+ are above the limit of .* to 1/],
    ['volumeBytesMax', 8192, /volume bytes/],
    ['markerNameBytesMax', 6, /marker name/],
    ['propertiesBytesMax', 16, /properties/],
  ];
  assert.deepEqual(cases.map(([name]) => name).sort(), Object.keys(DELTA_LIMITS).sort());
  for (const [name, enough, message] of cases) {
    assert.equal(checkSent(delta, { ...DELTA_LIMITS, [name]: enough }).outside.length, 2, name);
    const limits = { ...DELTA_LIMITS, [name]: enough * 0.99 };
    for (const read of [parseHead, openDelta, checkDelta, checkSent]) {
      assert.throws(
        () => read(delta, limits),
        (error: Error) => message.test(error.message) && error.message.includes(`(${name})`),
        name,
      );
    }
  }
});

test('no writer comes near the ratio that is refused', () => {
  const start = { ...openDelta(craft({ volume: 'a/b/c/d' })).head, volumeBytes: 64 * MIB };
  const full = Buffer.alloc(16 * MIB, 1);
  let highest = 0;
  for (const [frameCompression, zstdLevel] of [
    ['gzip', 3],
    ['zstd', 1],
    ['zstd', 3],
    ['zstd', 19],
  ] as const) {
    for (const lengthBytes of [16 * MIB, 4 * MIB + 512, MIB, 512]) {
      const extents = [{ offset: 0, bytes: full.subarray(0, lengthBytes) }];
      const { bytes } = encodeDelta({ ...start, extents }, { frameCompression, zstdLevel });
      checkDelta(bytes);
      highest = Math.max(highest, lengthBytes / bytes.length);
    }
  }
  assert.ok(highest > DELTA_LIMITS.ratioMax / 2, 'the test tries what compresses best');
});

test('properties that no volume can have are refused when read and when written', () => {
  const identity = '0b9f1c1e-6f0e-4d6c-9a58-1f3f4f0c2b7d';
  const bad: [text: string, message: RegExp][] = [
    ['null', /properties.*: the whole/],
    ['[]', /properties.*: the whole/],
    ['"label"', /properties.*: the whole/],
    ['{', /not JSON/],
    ['\ufeff{}', /not JSON/],
    ['{"identity":1}', /identity/],
    [`{"identity":"${identity.toUpperCase()}"}`, /identity: is no UUID in lower case/],
    ['{"label":""}', /label: is empty/],
    ['{"label":null}', /label/],
    ['{"label":"a\\nb"}', /label: .* control character/],
    ['{"label":"\\u009b31m"}', /label: .* control character/],
    ['{"label":"\\ud800"}', /label: .* surrogate/],
    [`{"label":"${'😀'.repeat(256)}"}`, /label: has more than 255 characters/],
    ['{"mountPoints":"/"}', /mountPoints/],
    ['{"mountPoints":["/",""]}', /mountPoints\.1/],
    [JSON.stringify({ mountPoints: Array.from({ length: 65 }, () => '/') }), /mountPoints/],
  ];
  for (const [text, message] of bad) {
    refused(craft({ ...SAMPLE, properties: text }), message);
    assert.throws(() => readProperties(text), refusal(message));
    const start = { ...parseHead(SOUND), properties: text };
    assert.throws(() => new DeltaWriter(start), refusal(message));
  }
  assert.throws(() => readProperties(' '.repeat(4097)), { message: /4097 bytes are above the limit/ });
  const good = { identity, label: '😀'.repeat(255), mountPoints: ['/srv', 'D:\\'] };
  assert.deepEqual(readProperties(writeProperties(good)), good);
  assert.equal(writeProperties({}), '{}');
  assert.deepEqual(readProperties('{"label":"x","colour":["red"]}'), { label: 'x' });
  assert.throws(() => writeProperties({ label: '\u0000' }), { code: 'DELTA_INVALID' });
});
