import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  newSiteAccess,
  parseSiteAccess,
  serializeSiteAccess,
  signingKey,
  withVolume,
} from '../../src/site/send/access.ts';
import { describeError } from '../../src/kernel/errors.ts';
import { SiteFixture } from '../support/site-fixture.ts';

const { key, id } = new SiteFixture();
const access = withVolume(newSiteAccess({ key, functionsUrl: 'https://functions.example' }), id, '/dev/vg/data');

test('an access file is read as it was written, with fields of a newer program', () => {
  assert.deepEqual(parseSiteAccess(serializeSiteAccess(access)), access);
  assert.deepEqual(signingKey(parseSiteAccess(serializeSiteAccess(access))), key);
  assert.deepEqual(withVolume(access, id, '/dev/vg/other').volumes, [{ volume: id, source: '/dev/vg/other' }]);
  const named = { ...access, volumes: access.volumes.map((volume) => ({ ...volume, label: 'ERP', mountPoints: [] })) };
  assert.deepEqual(
    withVolume(parseSiteAccess(serializeSiteAccess(named)), id, '/dev/vg/other').volumes,
    [{ volume: id, source: '/dev/vg/other', label: 'ERP', mountPoints: [] }],
    'what a person said of it stays',
  );
  const newer = JSON.stringify({ ...access, region: 'eu' });
  assert.match(serializeSiteAccess(parseSiteAccess(newer)), /"region": "eu"/);
});

test('a broken access file is refused without a word of what it holds', () => {
  const secret = access.key.secret;
  const wrong: [string, RegExp][] = [
    [serializeSiteAccess(access).slice(0, -3), /is not JSON/],
    [JSON.stringify({ ...access, key: { name: 'k1', secret: secret.slice(4) } }), /key\.secret: must be 32 bytes/],
    [JSON.stringify({ ...access, key: { name: 'k1', secret: `${secret}?` } }), /key\.secret/],
    [JSON.stringify({ ...access, site: 'acme' }), /site/],
    [JSON.stringify({ ...access, functionsUrl: 'nowhere' }), /functionsUrl/],
    [
      JSON.stringify({ ...access, volumes: [{ volume: 'acme/paris/erp/data', source: 'x' }] }),
      /not a volume of acme\/berlin/,
    ],
    [JSON.stringify({ ...access, volumes: [...access.volumes, ...access.volumes] }), /twice/],
  ];
  for (const [text, message] of wrong) {
    assert.throws(
      () => parseSiteAccess(text),
      (error) => {
        assert.match(describeError(error), message);
        assert.ok(!describeError(error).includes(secret.slice(4, 20)));
        return true;
      },
    );
  }
  const version = { format: 9, oldestReader: 9, oldestWriter: 9 };
  assert.throws(() => parseSiteAccess(JSON.stringify({ ...access, version })), { code: 'VERSION_TOO_NEW' });
});
