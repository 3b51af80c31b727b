/** A site's content index in memory. */
import type { ContentBlocks, ContentEntry, ContentIndex, FoundEntry } from '../../../src/ports/content-index.ts';

interface Row extends ContentEntry {
  isAcknowledged: boolean;
  blocks: ContentBlocks | undefined;
}

export class MemoryContentIndex implements ContentIndex {
  readonly #rowsMax: number;
  /** In the order in which they were added. */
  readonly #rows = new Map<string, Row>();
  readonly #hooks = new Map<bigint, Row>();

  constructor(options: { readonly rowsMax?: number } = {}) {
    this.#rowsMax = options.rowsMax ?? Infinity;
  }

  async add(entry: ContentEntry, blocks: ContentBlocks, hooks: BigInt64Array): Promise<void> {
    if (this.#rows.has(entry.name)) return;
    const { keys, blockNumbers, pages } = blocks;
    const copy = { keys: keys.slice(), blockNumbers: blockNumbers.slice(), pages: pages.slice() };
    const { name, volume, generation, number, sentMs } = entry;
    const row: Row = { name, volume, generation, number, sentMs, isAcknowledged: false, blocks: copy };
    this.#rows.set(name, row);
    for (const key of hooks) this.#hooks.set(key, row);
    this.#bound();
  }

  async find(hooks: BigInt64Array): Promise<readonly FoundEntry[]> {
    const hits = new Map<Row, number>();
    for (const key of hooks) {
      const row = this.#hooks.get(key);
      if (row) hits.set(row, (hits.get(row) ?? 0) + 1);
    }
    const order = [...this.#rows.values()];
    return [...hits]
      .sort(([a, aHits], [b, bHits]) => bHits - aHits || order.indexOf(b) - order.indexOf(a))
      .map(([{ name, volume, generation, number, sentMs, isAcknowledged }, count]) => {
        return { name, volume, generation, number, sentMs, isAcknowledged, hits: count };
      });
  }

  async blocks(name: string): Promise<ContentBlocks | undefined> {
    return structuredClone(this.#rows.get(name)?.blocks);
  }

  async acknowledge(upTo: Parameters<ContentIndex['acknowledge']>[0]): Promise<void> {
    for (const row of this.#rows.values()) {
      if (row.volume !== upTo.volume || row.generation !== upTo.generation || row.number > upTo.number) continue;
      row.isAcknowledged = true;
    }
  }

  async forget(name: string): Promise<void> {
    const row = this.#rows.get(name);
    if (!row) return;
    row.blocks = undefined;
    for (const [key, other] of this.#hooks) if (other === row) this.#hooks.delete(key);
  }

  #bound(): void {
    const sizeOf = (row: Row): number => 1 + (row.blocks?.keys.length ?? 0);
    let rows = [...this.#rows.values()].reduce((sum, row) => sum + sizeOf(row), 0);
    for (const row of this.#rows.values()) {
      if (rows <= this.#rowsMax || this.#rows.size === 1) return;
      rows -= sizeOf(row);
      void this.forget(row.name);
      this.#rows.delete(row.name);
    }
  }
}
