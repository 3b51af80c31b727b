/** A volume's label, mount points and identity travel with its deltas, when they are new and only then. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readProperties } from '../../src/delta/properties.ts';
import { KIB } from '../../src/kernel/units.ts';
import { propertiesText } from '../../src/site/chain/properties.ts';
import { MemorySite } from '../support/memory-site.ts';
import { ModelCloud } from '../support/model-cloud.ts';

const IDENTITY = '0a1b2c3d-0000-4000-8000-0123456789ab';

test('properties are told once, and again when they change, with content or without', async () => {
  const site = new MemorySite(new ModelCloud(64 * KIB));
  const { cloud, volume } = site;
  const options = { deltaLiteralBytesMax: 8 * KIB };
  let { replicator } = await site.start(options);
  const told = (): unknown[] =>
    cloud.heads.map(({ properties }) => (properties === undefined ? undefined : readProperties(properties)));
  await replicator.replicateOnce();
  assert.deepEqual(told(), [undefined], 'nothing is known');

  volume.known = { identity: IDENTITY, label: 'ERP', mountPoints: ['/srv'] };
  volume.bytes.fill(1, 0, 20 * KIB);
  await replicator.replicateOnce();
  assert.deepEqual(told().slice(1), [volume.known, undefined, undefined]);
  assert.deepEqual((await replicator.replicateOnce()).numbers, []);

  volume.known = { identity: IDENTITY, label: 'ERP' };
  ({ replicator } = await site.start(options));
  assert.deepEqual((await replicator.replicateOnce()).numbers, [5]);
  assert.deepEqual(told()[4], volume.known);
  assert.ok(cloud.heads[4]?.marker);

  volume.known = {};
  assert.deepEqual((await replicator.replicateOnce()).numbers, [6]);
  assert.deepEqual(told()[5], {}, 'what is not known any more is told, too');
  ({ replicator } = await site.start(options));
  assert.deepEqual((await replicator.replicateOnce()).numbers, []);

  ({ replicator } = await site.start({ ...options, said: { label: 'Said', mountPoints: ['/data'] } }));
  volume.known = { identity: IDENTITY, label: 'ERP', mountPoints: ['/srv'] };
  await replicator.replicateOnce();
  assert.deepEqual(told()[6], { identity: IDENTITY, label: 'Said', mountPoints: ['/data'] });
});

test('what no delta may carry is left out', () => {
  const many = Array.from({ length: 70 }, (_, at) => `/mnt/${at}`);
  const text = propertiesText(
    { identity: IDENTITY.toUpperCase(), label: 'a\nb', mountPoints: ['/bell\u0007', `/${'x'.repeat(300)}`, ...many] },
    {},
  );
  assert.deepEqual(readProperties(text), { mountPoints: many.slice(0, 64) });
  const long = many.map((mountPoint) => mountPoint.padEnd(200, 'x'));
  const { mountPoints = [] } = readProperties(propertiesText({ mountPoints: long }, {}));
  assert.ok(mountPoints.length > 10 && mountPoints.length < 21, `${mountPoints.length} fit 4 KiB`);
});
