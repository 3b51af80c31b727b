/**
 * A site whose volumes send with deduplication, and what its cloud makes of that, without any of the cloud's own code: it
 * knows the delta format alone.
 *
 * Invariant: nothing gets into a replica that was not checked against the digest of the delta as it was stored.
 */
import assert from 'node:assert/strict';
import { checkDelta, checkSent, openDelta } from '../../src/delta/delta.ts';
import type { DeltaPiece } from '../../src/delta/delta.ts';
import type { OutsideReference } from '../../src/delta/extents.ts';
import { literalsAt } from '../../src/delta/literals.ts';
import { rehydrate } from '../../src/delta/rehydrate.ts';
import { encodeDelta } from '../../src/delta/write.ts';
import { isLeewardError } from '../../src/kernel/errors.ts';
import { volumeId } from '../../src/kernel/ids.ts';
import type { VolumeRef } from '../../src/kernel/ids.ts';
import { journalEntry } from '../../src/kernel/names.ts';
import type { DeltaForm } from '../../src/kernel/names.ts';
import type { ContentIndex } from '../../src/ports/content-index.ts';
import { Deduplication } from '../../src/site/dedup/deduplication.ts';
import { VolumeLog } from '../../src/site/chain/volume-log.ts';
import { assertSameBytes } from './bytes.ts';
import { ManualClock } from './memory/clock.ts';
import { MemoryContentIndex } from './memory/content-index.ts';
import { MemorySiteStore } from './memory/site-store.ts';

/** What a delta may carry besides its content. */
type Said = Partial<Pick<Parameters<typeof encodeDelta>[0], 'properties' | 'marker'>>;

/** What the site counts less than the cloud has said. */
export const DAY_MS = 86_400_000;

/** What was sent of a delta first, and what became of it. */
export interface Sending {
  /** The delta as it was stored. */
  readonly stored: Uint8Array;
  /** With references in it; undefined where it was sent as it is. */
  readonly reduced: Uint8Array | undefined;
  readonly outcome: 'literal' | 'repeats' | 'resolved' | 'asked';
  /** Bytes of all that was sent. */
  readonly wireBytes: number;
}

export class DedupSite {
  readonly clock = new ManualClock();
  readonly index: ContentIndex;
  /** How long the cloud keeps entries, as it has said; undefined until it has. */
  journalKeptMs: number | undefined = 2 * DAY_MS;
  /** The cloud's journal: literal entries by their names. */
  readonly journal = new Map<string, Uint8Array>();

  constructor(index: ContentIndex = new MemoryContentIndex()) {
    this.index = index;
  }

  async volume(name: string, volumeBytes: number): Promise<DedupVolume> {
    const ref = { tenant: 'acme', site: 'berlin', group: 'erp', volume: name };
    const volume = new DedupVolume(this, ref, volumeBytes);
    await volume.log.begin({ generation: 1, term: 1 });
    return volume;
  }
}

export class DedupVolume {
  readonly #site: DedupSite;
  readonly #ref: VolumeRef;
  log: VolumeLog;
  dedup: Deduplication;
  readonly #store = new MemorySiteStore();
  /** What the volume holds, and what its replica does. */
  readonly bytes: Uint8Array;
  readonly replica: Uint8Array;

  constructor(site: DedupSite, ref: VolumeRef, volumeBytes: number) {
    this.#site = site;
    this.#ref = ref;
    this.log = new VolumeLog(volumeId(ref), this.#store);
    this.dedup = this.#open(site.index);
    this.bytes = new Uint8Array(volumeBytes);
    this.replica = new Uint8Array(volumeBytes);
  }

  /** As after a restart of the process: what is in memory alone is gone; of the index, too, what `index` has not. */
  async restart(index: ContentIndex = this.#site.index): Promise<void> {
    this.log = new VolumeLog(volumeId(this.#ref), this.#store);
    await this.log.recover();
    this.dedup = this.#open(index);
  }

  #open(index: ContentIndex): Deduplication {
    const { clock } = this.#site;
    const journalKeptMs = (): number | undefined => this.#site.journalKeptMs;
    return new Deduplication({ volume: this.#ref, index, log: this.log, clock, journalKeptMs });
  }

  /** Makes the next delta of these ranges of whole blocks, and stores it. */
  async store(extents: readonly DeltaPiece[], said: Said = {}): Promise<Uint8Array> {
    const { generation = 1, term = 1, last } = this.log.state ?? {};
    const { bytes } = encodeDelta({
      volume: volumeId(this.#ref),
      generation,
      term,
      number: (last?.number ?? 0) + 1,
      volumeBytes: this.bytes.length,
      predecessor: last?.digest ?? '',
      sourceTimeMs: 1_700_000_000_000,
      extents,
      ...said,
    });
    for (const piece of extents) setPiece(this.bytes, piece);
    await this.log.append(bytes);
    return bytes;
  }

  /** Sends it, and again with all its bytes if the cloud cannot resolve it; then it is in the replica. */
  async send(stored: Uint8Array): Promise<Sending> {
    const { bytes, form } = await this.dedup.prepare(stored);
    const reduced = bytes === stored ? undefined : bytes;
    const { head } = openDelta(stored);
    assert.equal(openDelta(bytes).head.digest, head.digest);
    if (form !== 'refs-1') {
      this.#take(bytes, form);
      return { stored, reduced, outcome: reduced ? 'repeats' : 'literal', wireBytes: bytes.length };
    }
    const sent = checkSent(bytes);
    assert(sent.outside.length > 0);
    try {
      this.#take(rehydrate(sent, (reference) => this.#content(reference)).bytes, 'literal-1');
      return { stored, reduced, outcome: 'resolved', wireBytes: bytes.length };
    } catch (error) {
      if (!isLeewardError(error, 'DELTA_INVALID')) throw error;
      await this.dedup.noteAsked(head);
      this.#take(stored, 'literal-1');
      return { stored, reduced, outcome: 'asked', wireBytes: bytes.length + stored.length };
    }
  }

  /** The site hears that everything up to this delta was acknowledged. */
  async acknowledge(stored: Uint8Array): Promise<void> {
    const { generation, number } = openDelta(stored).head;
    await this.dedup.noteAcknowledged({ generation, number });
  }

  /** Stores, sends and acknowledges a delta; the replica holds what the volume does. */
  async replicate(extents: readonly DeltaPiece[], said: Said = {}): Promise<Sending> {
    const sending = await this.send(await this.store(extents, said));
    await this.acknowledge(sending.stored);
    assertSameBytes(this.replica, this.bytes, volumeId(this.#ref));
    return sending;
  }

  /** The entry in which the cloud keeps a delta. */
  entryOf(stored: Uint8Array, form: DeltaForm = 'literal-1'): string {
    return journalEntry(this.#ref, { ...openDelta(stored).head, form });
  }

  #take(encoded: Uint8Array, form: DeltaForm): void {
    for (const piece of checkDelta(encoded).pieces()) setPiece(this.replica, piece);
    const entry = this.entryOf(encoded, form);
    assert(!this.#site.journal.has(entry), 'one name, one content');
    this.#site.journal.set(entry, encoded);
  }

  #content(reference: OutsideReference): Uint8Array {
    const { at, lengthBytes } = reference;
    if (reference.kind === 'prior') return this.replica.subarray(at, at + lengthBytes);
    const source = this.#site.journal.get(reference.source);
    const [bytes] = source === undefined ? [] : literalsAt(openDelta(source), [{ at, lengthBytes }]);
    return bytes ?? new Uint8Array(0);
  }
}

function setPiece(bytes: Uint8Array, piece: DeltaPiece): void {
  if ('bytes' in piece) bytes.set(piece.bytes, piece.offset);
  else bytes.fill(0, piece.offset, piece.offset + piece.zerosBytes);
}

/** How often each kind of extent occurs. */
export function kindsOf(encoded: Uint8Array): Record<string, number> {
  const kinds: Record<string, number> = {};
  for (const { kind } of openDelta(encoded).extents) kinds[kind] = (kinds[kind] ?? 0) + 1;
  return kinds;
}
