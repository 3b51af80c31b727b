/**
 * What a volume's sender is told: how far it is acknowledged and applied, what it is to send again, and in what form; what
 * its generation begins from, what is to be repaired, and whether a range list is wanted.
 *
 * Invariants: what is acknowledged is the tip as it was read, and never more; an upload's place is named only while its
 * base is open.
 */
import { currentGeneration, uploadPlace } from '../../documents/volume.ts';
import type { Base, Generation, VolumeDocument } from '../../documents/volume.ts';
import { parseVolume } from '../../kernel/ids.ts';
import { journalPrefix } from '../../kernel/names.ts';
import type { AccessIssuer } from '../../ports/access.ts';
import type { VolumeAnswer } from '../../protocol/heartbeat.ts';

/** What makes the URLs of an answer, and when they end, on the service's clock. */
export interface Issuing {
  readonly access: Pick<AccessIssuer, 'uploadUrl'>;
  readonly expiresAtMs: number;
}

/** The answer to the sender of a volume in this state. Errors: those of {@link AccessIssuer.uploadUrl}. */
export async function volumeAnswer(document: VolumeDocument, issuing: Issuing): Promise<VolumeAnswer> {
  const generation = currentGeneration(document);
  return {
    volume: document.volume,
    generation: document.current,
    term: document.term,
    writable: generation.cut === null,
    acknowledged: { number: generation.tip.number, digest: generation.tip.digest },
    appliedNumber: generation.applied.number,
    // Until the current generation is what is offered for recovery, what comes is its first copy.
    queue: document.published === document.current ? 'deltas' : 'bulk',
    entryPrefix: journalPrefix(parseVolume(document.volume), document.current),
    resend: document.resend
      .filter((wanted) => wanted.generation === document.current)
      .map(({ number, form }) => ({ number, form })),
    ...(document.trouble ? { trouble: document.trouble.message } : {}),
    ...(generation.base ? { base: await baseAnswer(document.volume, generation, generation.base, issuing) } : {}),
    ...(document.repair ? { repair: { id: document.repair.id, ranges: document.repair.ranges } } : {}),
    ...(document.verifyAskedAtMs === undefined ? {} : { verify: true }),
  };
}

async function baseAnswer(
  volume: string,
  generation: Generation,
  { from, phase, list, digest }: Base,
  { access, expiresAtMs }: Issuing,
): Promise<VolumeAnswer['base']> {
  // While the upload is only being made, it is open and has no address yet.
  const told = { from, phase: phase === 'opening' ? ('open' as const) : phase, listed: list !== null };
  if (phase === 'ready') return { ...told, digest };
  if (phase !== 'open' || generation.cut) return told;
  const uploadUrl = await access.uploadUrl(uploadPlace(volume, generation), expiresAtMs);
  return { ...told, uploadUrl, volumeBytes: generation.volumeBytes, expiresAtMs };
}
