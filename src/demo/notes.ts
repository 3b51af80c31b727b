/** The files that the demo's application writes: numbered, so that the order of their names is the order of their writing. */
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

const NAME = /^note-\d+\.txt$/;

export const noteSchema = z.object({ name: z.string(), text: z.string() });
export type Note = z.infer<typeof noteSchema>;

export function noteName(number: number): string {
  return `note-${String(number).padStart(6, '0')}.txt`;
}

/** The file that was written last, as it lies in the folder; null before the first. */
export async function newestNote(folder: string): Promise<Note | null> {
  const name = (await readdir(folder))
    .filter((file) => NAME.test(file))
    .toSorted()
    .at(-1);
  return name === undefined ? null : { name, text: await readFile(join(folder, name), 'utf8') };
}
