/** Signed messages: whatever is changed after signing is noticed, and newer formats are told from damage. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { z } from 'zod';
import { deriveKey, parseSigned, readPayload, sign, verifySigned } from '../../src/protocol/signed.ts';
import { FORMAT_NINE, resigned } from '../support/resigned.ts';

const SECRET = new Uint8Array(32).fill(7);
const KEY = deriveKey(SECRET, { signer: 'acme/paris', name: 'k1' });
const MESSAGE = sign(KEY, 'delta', { hello: 'world' });

suite('a signed message', () => {
  test('is accepted with its key, also after it travelled as JSON with unknown fields', () => {
    const travelled: unknown = JSON.parse(JSON.stringify({ ...MESSAGE, added: true }));
    const parsed = parseSigned(travelled, 'delta');
    verifySigned(parsed, KEY);
    assert.deepEqual(readPayload(parsed, z.looseObject({ hello: z.string() })), { hello: 'world' });
    assert.equal(parsed['added'], true);
  });

  const changed: readonly [string, object][] = [
    ['another payload', { payload: MESSAGE.payload.replace('world', 'earth') }],
    ['another kind', { kind: 'lease' as const }],
    ['another signer', { signer: 'acme/rome' }],
    ['another key name', { key: 'k2' }],
    ['another version', { version: { ...MESSAGE.version, format: 2 } }],
    ['another signature', { mac: '0'.repeat(64) }],
  ];
  for (const [what, change] of changed) {
    test(`with ${what} is refused, and the refusal holds no secret`, () => {
      const forged = { ...MESSAGE, ...change };
      const key = deriveKey(SECRET, { signer: forged.signer, name: forged.key });
      assert.throws(
        () => {
          verifySigned(forged, key);
        },
        (error: Error & { code?: string }) => {
          assert.equal(error.code, 'SIGNATURE_INVALID');
          assert.ok(
            !error.message.includes(MESSAGE.mac) && !error.message.includes(Buffer.from(key.secret).toString('hex')),
          );
          return true;
        },
      );
    });
  }

  test('is refused with the key of another site', () => {
    const other = deriveKey(SECRET, { signer: 'acme/rome', name: 'k1' });
    assert.throws(
      () => {
        verifySigned(MESSAGE, other);
      },
      { code: 'SIGNATURE_INVALID' },
    );
  });

  test('of a newer format waits instead of being damaged', () => {
    const newer = { version: { format: 9, oldestReader: 2, oldestWriter: 2 }, unheard: 'of' };
    assert.throws(() => parseSigned(newer, 'delta'), { code: 'VERSION_TOO_NEW', retryHelps: true });
    const parsed = parseSigned(resigned(KEY, { ...MESSAGE, version: FORMAT_NINE, payload: 'unheard of' }), 'delta');
    verifySigned(parsed, KEY);
    assert.throws(() => readPayload(parsed, z.unknown()), { code: 'VERSION_TOO_NEW', retryHelps: true });
  });

  test('that nobody signed does not wait for a program that is newer', () => {
    const parsed = parseSigned({ ...MESSAGE, version: FORMAT_NINE }, 'delta');
    assert.throws(
      () => {
        verifySigned(parsed, KEY);
      },
      { code: 'SIGNATURE_INVALID' },
    );
  });

  test('with what can be no signature does not wait either', () => {
    for (const junk of [{ mac: '00' }, { signer: 'x' }, { key: 'K' }]) {
      const message = { ...MESSAGE, ...junk, version: FORMAT_NINE };
      assert.throws(() => parseSigned(message, 'delta'), { code: 'MESSAGE_INVALID' });
    }
  });

  test('names the field that is wrong', () => {
    for (const [wrong, field] of [
      [{ ...MESSAGE, mac: 'x' }, /mac/],
      [{ ...MESSAGE, payload: 5 }, /payload/],
      ['text', /not a signed delta message/],
      [undefined, /not a signed delta message/],
    ] as const) {
      assert.throws(() => parseSigned(wrong, 'delta'), { code: 'MESSAGE_INVALID', message: field });
    }
    assert.throws(() => parseSigned(5, 'delta', 'ranges'), { message: /not a signed delta or ranges message/ });
    assert.throws(() => parseSigned(MESSAGE, 'lease'), { code: 'MESSAGE_INVALID', message: /kind/ });
  });
});

test('keys of different signers and names differ, and the same one is derived again', () => {
  const hex = (signer: string, name: string): string =>
    Buffer.from(deriveKey(SECRET, { signer, name }).secret).toString('hex');
  assert.equal(hex('acme/paris', 'k1'), hex('acme/paris', 'k1'));
  const all = [hex('acme/paris', 'k1'), hex('acme/paris', 'k2'), hex('acme/rome', 'k1')];
  assert.equal(new Set(all).size, 3);
});
