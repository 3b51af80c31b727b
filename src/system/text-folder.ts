/** Texts in a folder of their own, a file for each, for its owner's eyes only: see {@link KeptTexts}. */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { LeewardError } from '../kernel/errors.ts';
import type { KeptTexts } from '../ports/kept-texts.ts';
import { isMissing, makeFolder, readIfThere, syncFolder, writeDurably } from './durable-file.ts';

const ENDING = '.json';
const NAME = /^[a-z0-9](?:[a-z0-9.-]{0,198}[a-z0-9])?$/;

export class TextFolder implements KeptTexts {
  readonly #folder: string;
  #made: Promise<void> | undefined;

  /** The folder is made with the first text. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  async read(name: string): Promise<string | undefined> {
    return (await readIfThere(this.#path(name)))?.toString('utf8');
  }

  async write(name: string, text: string): Promise<void> {
    this.#made ??= makeFolder(this.#folder);
    await this.#made;
    await writeDurably(this.#path(name), text);
  }

  async list(): Promise<readonly string[]> {
    try {
      const files = await readdir(this.#folder, { withFileTypes: true });
      return files
        .filter((file) => file.isFile() && file.name.endsWith(ENDING))
        .map(({ name }) => name.slice(0, -ENDING.length))
        .toSorted();
    } catch (error) {
      if (isMissing(error)) return [];
      throw error;
    }
  }

  async remove(name: string): Promise<void> {
    try {
      await rm(this.#path(name));
    } catch (error) {
      if (isMissing(error)) return;
      throw error;
    }
    await syncFolder(this.#folder);
  }

  #path(name: string): string {
    if (!NAME.test(name)) throw new LeewardError('IDENTIFIER_INVALID', `"${name}" names no kept text`);
    return join(this.#folder, `${name}${ENDING}`);
  }
}
