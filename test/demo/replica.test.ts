/** The demo's comparison must be able to find a fault: one flipped byte, a wrong size, a broken footer. */
import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { compareReplica } from '../../src/demo/replica.ts';
import { sha256Hex } from '../../src/kernel/hash.ts';
import { MIB } from '../../src/kernel/units.ts';
import type { VolumeSource } from '../../src/ports/volume-source.ts';
import { makeFooter } from '../../src/vhd/footer.ts';
import { MemoryReplicaStore } from '../support/memory/replica-store.ts';

const PLACE = { account: 'memory', container: 'replicas', blob: 'demo/site/shop/disk/00000001.vhd' };
const DATA_BYTES = 5 * MIB;
const VOLUME_BYTES = DATA_BYTES - 512;

const content = Buffer.alloc(DATA_BYTES);
for (let at = 0; at < VOLUME_BYTES; at += 1) content[at] = (at * 31) % 251;

const volume: VolumeSource = {
  sizeBytes: async () => VOLUME_BYTES,
  read: async (offset, into) => {
    assert(offset + into.length <= VOLUME_BYTES, 'read past the end of the volume');
    into.set(content.subarray(offset, offset + into.length));
  },
  properties: async () => ({}),
  close: async () => undefined,
};

describe("the demo's comparison of a replica with its volume", () => {
  let replicas: MemoryReplicaStore;
  const compare = () => compareReplica(replicas, PLACE, { volume, signal: new AbortController().signal });
  const write = (offset: number, bytes: Uint8Array) => replicas.writePages(PLACE, { offset, bytes, fence: 0 });

  beforeEach(async () => {
    replicas = new MemoryReplicaStore();
    await replicas.create(PLACE, DATA_BYTES + 512);
    for (let offset = 0; offset < DATA_BYTES; offset += MIB)
      await write(offset, content.subarray(offset, offset + MIB));
    const uniqueId = new Uint8Array(16).fill(7);
    await write(DATA_BYTES, makeFooter({ dataBytes: DATA_BYTES, uniqueId, createdAtMs: Date.UTC(2026, 0, 1) }));
  });

  test('a replica that is whole is found so, with the hash of its data', async () => {
    const facts = { dataBytes: DATA_BYTES, sha256: sha256Hex(content), problems: [], differsAt: undefined };
    assert.deepEqual(await compare(), facts);
  });

  test('one flipped byte is found, where it is', async () => {
    const at = 4 * MIB + 700;
    const page = new Uint8Array(content.subarray(at - (at % 512), at - (at % 512) + 512));
    page[at % 512] = (page[at % 512] ?? 0) ^ 1;
    await write(at - (at % 512), page);
    assert.equal((await compare()).differsAt, at);
  });

  test('a byte beyond the end of the volume that is not zero is found', async () => {
    await write(VOLUME_BYTES, new Uint8Array(512).fill(1));
    assert.equal((await compare()).differsAt, VOLUME_BYTES);
  });

  test('a broken footer is told', async () => {
    await write(DATA_BYTES, new Uint8Array(512));
    assert.notDeepEqual((await compare()).problems, []);
  });

  test('a replica of another size than the volume is told', async () => {
    const larger = { ...PLACE, blob: 'larger.vhd' };
    await replicas.create(larger, DATA_BYTES + MIB + 512);
    const facts = await compareReplica(replicas, larger, { volume, signal: new AbortController().signal });
    assert(facts.problems.some((problem) => problem.includes(`for a volume of ${VOLUME_BYTES}`)));
  });
});
