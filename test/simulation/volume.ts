/**
 * A volume at a simulated site: its application writes and resizes it at any moment, but while an interval reads it.
 *
 * Invariant: bytes that were handed out never change; each write makes others.
 */
import { LeewardError } from '../../src/kernel/errors.ts';
import { KIB, MIB, PAGE_BYTES } from '../../src/kernel/units.ts';
import type { VolumeProperties, VolumeSource } from '../../src/ports/volume-source.ts';
import { BLOCK_BYTES } from '../../src/ranges/blocks.ts';
import type { SeededRandom } from './random.ts';

/** Small ones of one range, the larger with an end that cuts a block; and one of two ranges. */
const SIZES = [
  ...[16 * KIB, 16 * KIB, 16 * KIB, 24 * KIB + PAGE_BYTES, 200 * KIB + PAGE_BYTES, 200 * KIB],
  ...[MIB + 8 * KIB, 4 * MIB + 9 * KIB],
];
/** Few blocks and few contents, so that writes meet on them. */
const BLOCKS_AT = [0, 1, 2, 3, 8, 30, 31, 256, 1024, 1025];
const FILLS = 5;

export class SimulatedVolume implements VolumeSource {
  readonly #random: SeededRandom;
  #bytes: Uint8Array;
  #isRead = false;

  constructor(random: SeededRandom) {
    this.#random = random;
    this.#bytes = new Uint8Array(random.pick(SIZES));
    this.write();
  }

  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** Changes some blocks, or pages of them, and now and then the size; nothing while an interval reads. */
  write(): void {
    if (this.#isRead) return;
    const size = this.#random.chance(0.08) ? this.#random.pick(SIZES) : this.#bytes.length;
    const bytes = new Uint8Array(size);
    bytes.set(this.#bytes.subarray(0, size));
    for (let writes = this.#random.between(1, 5); writes > 0; writes -= 1) {
      const start = this.#random.pick(BLOCKS_AT) * BLOCK_BYTES;
      const lengthBytes = this.#random.pick([PAGE_BYTES, BLOCK_BYTES, 2 * BLOCK_BYTES, 12 * BLOCK_BYTES]);
      // Zeros now and then; a copy of another block as well, for those who look for content that the cloud has.
      bytes.fill(this.#random.between(0, FILLS), start, start + lengthBytes);
      if (start < size) bytes[start] = this.#random.between(0, FILLS);
    }
    this.#bytes = bytes;
  }

  /** A block that begins at `offset` is changed behind everybody's back. */
  change(offset: number): void {
    if (this.#isRead) return;
    this.#bytes = this.#bytes.slice();
    this.#bytes[offset] = ((this.#bytes[offset] ?? 0) + 1) % 256;
  }

  /** Whoever read it does so no more. */
  release(): void {
    this.#isRead = false;
  }

  async sizeBytes(): Promise<number> {
    return this.#bytes.length;
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    if (offset + into.length > this.#bytes.length) throw new LeewardError('SOURCE_CHANGED', 'the volume shrank');
    into.set(this.#bytes.subarray(offset, offset + into.length));
  }

  /** Asked for once, when an interval begins. */
  async properties(): Promise<VolumeProperties> {
    this.#isRead = true;
    return {};
  }

  async close(): Promise<void> {
    // Nothing is open.
  }
}
