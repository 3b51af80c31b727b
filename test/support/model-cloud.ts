/**
 * The cloud as docs/site-protocol.md describes it to a sender, reduced to its meaning: a chain of deltas, and the bytes
 * that they make. For tests of the site alone, which give it answers that the real engine gives seldom.
 *
 * Invariant: the replica follows from the deltas by their own definition, state N = resize(state N-1), then extents; a
 * delta that the chain has is never another one.
 */
import assert from 'node:assert/strict';
import { openDelta } from '../../src/delta/delta.ts';
import type { DeltaHead } from '../../src/delta/head.ts';
import { LeewardError } from '../../src/kernel/errors.ts';
import { NO_DIGEST } from '../../src/kernel/hash.ts';
import { journalPrefix } from '../../src/kernel/names.ts';
import { MIB, PAGE_BYTES } from '../../src/kernel/units.ts';
import { CURRENT_VERSION } from '../../src/kernel/versions.ts';
import type { CloudLink } from '../../src/ports/cloud-link.ts';
import { envelopeSchema } from '../../src/protocol/envelope.ts';
import { heartbeatSchema } from '../../src/protocol/heartbeat.ts';
import type { Heartbeat, HeartbeatAnswer, VolumeAnswer } from '../../src/protocol/heartbeat.ts';
import type { LeaseAnswer } from '../../src/protocol/lease.ts';
import { rangesMessageSchema } from '../../src/protocol/ranges.ts';
import type { RangesMessage } from '../../src/protocol/ranges.ts';
import { RANGE_BYTES, blockHashes, rangeHash } from '../../src/ranges/blocks.ts';
import { differences } from '../../src/ranges/differences.ts';
import { parseRangeList } from './range-lists.ts';
import type { RangeList } from '../../src/ranges/list.ts';
import { readPayload } from '../../src/protocol/signed.ts';
import type { SignedMessage } from '../../src/protocol/signed.ts';
import { signedMessageSchema } from '../../src/protocol/signed.ts';
import { ManualClock } from './memory/clock.ts';
import { SiteFixture } from './site-fixture.ts';

export class ModelCloud implements CloudLink {
  readonly site: SiteFixture;
  readonly storage = { clock: new ManualClock() };
  /** What the chain has made of the volume. */
  replica: Uint8Array = new Uint8Array(0);
  /** Heads of the chain's deltas, number 1 first. */
  readonly heads: DeltaHead[] = [];
  /** Bytes of the volume that each of them sets. */
  readonly changedBytes: number[] = [];
  readonly entries = new Map<string, Uint8Array>();
  /** What the volume's part of every heartbeat said. */
  readonly heard: Heartbeat['volumes'][number][] = [];
  /** What the answer says beyond the chain, or in its place. */
  saying: Partial<VolumeAnswer> = {};
  generation = 1;
  /** What the generation begins from. */
  baseDigest = NO_DIGEST;
  /** Every range list that was handed over. */
  readonly lists: RangeList[] = [];
  /** Raw pages as they were written. */
  upload: Uint8Array = new Uint8Array(0);
  uploadedBytes = 0;
  /** Called before pages are written; what it throws is what the site gets. */
  beforePages: (offset: number, bytes: Uint8Array) => void | Promise<void> = () => undefined;
  /** Called with what each heartbeat says, before it is answered. */
  onHeartbeat: (said: Heartbeat['volumes'][number]) => void = () => undefined;
  /** Called after each delta that the chain took. */
  onTaken: () => void = () => undefined;

  constructor(volumeBytes: number) {
    this.site = new SiteFixture({ volumeBytes });
  }

  async heartbeat(message: SignedMessage): Promise<HeartbeatAnswer> {
    const [said] = readPayload(message, heartbeatSchema).volumes;
    assert.ok(said);
    this.heard.push(said);
    this.onHeartbeat(said);
    const expiresAtMs = this.storage.clock.wallMs() + 3_600_000;
    const last = this.heads.at(-1);
    return {
      version: CURRENT_VERSION,
      site: this.site.key.signer,
      volumes: [
        {
          volume: this.site.id,
          generation: this.generation,
          term: 1,
          writable: true,
          acknowledged: { number: last?.number ?? 0, digest: last?.digest ?? this.baseDigest },
          appliedNumber: last?.number ?? 0,
          queue: 'deltas',
          entryPrefix: journalPrefix(this.site.ref, this.generation),
          resend: [],
          ...this.saying,
        },
      ],
      groups: [],
      access: {
        queues: { deltas: 'https://model.test/deltas', bulk: 'https://model.test/bulk' },
        journal: 'https://model.test/journal',
        expiresAtMs,
      },
      everyMs: 1000,
    };
  }

  async lease(): Promise<LeaseAnswer> {
    return assert.fail('no leases here');
  }

  async putEntry(_containerUrl: string, name: string, bytes: Uint8Array): Promise<void> {
    assert.deepEqual(this.entries.get(name) ?? bytes, bytes, `${name} was put with two contents`);
    this.entries.set(name, bytes);
  }

  async putPages(blobUrl: string, offset: number, bytes: Uint8Array): Promise<void> {
    await this.beforePages(offset, bytes);
    if (blobUrl !== this.saying.base?.uploadUrl) throw new LeewardError('DENIED', 'storage answered 403');
    assert.ok(offset % PAGE_BYTES === 0 && bytes.length % PAGE_BYTES === 0 && bytes.length <= 4 * MIB);
    assert.ok(offset + bytes.length <= this.upload.length, 'pages lie within the upload');
    this.upload.set(bytes, offset);
    this.uploadedBytes += bytes.length;
  }

  async sendMessage(_queueUrl: string, text: string): Promise<void> {
    const message = signedMessageSchema.parse(JSON.parse(text));
    if (message.kind === 'ranges') {
      this.#takeList(readPayload(message, rangesMessageSchema));
      return;
    }
    const { inline, entry = '' } = readPayload(message, envelopeSchema);
    const bytes = inline === undefined ? this.entries.get(entry) : new Uint8Array(Buffer.from(inline, 'base64'));
    this.#take(bytes ?? assert.fail(`${entry} was named before it was put`));
  }

  /** Begins the next generation, of which `bytes` are to become the base. */
  nextGeneration(bytes: Uint8Array): void {
    this.generation += 1;
    this.replica = bytes;
    this.baseDigest = NO_DIGEST;
    this.saying = {};
    for (const list of [this.heads, this.changedBytes, this.lists]) list.length = 0;
  }

  /** Begins the next generation, whose base is a copy of `point`. */
  resyncFrom(point: Uint8Array): void {
    this.nextGeneration(point);
    this.saying = { base: { from: 'point', phase: 'copying', listed: false } };
  }

  /**
   * Takes the making of a base one step further, as each heartbeat may: raw pages are taken when the site asks for it, and
   * what it has listed is compared.
   */
  stepBase(said: Heartbeat['volumes'][number]): void {
    const { base } = this.saying;
    const [list] = this.lists;
    if (base === undefined && said.direct === true && said.stored === 0 && this.heads.length === 0) {
      this.upload = new Uint8Array(said.volumeBytes ?? 0);
      this.saying = { base: { from: 'upload', phase: 'open', listed: false, uploadUrl: 'https://model.test/upload' } };
    } else if (base?.phase === 'open' && list) {
      this.saying = { base: { from: 'upload', phase: 'copying', listed: true } };
    } else if (base?.phase === 'copying' && list) {
      this.openBase(base.from === 'upload' ? this.upload : this.replica, list);
    }
    const { repair, ...others } = this.saying;
    if (repair && said.repaired === repair.id) this.saying = others;
  }

  hashesOfReplica(): Uint8Array {
    const hashes: Uint8Array[] = [];
    for (let at = 0; at < this.replica.length; at += RANGE_BYTES) {
      hashes.push(rangeHash(blockHashes(this.replica.subarray(at, at + RANGE_BYTES))));
    }
    return Buffer.concat(hashes);
  }

  /** The generation begins from what `bytes` are, for a site that has listed `list`: as the cloud tells it. */
  openBase(bytes: Uint8Array, list: RangeList): void {
    this.replica = bytes.slice();
    // As the cloud compares: what it has not is zeros, and what the list has not does not count.
    const ours = new Uint8Array(list.hashes.length);
    ours.set(this.hashesOfReplica().subarray(0, ours.length));
    const ranges = differences(ours, list.hashes, { firstRange: 0, volumeBytes: list.volumeBytes });
    this.baseDigest = 'ba5e'.repeat(16);
    const base = this.saying.base ?? assert.fail('no base is being made');
    this.saying = {
      base: { from: base.from, phase: 'ready', listed: true, digest: this.baseDigest },
      ...(ranges.length > 0 && { repair: { id: `base-${this.generation}`, ranges } }),
    };
  }

  #takeList(message: RangesMessage): void {
    const { entry, ...said } = message;
    const list = parseRangeList(this.entries.get(entry) ?? assert.fail(`${entry} was named before it was put`));
    const { volume, generation, number, digest } = list;
    assert.deepEqual({ volume, generation, number, digest }, said);
    this.lists.push(list);
  }

  #take(bytes: Uint8Array): void {
    const delta = openDelta(bytes);
    const { head } = delta;
    const held = this.heads[head.number - 1];
    if (held) {
      assert.equal(head.digest, held.digest, `delta ${head.number} was sent with two contents`);
      return;
    }
    assert.equal(head.number, this.heads.length + 1, 'numbers go out in order');
    assert.equal(head.generation, this.generation);
    assert.equal(head.predecessor, this.heads.at(-1)?.digest ?? this.baseDigest);
    const replica = new Uint8Array(head.volumeBytes);
    replica.set(this.replica.subarray(0, head.volumeBytes));
    let changedBytes = 0;
    for (const piece of delta.pieces()) {
      if ('zerosBytes' in piece) replica.fill(0, piece.offset, piece.offset + piece.zerosBytes);
      else replica.set(piece.bytes, piece.offset);
      changedBytes += 'zerosBytes' in piece ? piece.zerosBytes : piece.bytes.length;
    }
    this.replica = replica;
    this.heads.push(head);
    this.changedBytes.push(changedBytes);
    this.onTaken();
  }
}
