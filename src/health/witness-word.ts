/**
 * Receives a witness's word (docs/site-protocol.md, "Witnesses").
 *
 * Invariants: a witness speaks for itself alone, signed with its own key; a word that was recorded elsewhere and is sent again
 * changes nothing; each word is folded in when it comes, at the service's own time.
 */
import { isPosting, witnessRecordKind } from '../documents/witness.ts';
import type { Witness, WitnessRecord } from '../documents/witness.ts';
import type { Documents } from '../documents/store.ts';
import { LeewardError, isLeewardError } from '../kernel/errors.ts';
import { siteId } from '../kernel/ids.ts';
import type { SiteRef } from '../kernel/ids.ts';
import { documents as names } from '../kernel/names.ts';
import { CURRENT_VERSION } from '../kernel/versions.ts';
import { witnessOf } from '../protocol/signed.ts';
import { witnessWordSchema } from '../protocol/witness.ts';
import type { WitnessAnswer, WitnessWord } from '../protocol/witness.ts';
import { checkCounter } from './counter.ts';
import { openSiteMessage } from './site-message.ts';
import { spoke } from './spoken.ts';

/** How often the record is read again after another word's write before this one gives up. */
const RECORD_TRIES = 5;

/**
 * Records one word. Errors: as {@link openSiteMessage}; REFUSED for a witness that the site does not have or that does not
 * post its words, and for a counter that does not grow; CONFLICT, UNAVAILABLE.
 */
export async function receiveWitness(
  ports: { readonly documents: Documents; readonly keySecret: Uint8Array },
  data: unknown,
): Promise<WitnessAnswer> {
  const opened = await openSiteMessage(ports, data, { kind: 'witness', schema: witnessWordSchema });
  const { site, key, document, payload: word } = opened;
  const name = witnessOf(key);
  const witness = document.witnesses?.find((one) => one.name === name);
  if (!witness || !isPosting(witness)) {
    throw new LeewardError('REFUSED', `${siteId(site)} has no witness "${name ?? key}" that posts its words`);
  }
  await record(ports.documents, site, { witness, word });
  return { version: CURRENT_VERSION, everyMs: witness.everyMs };
}

async function record(
  documents: Documents,
  site: SiteRef,
  { witness, word }: { readonly witness: Witness; readonly word: WitnessWord },
): Promise<void> {
  const name = names.witness(site, witness.name);
  for (let tries = 1; ; tries += 1) {
    const { held, serviceNowMs } = await documents.readWithTime(witnessRecordKind, name);
    const { counter, verdict } = word;
    // A write that storage repeated may have met its own effect: then what is recorded is this very word.
    if (tries > 1 && held?.value.counter === counter) return;
    const lastCounter = held?.value.counter;
    checkCounter(`word of witness ${witness.name} of ${siteId(site)}`, counter, { lastCounter, serviceNowMs });
    const spoken = spoke(held?.value.spoken, { verdict, atMs: serviceNowMs }, witness);
    const fresh: WitnessRecord = {
      version: CURRENT_VERSION,
      site: siteId(site),
      witness: witness.name,
      counter,
      spoken,
    };
    try {
      if (held) await documents.replace(witnessRecordKind, held, { ...held.value, counter, spoken });
      else await documents.create(witnessRecordKind, name, fresh);
      return;
    } catch (error) {
      if (tries >= RECORD_TRIES || !isLeewardError(error, 'CONFLICT')) throw error;
    }
  }
}
