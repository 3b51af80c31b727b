/**
 * Which volume a message is about: by its own word, by the rules of its site, or by the delta's header.
 *
 * Invariants: whatever says it, the volume is the signer's own; the delta's head must say the same in the end. A volume
 * that a rule made is one source's for good: two disks whose names become one would be two writers of one chain.
 */
import { parseHead } from '../../delta/head.ts';
import { admittedVolume } from '../../documents/admission.ts';
import type { SiteDocument } from '../../documents/site.ts';
import type { VolumeDocument } from '../../documents/volume.ts';
import { LeewardError } from '../../kernel/errors.ts';
import { parseSite, parseVolume, siteId, volumeId } from '../../kernel/ids.ts';
import type { VolumeRef } from '../../kernel/ids.ts';
import { parseJournalEntry } from '../../kernel/names.ts';
import type { Envelope } from '../../protocol/envelope.ts';

/**
 * The volume of a message that `site` signed. Errors: REFUSED when no rule admits its source; SIGNATURE_INVALID when the
 * volume is another site's; DELTA_INVALID, MESSAGE_INVALID when its delta does not say.
 */
export function identifyVolume(envelope: Envelope, site: SiteDocument): VolumeRef {
  const volume = volumeOf(envelope, site);
  if (siteId(volume) === site.site) return volume;
  throw new LeewardError(
    'SIGNATURE_INVALID',
    `volume: ${volumeId(volume)} is not a volume of ${site.site}, which signed`,
  );
}

/**
 * Checks that the volume is the source's that the message names. One that was registered by hand is nobody's by a rule,
 * and a message that names it by its identifier may call its source as it likes. Errors: REFUSED.
 */
export function checkSource({ volume: id, source: owner }: VolumeDocument, { volume, source }: Envelope): void {
  if (source === undefined || source === owner || (owner === undefined && volume !== undefined)) return;
  const registered = owner === undefined ? 'registered by hand' : `"${owner}"`;
  throw new LeewardError('REFUSED', `source: ${id} is ${registered}, not "${source}"`);
}

function volumeOf(envelope: Envelope, site: SiteDocument): VolumeRef {
  const { volume, source, entry, inline = '' } = envelope;
  if (volume !== undefined) return parseVolume(volume);
  if (source !== undefined) {
    const admitted = admittedVolume(site.admission ?? [], parseSite(site.site), source);
    if (admitted) return admitted;
    throw new LeewardError('REFUSED', `source: no rule of ${site.site} admits "${source}"`);
  }
  if (entry === undefined) return parseVolume(parseHead(Buffer.from(inline, 'base64')).volume);
  const named = parseJournalEntry(entry);
  if (named) return { ...parseSite(site.site), group: named.group, volume: named.volume };
  throw new LeewardError('MESSAGE_INVALID', 'entry: it is not the name of a journal entry');
}
