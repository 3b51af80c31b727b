/**
 * Who is told what happens at a site, and who is asked: adding a person, or changing one, and removing one.
 *
 * Invariant: a webhook reaches one person, and whoever shares one is refused before anything is written, and told why: the
 * document's schema says it too late and less clearly. Whoever is removed and added again is another person: links of before
 * are no links of theirs.
 */
import { peopleKind } from '../documents/people.ts';
import type { PeopleDocument, Person } from '../documents/people.ts';
import { siteKind } from '../documents/site.ts';
import type { Documents } from '../documents/store.ts';
import { LeewardError } from '../kernel/errors.ts';
import { siteId } from '../kernel/ids.ts';
import type { SiteRef } from '../kernel/ids.ts';
import { documents as names } from '../kernel/names.ts';
import { CURRENT_VERSION } from '../kernel/versions.ts';

/** The people of a site. Errors: NOT_FOUND for a site that is not registered. */
export async function peopleOf(documents: Documents, site: SiteRef): Promise<readonly Person[]> {
  await documents.need(siteKind, names.site(site));
  return (await documents.read(peopleKind, names.people(site)))?.value.people ?? [];
}

/**
 * The site has this person from now on, in place of one of the same name. Gives all of its people. Errors: NOT_FOUND for a
 * site that is not registered; REFUSED for a webhook that reaches somebody else.
 */
export async function addPerson(documents: Documents, site: SiteRef, person: Person): Promise<readonly Person[]> {
  await documents.need(siteKind, names.site(site));
  await documents.createOrRead(peopleKind, names.people(site), {
    version: CURRENT_VERSION,
    site: siteId(site),
    people: [],
  } satisfies PeopleDocument);
  return await change(documents, site, ({ people, removals = 0 }) => {
    const known = people.find(({ name }) => name === person.name);
    const others = people.filter((one) => one !== known);
    if (others.some(({ webhook }) => webhook === person.webhook)) {
      throw new LeewardError(
        'REFUSED',
        `webhook "${person.webhook}" reaches somebody else already, who would have this person's links: give each their own`,
      );
    }
    const addedAfter = known ? (known.addedAfter ?? 0) : removals;
    return { people: [...others, { ...person, ...(addedAfter > 0 && { addedAfter }) }] };
  });
}

/** The site has no such person any more. Gives those who are left. Errors: NOT_FOUND. */
export async function removePerson(documents: Documents, site: SiteRef, name: string): Promise<readonly Person[]> {
  return await change(documents, site, ({ people, removals = 0 }) => {
    const others = people.filter((person) => person.name !== name);
    if (others.length < people.length) return { people: others, removals: removals + 1 };
    throw new LeewardError('NOT_FOUND', `site ${siteId(site)} has no person "${name}"`);
  });
}

async function change(
  documents: Documents,
  site: SiteRef,
  by: (document: PeopleDocument) => Partial<PeopleDocument>,
): Promise<readonly Person[]> {
  const { value } = await documents.update(peopleKind, names.people(site), (document) => ({
    ...document,
    ...by(document),
  }));
  return value.people;
}
