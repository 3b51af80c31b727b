/**
 * Who watches a site: adding a witness, with a key of its own where it posts its words, and removing one.
 *
 * Invariants: a witness whose interval does not fit the window of a plan of the site is refused with the inequality; its key is
 * active before it is asked for, and revoked when it goes; the heartbeat is always one of them.
 */
import { groupKind } from '../documents/group.ts';
import { planKind } from '../documents/plan.ts';
import { siteKind, withKey, withoutKey, witnessesOf } from '../documents/site.ts';
import type { SiteDocument } from '../documents/site.ts';
import type { Documents } from '../documents/store.ts';
import { WITNESSES_MAX, isPosting } from '../documents/witness.ts';
import type { Witness } from '../documents/witness.ts';
import { LeewardError } from '../kernel/errors.ts';
import { siteId } from '../kernel/ids.ts';
import type { SiteRef } from '../kernel/ids.ts';
import { documents as names } from '../kernel/names.ts';
import { deriveKey, witnessKey } from '../protocol/signed.ts';
import type { SigningKey } from '../protocol/signed.ts';
import { checkFits, groupWords } from './plans.ts';
import type { Timing } from './plans.ts';
import type { Storage } from './storage.ts';

/**
 * The site has this witness from now on, in place of one of the same name. Gives its key where it posts its words. Errors:
 * NOT_FOUND for a site that is not registered; USAGE for an interval that does not fit a plan; REFUSED for a name whose key
 * was revoked, for one witness too many, for another kind under the heartbeat's name, and for a second heartbeat.
 */
export async function addWitness(
  storage: Pick<Storage, 'documents' | 'keySecret'>,
  site: SiteRef,
  { witness, timing }: { readonly witness: Witness; readonly timing: Timing },
): Promise<SigningKey | undefined> {
  const { documents, keySecret } = storage;
  const { value: known } = await documents.need(siteKind, names.site(site));
  await checkPlans(documents, site, { changed: changed(known, witness, timing), timing });
  await documents.update(siteKind, names.site(site), (found) => changed(found, witness, timing));
  return isPosting(witness)
    ? deriveKey(keySecret, { signer: siteId(site), name: witnessKey(witness.name) })
    : undefined;
}

/** The site has no such witness any more, and its key is revoked. Errors: NOT_FOUND; REFUSED for the heartbeat. */
export async function removeWitness(documents: Documents, site: SiteRef, name: string): Promise<void> {
  await documents.update(siteKind, names.site(site), (found) => {
    const witness = found.witnesses?.find((one) => one.name === name);
    if (!witness) throw new LeewardError('NOT_FOUND', `${found.site} has no witness "${name}"`);
    if (witness.kind === 'heartbeat') {
      throw new LeewardError('REFUSED', `${found.site}: its own heartbeats are always a witness`);
    }
    const witnesses = found.witnesses?.filter((one) => one !== witness);
    return { ...withoutKey(found, witnessKey(name)), witnesses };
  });
}

function changed(site: SiteDocument, witness: Witness, { everyMs }: Timing): SiteDocument {
  const others = witnessesOf(site, everyMs).filter(({ name }) => name !== witness.name);
  const heartbeat = others.find(({ kind }) => kind === 'heartbeat');
  if (heartbeat === undefined && witness.kind !== 'heartbeat') {
    throw new LeewardError('REFUSED', `${site.site}: "${witness.name}" is its heartbeat's name; use another`);
  }
  if (heartbeat !== undefined && witness.kind === 'heartbeat') {
    throw new LeewardError(
      'REFUSED',
      `${site.site}: its heartbeats are the witness "${heartbeat.name}"; use that name`,
    );
  }
  if (others.length >= WITNESSES_MAX) {
    throw new LeewardError('REFUSED', `${site.site} has ${WITNESSES_MAX} witnesses: no more fit`);
  }
  // The name of one whose key was revoked is no other's either, not even of one that has no key.
  const keyed = withKey(site, witnessKey(witness.name));
  return { ...(isPosting(witness) ? keyed : site), witnesses: [...others, witness] };
}

async function checkPlans(
  documents: Documents,
  site: SiteRef,
  of: { readonly changed: SiteDocument; readonly timing: Timing },
): Promise<void> {
  const words = await groupWords(documents, site);
  for await (const { name } of documents.list(names.groupsOf(site))) {
    const { value: group } = await documents.need(groupKind, name);
    const plan = await documents.read(planKind, name.replace(/^groups\//, 'plans/'));
    const word = words.find((one) => one.group === group.group);
    if (plan) checkFits({ plan: plan.value, group, site: of.changed, word }, of.timing);
  }
}
