/**
 * The monitor's notes of a site, as each look at it leaves them: what people were told of what the site says of itself, and
 * what is written down of it all.
 *
 * Invariants: what has not changed is not written, and an idle site is no write at each tick; what another tick wrote meanwhile
 * is never overwritten; nothing of what a site says is told before it was remembered.
 */
import { siteNotesKind } from '../../documents/site-notes.ts';
import type { SiteNotes } from '../../documents/site-notes.ts';
import { DOCUMENTS_AT_ONCE } from '../../documents/store.ts';
import type { Documents, Held } from '../../documents/store.ts';
import type { HeartbeatDocument } from '../../documents/site.ts';
import { isLeewardError } from '../../kernel/errors.ts';
import { fewAtOnce } from '../../kernel/few-at-once.ts';
import { siteId } from '../../kernel/ids.ts';
import type { SiteRef } from '../../kernel/ids.ts';
import { documents as names } from '../../kernel/names.ts';
import { CURRENT_VERSION } from '../../kernel/versions.ts';
import { noteNotice } from '../../notify/notices.ts';
import type { Pass } from './pass.ts';
import { rememberedWords, thingsToTell } from './site-words.ts';

/** Where nothing else is new, a time of watching is written only once it is this much newer than the written one. */
const WATCHED_GRAIN_MS = 60_000;

/** What a look at a site leaves to be remembered. */
type Noted = Pick<SiteNotes, 'probes' | 'groups' | 'words'>;

/**
 * What the newest heartbeat says of the site, told where that was remembered `before`. What cannot be told now is told at the
 * next tick.
 */
export async function tellWords(
  documents: Documents,
  { monitor, attempt }: Pick<Pass, 'monitor' | 'attempt'>,
  of: { readonly heartbeat: HeartbeatDocument; readonly before: SiteNotes['words'] },
): Promise<SiteNotes['words']> {
  const { before } = of;
  const { site, heartbeat } = of.heartbeat;
  const said = thingsToTell(heartbeat);
  const remembered = rememberedWords(before, said, monitor.lastTickMs);
  return await fewAtOnce(DOCUMENTS_AT_ONCE, remembered.entries(), async ([at, one]) => {
    const thing = said[at];
    if (one.isTold || !thing || !before.includes(one)) return one;
    const { about, ...notice } = thing;
    const id = `${about}-${one.sinceMs}`;
    const told = await attempt(site, async () => {
      await noteNotice(documents, { ...notice, id, site, atMs: one.sinceMs });
      return true;
    });
    return { ...one, isTold: told === true };
  });
}

/**
 * Writes what is new of the site over the notes `before`. Another tick that was quicker has written as much: the next one
 * goes on from there. Errors: UNAVAILABLE, DENIED.
 */
export async function remember(
  documents: Documents,
  site: SiteRef,
  { before, now }: { readonly before: Held<SiteNotes> | undefined; readonly now: Noted },
): Promise<void> {
  if (before && !isNews(before.value, now)) return;
  try {
    if (before) await documents.replace(siteNotesKind, before, { ...before.value, ...now });
    else if (now.groups.length > 0) {
      const fresh = { version: CURRENT_VERSION, site: siteId(site), ...now };
      await documents.create(siteNotesKind, names.siteNotes(site), fresh);
    }
  } catch (error) {
    if (!isLeewardError(error, 'CONFLICT')) throw error;
  }
}

function isNews(before: SiteNotes, { probes, groups, words }: Noted): boolean {
  const isSaid = words.length === before.words.length && words.every((word) => before.words.includes(word));
  if (!isSaid) return true;
  if (probes.length > 0 || before.probes.length > 0 || groups.length !== before.groups.length) return true;
  return groups.some((group) => {
    const known = before.groups.find((one) => one.group === group.group);
    return known?.done !== group.done || group.watchedMs - known.watchedMs >= WATCHED_GRAIN_MS;
  });
}
