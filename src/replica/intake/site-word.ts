/**
 * What a site says of a volume in its heartbeat, beyond what is only recorded: healing without a person begins here.
 *
 * Invariants: a word counts only for the generation that it names and while the site has the term, so that one that is
 * repeated or old changes nothing; what the cloud still has is not given up for it; a fork never heals by itself.
 */
import { currentGeneration, volumeKind } from '../../documents/volume.ts';
import type { VolumeDocument } from '../../documents/volume.ts';
import { isLeewardError } from '../../kernel/errors.ts';
import { parseVolume } from '../../kernel/ids.ts';
import { documents as names } from '../../kernel/names.ts';
import { VOLUME_BYTES_MAX } from '../../kernel/units.ts';
import type { Heartbeat } from '../../protocol/heartbeat.ts';
import { stepBase } from '../generation/base.ts';
import type { BasePorts } from '../generation/base.ts';
import { begin, isUntouched, mayBegin, newestPoint, orderReseed, startUpload } from '../generation/generations.ts';

/** A volume as a heartbeat has it. */
export type VolumeWord = Heartbeat['volumes'][number];

/**
 * Heeds what a site says of a volume; what takes long is left to the chores. A volume that is not registered is left
 * alone. Idempotent. Errors: UNAVAILABLE, CONFLICT, VERSION_TOO_NEW, DOCUMENT_INVALID.
 */
export async function heedWord(ports: BasePorts, word: VolumeWord, nowMs: number): Promise<void> {
  if (!saysMore(word)) return;
  const volume = parseVolume(word.volume);
  const name = names.volume(volume);
  try {
    const { value } = await ports.documents.update(volumeKind, name, (document) => heed(document, word, nowMs));
    // An upload's place is made at once, so that this very heartbeat's answer can name it.
    if (currentGeneration(value).base?.phase === 'opening') await stepBase(ports, volume, { document: value, nowMs });
  } catch (error) {
    if (!isLeewardError(error, 'NOT_FOUND')) throw error;
  }
}

/** How soon a site's word begins another generation: each may be a whole copy of the volume. A person may order one sooner. */
const GENERATION_EVERY_MS = 3_600_000;

/** Whether a word asks for anything: most do not, and cost nothing. */
function saysMore({ direct, repaired, lost, wants }: VolumeWord): boolean {
  return direct === true || repaired !== undefined || lost !== undefined || wants !== undefined;
}

/** The document after the site's word; undefined where it changes nothing. */
export function heed(document: VolumeDocument, word: VolumeWord, nowMs: number): VolumeDocument | undefined {
  const generation = currentGeneration(document);
  if (generation.cut || word.generation !== generation.generation) return undefined;
  let now = document;
  if (word.repaired !== undefined && now.repair?.id === word.repaired) now = { ...now, repair: undefined };
  now = asked(now, word, nowMs) ?? now;
  if (mayBegin(now)) now = begin(now, nowMs);
  const volumeBytes = sizeOf(word);
  if (word.direct === true && word.stored === 0 && volumeBytes !== undefined) {
    if (now === document && isUntouched(generation) && !now.reseed) now = startUpload(now, volumeBytes);
  }
  return now === document ? undefined : now;
}

/** The size that a site says its volume has, if a replica can hold it. */
function sizeOf({ volumeBytes = 0 }: VolumeWord): number | undefined {
  return volumeBytes > 0 && volumeBytes <= VOLUME_BYTES_MAX ? volumeBytes : undefined;
}

/** A next generation decided on, where the site needs one. */
function asked(document: VolumeDocument, word: VolumeWord, nowMs: number): VolumeDocument | undefined {
  const { lost, wants } = word;
  const volumeBytes = sizeOf(word);
  const isAsked = document.resend.some(({ generation, number }) => generation === document.current && number === lost);
  const isLost = lost !== undefined && isAsked;
  if (document.trouble?.code === 'DELTA_FORKED' || (!isLost && wants === undefined)) return undefined;
  // The first is always good for another; from then on a site cannot have one copy of its volume made after the other.
  const { generation, createdAtMs } = currentGeneration(document);
  if (generation > 1 && nowMs < createdAtMs + GENERATION_EVERY_MS) return undefined;
  return orderReseed(document, {
    from: newestPoint(document) ? 'point' : word.direct === true ? 'upload' : 'zeros',
    ...(volumeBytes === undefined ? {} : { volumeBytes }),
    ...(isLost ? { lost } : {}),
    reason: isLost ? `the site has lost delta ${lost}` : 'the site has lost what it needs to go on',
    sinceMs: nowMs,
  });
}
