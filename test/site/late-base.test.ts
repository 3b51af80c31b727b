/**
 * An upload that the cloud opens after the site has given it up: a heartbeat that asked for it takes effect when a later
 * one was answered without it. Found by the simulator: the cloud waited for pages, and refused every delta.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MIB } from '../../src/kernel/units.ts';
import { assertSameBytes } from '../support/bytes.ts';
import { MemorySite } from '../support/memory-site.ts';
import { ModelCloud } from '../support/model-cloud.ts';

test('a generation that was begun without the base that the cloud opens late is given up for another', async () => {
  const cloud = new ModelCloud(2 * MIB);
  const site = new MemorySite(cloud);
  site.volume.bytes.fill(1, 0, MIB);
  const { siteLink, replicator } = await site.start({ directFromBytes: MIB });
  await replicator.replicateOnce();
  assert(cloud.heard.some(({ direct }) => direct === true));
  // Its chain is none of what begins with the base.
  cloud.heads.length = 0;
  cloud.saying = { base: { from: 'upload', phase: 'open', listed: false } };
  await siteLink.heartbeat();
  await siteLink.heartbeat();
  assert.equal(cloud.heard.at(-1)?.wants, 'generation');
  assert.match(replicator.status().trouble ?? '', /begun without one/);

  cloud.nextGeneration(new Uint8Array(0));
  await siteLink.heartbeat();
  await replicator.replicateOnce();
  await siteLink.round();
  assert.equal(cloud.heard.at(-1)?.wants, undefined);
  assertSameBytes(cloud.replica, site.volume.bytes);
});
