/** Kept texts in memory. */
import type { KeptTexts } from '../../../src/ports/kept-texts.ts';

export class MemoryTexts implements KeptTexts {
  readonly texts = new Map<string, string>();

  async read(name: string): Promise<string | undefined> {
    return this.texts.get(name);
  }

  async write(name: string, text: string): Promise<void> {
    this.texts.set(name, text);
  }

  async list(): Promise<readonly string[]> {
    return [...this.texts.keys()].toSorted();
  }

  async remove(name: string): Promise<void> {
    this.texts.delete(name);
  }
}
