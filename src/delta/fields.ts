/**
 * Fields of a head, read one by one.
 *
 * Invariant: it reads within the head only; whoever asks has checked the counts that the offsets come from.
 */
import type { Report } from './problem.ts';

/** A head whose length is certain. */
export class Fields {
  readonly bytes: Uint8Array;
  readonly report: Report;
  /** False for a newer version that this program may read: there, what is reserved here may mean something. */
  readonly known: boolean;
  readonly #view: DataView;

  constructor(head: Uint8Array, known: boolean, report: Report) {
    this.bytes = head;
    this.report = report;
    this.#view = new DataView(head.buffer, head.byteOffset, head.length);
    this.known = known;
  }

  /** Of a known version, reports each byte from `start` up to before `end` that is not zero. */
  zeros(field: string, start: number, end: number): void {
    if (!this.known) return;
    for (let at = start; at < end; at += 1) {
      const byte = this.u8(at);
      if (byte !== 0) this.report({ field, at, problem: `byte is ${byte}, but has to be 0` });
    }
  }

  /** As {@link zeros} of what entry `index` of a table, which may be long, has reserved: its name costs only at a fault. */
  reserved(entry: 'frame' | 'extent', index: number, start: number, end: number): void {
    for (let at = start; at < end; at += 1) {
      if (this.u8(at) === 0) continue;
      this.zeros(`${entry} ${index}, reserved`, at, end);
      return;
    }
  }

  u8(at: number): number {
    return this.#view.getUint8(at);
  }

  u16(at: number): number {
    return this.#view.getUint16(at, true);
  }

  u32(at: number): number {
    return this.#view.getUint32(at, true);
  }

  /** `extent` is the index of the extent that the field belongs to, if it is one's: there may be many. */
  u64(at: number, field: string, extent?: number): number {
    const value = this.u32(at) + this.u32(at + 4) * 2 ** 32;
    if (!Number.isSafeInteger(value)) {
      const name = extent === undefined ? field : `extent ${extent}, ${field}`;
      this.report({ field: name, at, problem: 'above 2^53 - 1' });
    }
    return value;
  }

  /** Bytes as Latin-1: each is one character, whatever it is. */
  text(at: number, lengthBytes: number): string {
    return Buffer.from(this.bytes.subarray(at, at + lengthBytes)).toString('latin1');
  }

  sha256(at: number): string {
    return Buffer.from(this.bytes.subarray(at, at + 32)).toString('hex');
  }
}
