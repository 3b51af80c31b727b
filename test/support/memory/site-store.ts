/**
 * A replicator's store in memory, with what a crash does to one: what was not yet synced of the index is there or not,
 * each write by itself, and everything else is there wholly or not at all.
 */
import type { SiteStore } from '../../../src/ports/site-store.ts';

export class MemorySiteStore implements SiteStore {
  /** Called after each delta that was put. */
  onPut: (number: number) => void = () => undefined;
  readonly #deltas = new Map<number, Uint8Array>();
  #state: string | undefined;
  #index = new Uint8Array(0);
  #synced = new Uint8Array(0);
  #unsynced: ((index: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>)[] = [];

  async readState(): Promise<string | undefined> {
    return this.#state;
  }

  async writeState(text: string): Promise<void> {
    this.#state = text;
  }

  async putDelta(number: number, bytes: Uint8Array): Promise<void> {
    this.#deltas.set(number, bytes.slice());
    this.onPut(number);
  }

  async readDelta(number: number): Promise<Uint8Array | undefined> {
    return this.#deltas.get(number)?.slice();
  }

  async listDeltas(): Promise<readonly { readonly number: number; readonly sizeBytes: number }[]> {
    const all = [...this.#deltas].map(([number, bytes]) => ({ number, sizeBytes: bytes.length }));
    return all.sort((a, b) => a.number - b.number);
  }

  async removeDelta(number: number): Promise<void> {
    this.#deltas.delete(number);
  }

  async readIndex(offset: number, into: Uint8Array): Promise<void> {
    into.fill(0);
    into.set(this.#index.subarray(offset, offset + into.length));
  }

  async writeIndex(offset: number, bytes: Uint8Array): Promise<void> {
    const copy = bytes.slice();
    this.#change((index) => {
      const longer = new Uint8Array(Math.max(index.length, offset + copy.length));
      longer.set(index);
      longer.set(copy, offset);
      return longer;
    });
  }

  async syncIndex(): Promise<void> {
    this.#synced = this.#index;
    this.#unsynced = [];
  }

  async cutIndex(offset: number): Promise<void> {
    this.#change((index) => index.slice(0, offset));
  }

  /** The machine stops: `survives` says of each write since the last sync whether it is there afterwards. */
  crash(survives: () => boolean): void {
    this.#index = this.#unsynced.filter(() => survives()).reduce((index, write) => write(index), this.#synced);
    this.#synced = this.#index;
    this.#unsynced = [];
  }

  #change(write: (index: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>): void {
    this.#index = write(this.#index);
    this.#unsynced.push(write);
  }
}
