/**
 * Receives a witness's word (docs/site-protocol.md, "Witnesses").
 *
 * Invariants: a witness speaks for itself alone, signed with its own key; a word that was recorded elsewhere and is sent again
 * changes nothing; each word is folded in when it comes, at the service's own time.
 */
import { isPosting, witnessRecordKind } from '../../documents/witness.ts';
import type { Witness, WitnessRecord } from '../../documents/witness.ts';
import type { Documents, Reading } from '../../documents/store.ts';
import { LeewardError } from '../../kernel/errors.ts';
import { siteId } from '../../kernel/ids.ts';
import type { SiteRef } from '../../kernel/ids.ts';
import { documents as names } from '../../kernel/names.ts';
import { CURRENT_VERSION } from '../../kernel/versions.ts';
import { witnessOf } from '../../protocol/signed.ts';
import { witnessWordSchema } from '../../protocol/witness.ts';
import type { WitnessAnswer, WitnessWord } from '../../protocol/witness.ts';
import { checkCounter } from './counter.ts';
import { openSiteMessage } from './site-message.ts';
import { spoke } from '../decide/spoken.ts';

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
  await ports.documents.record(witnessRecordKind, names.witness(site, witness.name), (found, reading) =>
    recorded(found?.value, { site, witness, word, reading }),
  );
  return { version: CURRENT_VERSION, everyMs: witness.everyMs };
}

/** The witness's record after one more word. Errors: REFUSED for a counter that does not grow. Pure. */
function recorded(
  before: WitnessRecord | undefined,
  of: { readonly site: SiteRef; readonly witness: Witness; readonly word: WitnessWord; readonly reading: Reading },
): WitnessRecord {
  const { site, witness, word, reading } = of;
  const { counter, verdict } = word;
  const { serviceNowMs, isAgain } = reading;
  const lastCounter = before?.counter;
  // A write that storage repeated may have met its own effect: then what is recorded is this very word.
  if (before && isAgain && lastCounter === counter) return before;
  checkCounter(`word of witness ${witness.name} of ${siteId(site)}`, counter, { lastCounter, serviceNowMs });
  const spoken = spoke(before?.spoken, { verdict, atMs: serviceNowMs }, witness);
  const known = before ?? { version: CURRENT_VERSION, site: siteId(site), witness: witness.name };
  return { ...known, counter, spoken };
}
