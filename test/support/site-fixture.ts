/**
 * A site with one registered volume, for tests of the data path: it makes real deltas in a chain, signs real envelopes,
 * and keeps a model of what the volume's bytes were after each delta.
 *
 * Invariant: the model is computed from the extents alone, never from anything that the code under test wrote.
 */
import assert from 'node:assert/strict';
import { newVolume } from '../../src/documents/new-volume.ts';
import { siteKind } from '../../src/documents/site.ts';
import type { Documents } from '../../src/documents/store.ts';
import { volumeKind } from '../../src/documents/volume.ts';
import { openDelta } from '../../src/delta/delta.ts';
import type { DeltaPiece } from '../../src/delta/delta.ts';
import { writeProperties } from '../../src/delta/properties.ts';
import type { VolumeProperties } from '../../src/delta/properties.ts';
import type { DeltaStart } from '../../src/delta/write.ts';
import { DeltaWriter, encodeDelta } from '../../src/delta/write.ts';
import type { ChainPoint } from '../../src/kernel/chain-point.ts';
import { CHAIN_START } from '../../src/kernel/chain-point.ts';
import { siteId, volumeId } from '../../src/kernel/ids.ts';
import type { VolumeRef } from '../../src/kernel/ids.ts';
import { documents as names, journalContainer, journalEntry, replicaBlob } from '../../src/kernel/names.ts';
import type { DeltaForm } from '../../src/kernel/names.ts';
import type { BlobPlace, ContainerPlace } from '../../src/kernel/places.ts';
import { KIB, PAGE_BYTES } from '../../src/kernel/units.ts';
import { CURRENT_VERSION } from '../../src/kernel/versions.ts';
import type { EntryStore } from '../../src/ports/entries.ts';
import { deriveKey, sign } from '../../src/protocol/signed.ts';
import type { SignedMessage, SigningKey } from '../../src/protocol/signed.ts';

/** The deployment's secret in tests. */
export const KEY_SECRET = Buffer.alloc(32, 7);

/** The one storage account of memory tests. */
export const ACCOUNT = 'memory';

const CREATED_AT_MS = 1_700_000_000_000;

export interface SiteOptions {
  readonly volume?: VolumeRef;
  readonly volumeBytes?: number;
  readonly account?: string;
  readonly generation?: number;
}

/** What a delta is to change. Left out: one page that no other delta writes the same way. */
export interface DeltaWish {
  readonly extents?: readonly DeltaPiece[];
  /** Name of a marker. */
  readonly marker?: string;
  /** Size of the volume from this delta on. */
  readonly volumeBytes?: number;
  readonly properties?: VolumeProperties;
  /** Overrides of the head, to make what a sound site would not. */
  readonly head?: Partial<DeltaStart>;
}

/** A delta as its site has it in its outbox. */
export interface SiteDelta {
  readonly generation: number;
  readonly term: number;
  readonly number: number;
  readonly digest: string;
  readonly bytes: Uint8Array;
  readonly marker: string | undefined;
}

/** Bytes of a piece that are told by one reference at most, unless the test says otherwise. */
const REFERRED_BYTES = 4 * KIB;

/** Where content is said to be: in another entry of the journal, or in the volume as it was before. */
export type Reference = { readonly entry: string; readonly at: number } | { readonly at: number };

interface ModelState extends ChainPoint {
  readonly bytes: Uint8Array;
}

export class SiteFixture {
  readonly ref: VolumeRef;
  readonly replica: BlobPlace;
  readonly journal: ContainerPlace;
  readonly key: SigningKey;
  term = 1;
  generation: number;
  /** The model: what the volume was after each delta, from 0. */
  readonly #states: ModelState[];

  constructor(options: SiteOptions = {}, states?: readonly ModelState[]) {
    const { volume = { tenant: 'acme', site: 'berlin', group: 'erp', volume: 'data' }, account = ACCOUNT } = options;
    this.ref = volume;
    this.generation = options.generation ?? 1;
    this.replica = { account, container: 'replicas', blob: replicaBlob(volume, this.generation) };
    this.journal = { account, container: journalContainer(volume) };
    this.key = deriveKey(KEY_SECRET, { signer: siteId(volume), name: 'k1' });
    this.#states = states ? [...states] : [{ ...CHAIN_START, bytes: new Uint8Array(options.volumeBytes ?? 64 * KIB) }];
  }

  /** Makes the site's and the volume's document; a second volume of a site finds the site's there. */
  async register(documents: Documents): Promise<this> {
    const site = { version: CURRENT_VERSION, site: siteId(this.ref), account: this.replica.account };
    const keys = [{ name: this.key.name, state: 'active' as const }];
    if (!(await documents.read(siteKind, names.site(this.ref)))) {
      await documents.create(siteKind, names.site(this.ref), { ...site, keys });
    }
    const { account } = this.replica;
    const begun = newVolume(this.ref, { account, volumeBytes: this.volumeBytes, term: 1, createdAtMs: CREATED_AT_MS });
    await documents.create(volumeKind, names.volume(this.ref), begun);
    return this;
  }

  get id(): string {
    return volumeId(this.ref);
  }

  get documentName(): string {
    return names.volume(this.ref);
  }

  /** Size of the volume now. */
  get volumeBytes(): number {
    return this.#now().bytes.length;
  }

  /** Newest delta's number. */
  get last(): number {
    return this.#states.length - 1;
  }

  /** What the volume was after delta `number`. */
  bytesAt(number: number): Uint8Array {
    const state = this.#states[number];
    assert(state, `the model has no delta ${number}`);
    return state.bytes;
  }

  digestAt(number: number): string {
    const state = this.#states[number];
    assert(state, `the model has no delta ${number}`);
    return state.digest;
  }

  /** A second writer that shares the chain up to `number` and knows nothing of what came after. */
  forkAt(number: number): SiteFixture {
    const options = { volume: this.ref, volumeBytes: this.volumeBytes, account: this.replica.account };
    const fork = new SiteFixture(options, this.#states.slice(0, number + 1));
    fork.term = this.term;
    return fork;
  }

  /** Makes the next delta of the chain, and moves the model on by it. */
  next(wish: DeltaWish = {}): SiteDelta {
    const before = this.#now();
    const number = before.number + 1;
    const bytes = new Uint8Array(wish.volumeBytes ?? before.bytes.length);
    bytes.set(before.bytes.subarray(0, bytes.length));
    const extents = wish.extents ?? [this.#page(number, bytes.length, wish.marker)];
    const delta = this.#encode({ number, predecessor: before.digest, volumeBytes: bytes.length, extents, wish });
    for (const piece of extents) {
      if ('bytes' in piece) bytes.set(piece.bytes, piece.offset);
      else bytes.fill(0, piece.offset, piece.offset + piece.zerosBytes);
    }
    this.#states.push({ number, digest: delta.digest, bytes });
    return delta;
  }

  /** What the site signs about a delta, without saying where it is. */
  claims(delta: SiteDelta): Record<string, unknown> {
    const { generation, term, number, digest, bytes } = delta;
    return { volume: this.id, generation, term, number, digest, sizeBytes: bytes.length };
  }

  /** The message that carries a delta. `changed` overrides fields of its envelope. */
  inline(delta: SiteDelta, changed: Record<string, unknown> = {}): SignedMessage {
    const inline = Buffer.from(delta.bytes).toString('base64');
    return sign(this.key, 'delta', { ...this.claims(delta), inline, ...changed });
  }

  entryName(delta: SiteDelta, form: DeltaForm = 'literal-1'): string {
    return journalEntry(this.ref, { ...delta, form });
  }

  entryPlace(delta: SiteDelta, form: DeltaForm = 'literal-1'): BlobPlace {
    return { ...this.journal, blob: this.entryName(delta, form) };
  }

  /** The message that names a delta's journal entry, whether it is there or not. */
  naming(delta: SiteDelta, form: DeltaForm = 'literal-1', changed: Record<string, unknown> = {}): SignedMessage {
    return sign(this.key, 'delta', { ...this.claims(delta), entry: this.entryName(delta, form), ...changed });
  }

  /** Puts the delta into the journal and returns the message that names it. */
  async put(entries: EntryStore, delta: SiteDelta, form: DeltaForm = 'literal-1'): Promise<SignedMessage> {
    await entries.create(this.entryPlace(delta, form), delta.bytes);
    return this.naming(delta, form);
  }

  /**
   * The same delta, as it travels when some of its blocks are told by reference; `refer` says how, undefined for one that
   * stays literal. What is said need not be true: then it is a delta that cannot be resolved.
   */
  referring(
    delta: SiteDelta,
    refer: (piece: { offset: number; bytes: Uint8Array }) => Reference | undefined,
    blockBytes = REFERRED_BYTES,
  ): SiteDelta {
    const whole = openDelta(delta.bytes);
    const writer = new DeltaWriter(whole.head, { zstdLevel: 0 });
    for (const piece of whole.pieces()) {
      if ('zerosBytes' in piece) {
        writer.zeros(piece.offset, piece.zerosBytes);
        continue;
      }
      for (let done = 0; done < piece.bytes.length; done += blockBytes) {
        const offset = piece.offset + done;
        const bytes = piece.bytes.subarray(done, done + blockBytes);
        const reference = refer({ offset, bytes });
        if (!reference) writer.literal(offset, bytes);
        else if ('entry' in reference) writer.journal(offset, reference, bytes);
        else writer.prior(offset, reference.at, bytes);
      }
    }
    const { bytes, digest } = writer.finish({ marker: whole.head.marker });
    assert.equal(digest, delta.digest);
    return { ...delta, bytes };
  }

  #now(): ModelState {
    const state = this.#states.at(-1);
    assert(state);
    return state;
  }

  #encode(of: {
    number: number;
    predecessor: string;
    volumeBytes: number;
    extents: readonly DeltaPiece[];
    wish: DeltaWish;
  }): SiteDelta {
    const { number, predecessor, volumeBytes, extents, wish } = of;
    const timeMs = CREATED_AT_MS + number * 1000;
    const start: DeltaStart = {
      volume: this.id,
      generation: this.generation,
      term: this.term,
      number,
      volumeBytes,
      predecessor,
      sourceTimeMs: timeMs,
      ...(wish.properties && { properties: writeProperties(wish.properties) }),
      ...wish.head,
    };
    const marker = wish.marker === undefined ? undefined : { name: wish.marker, consistency: 'crash' as const, timeMs };
    const { bytes, digest } = encodeDelta({ ...start, marker, extents }, { zstdLevel: 0 });
    return { generation: start.generation, term: start.term, number: start.number, digest, bytes, marker: wish.marker };
  }

  #page(number: number, volumeBytes: number, marker = ''): DeltaPiece {
    const pages = volumeBytes / PAGE_BYTES;
    const bytes = Buffer.alloc(PAGE_BYTES, `delta ${number} ${marker} of ${this.id}; `);
    return { offset: (number % pages) * PAGE_BYTES, bytes };
  }
}
