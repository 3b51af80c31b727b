/** What people took offline on purpose at a site, by its folder. */
import { join } from 'node:path';
import type { Clock } from '../kernel/clock.ts';
import type { KeptTexts } from '../ports/kept-texts.ts';
import type { SiteWord } from '../protocol/heartbeat.ts';
import { offlineWords, readMarks } from '../site/agent/marks.ts';
import { TextFolder } from '../system/text-folder.ts';

/** The marks that people set at a site. */
export function marksOf(folder: string): KeptTexts {
  return new TextFolder(join(folder, 'offline'));
}

/** What a heartbeat says of them where no agent does; nothing while they cannot be read, so that what was said still stands. */
export async function offlineWord(folder: string, clock: Clock): Promise<SiteWord> {
  const found = await readMarks(marksOf(folder)).catch(() => undefined);
  return found ? { offline: offlineWords(found.marks, clock.wallMs()) } : {};
}
