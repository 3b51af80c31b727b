/** The redactor: which operation a line tells is kept, and no credential of it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseAccessLine, withoutCredentials } from '../../../src/local/stack/access-log.ts';

const AT = new Date(Date.UTC(2026, 10, 21, 12, 0, 0, 7));

function line(request: string, status = '201', user = '-'): string {
  return `127.0.0.1 - ${user} [21/Nov/2026:12:31:49 +0000] "${request} HTTP/1.1" ${status} -`;
}

function parse(request: string, status?: string, user?: string) {
  return parseAccessLine(line(request, status, user), AT);
}

/** As Azure makes signatures: 32 bytes in base64. */
const signature = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString('base64'));
const word = fc.stringMatching(/^[a-z0-9/.-]{0,20}$/);

describe('a line of the access log', () => {
  test('a request for a blob', () => {
    assert.deepEqual(parse('PUT /account/replicas/t/s/g/v/00000001.vhd?comp=page&timeout=30'), {
      at: '2026-11-21T12:00:00.007Z',
      service: 'blob',
      method: 'PUT',
      path: 'replicas/t/s/g/v/00000001.vhd',
      comp: 'page',
      status: 201,
    });
  });

  test('a container, a queue, messages and the account are told apart', () => {
    const services = [
      'PUT /account/state?restype=container',
      'PUT /account/leeward-bulk?timeout=30',
      'POST /account/leeward-bulk/messages?timeout=30',
      'DELETE /account/leeward-bulk/messages/18e63c88?popreceipt=MjFO',
      'GET /account/state/messages/a/b',
      'GET /account/?comp=list',
    ].map((request) => parse(request)?.service);
    assert.deepEqual(services, ['blob', 'queue', 'queue', 'queue', 'blob', undefined]);
  });

  test('a caller that was gone before the answer', () => {
    assert.equal(parse('GET /account/state/a', '-')?.status, 0);
  });

  test('a user name that looks like a request does not count', () => {
    assert.equal(parse('GET /account/state/a', '200', '[x] "PUT /account/b/c HTTP/1.1" 201')?.method, 'GET');
  });

  test('a path is cut at the first character that no name has', () => {
    assert.equal(parse('GET /account/state/a%20b/c')?.path, 'state/a…');
  });

  test('what is no request is none', () => {
    assert.equal(parseAccessLine('Azurite Blob service is starting at http://127.0.0.1:0', AT), undefined);
  });

  test('no signature passes, wherever it stands and however it is escaped', () => {
    const hiding = fc.constantFrom(
      (path: string, sig: string) => `/${path}?sv=2026-04-06&sig=${encodeURIComponent(sig)}&comp=page`,
      (path: string, sig: string) => `/${path}?comp=${encodeURIComponent(sig)}&restype=${sig}`,
      (path: string, sig: string) => `/${path}??SIG=${sig}`,
      (path: string, sig: string) => `/${path}%3Fsv=1%26sig%3D${encodeURIComponent(sig)}`,
      (path: string, sig: string) => `/${path}%3f%73ig=${sig}?comp=list`,
      (path: string, sig: string) => `/${path}&sig=${sig}`,
      (path: string, sig: string) => `/${path};sig=${sig}`,
      (path: string, sig: string) => `/${path}#sig=${sig}`,
      (path: string, sig: string) => `/${path}"sig=${sig}`,
      (path: string, sig: string) => `/sig=${sig}/${path}`,
    );
    fc.assert(
      fc.property(hiding, word, signature, (hide, path, sig) => {
        const request = parse(`GET ${hide(path, sig)}`, '200');
        assert.ok(request, 'it is a request');
        const logged = JSON.stringify(request);
        assert.doesNotMatch(logged, /sig(=|%3d)/i);
        for (const form of [sig, encodeURIComponent(sig), sig.slice(0, 20)]) assert.ok(!logged.includes(form));
      }),
    );
  });
});

describe('text without credentials', () => {
  test('signatures and keys go, whatever stands around them', () => {
    const before = fc.constantFrom('http://h/c/b?sv=1&sig=', 'c/b&SIG=', 'x sig=', 'x;AccountKey=', 'sig%3D', '"?sig=');
    fc.assert(
      fc.property(fc.string(), before, signature, fc.string(), (start, name, secret, end) => {
        assert.ok(!withoutCredentials(`${start}${name}${secret} ${end}`).includes(secret));
      }),
    );
  });

  test('the rest stays', () => {
    assert.equal(withoutCredentials('listen EADDRINUSE 127.0.0.1:1'), 'listen EADDRINUSE 127.0.0.1:1');
  });
});
