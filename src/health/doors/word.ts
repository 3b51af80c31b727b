/**
 * What a site says of what runs there, as it is recorded: a sender that has not looked says nothing of groups, and any may say
 * what is offline on purpose.
 *
 * Invariants: who has not looked takes nothing back of what the heartbeat before said, but that a lease is held; the marks that a
 * heartbeat lists take the place of all others, so that one heartbeat of any sender sets them and takes them back. Pure.
 */
import { groupIdSchema, siteId } from '../../kernel/ids.ts';
import type { SiteRef } from '../../kernel/ids.ts';
import type { GroupWord, Heartbeat, OfflineWord } from '../../protocol/heartbeat.ts';

type Named = Heartbeat & { groups: GroupWord[] };

/** The heartbeat as it is recorded after the one `before`. */
export function withWord(site: SiteRef, heartbeat: Heartbeat, before: Heartbeat | undefined): Named {
  const { offline, ...said } = heartbeat;
  const named = said.groups ? { ...said, groups: said.groups } : unlooked(said, before, offline);
  return offline ? marked(site, named, offline) : named;
}

/** With what the one before said. What was wanted because of a machine that is offline now, nobody is there to want. */
function unlooked(heartbeat: Heartbeat, before: Heartbeat | undefined, offline: readonly OfflineWord[] = []): Named {
  const { groups = [], machines, offlineUntilMs } = before ?? {};
  // Which machine it was about is not said: any on the same node.
  const nodes = (machines ?? [])
    .filter(({ name }) => endOf(offline, 'machine', name) !== undefined)
    .map(({ node }) => node);
  const isWanted = (group: GroupWord): boolean => !(group.nodes ?? []).some((node) => nodes.includes(node));
  return {
    ...(machines && { machines }),
    ...(offlineUntilMs !== undefined && { offlineUntilMs }),
    ...heartbeat,
    groups: groups.map(({ wants, ...group }) => ({
      ...group,
      lease: 'unknown' as const,
      ...(wants && isWanted(group) && { wants }),
    })),
  };
}

/** With these marks and no others. A group of which nothing else is known is named for its mark. */
function marked(site: SiteRef, said: Named, offline: readonly OfflineWord[]): Named {
  const prefix = `${siteId(site)}/`;
  const known = new Set(said.groups.map(({ group }) => group));
  const others = offline
    .filter(({ what }) => what === 'group')
    .map(({ name = '' }) => prefix + name)
    .filter((group) => !known.has(group) && groupIdSchema.safeParse(group).success);
  const added = [...new Set(others)].map((group): GroupWord => ({ group, term: 0, lease: 'unknown' }));
  return {
    ...said,
    offlineUntilMs: endOf(offline, 'site'),
    groups: [...said.groups, ...added].map((word) => ({
      ...word,
      offlineUntilMs: endOf(offline, 'group', word.group.slice(prefix.length)),
    })),
    machines: said.machines?.map((word) => ({ ...word, offlineUntilMs: endOf(offline, 'machine', word.name) })),
  };
}

/** The end of the mark on it that lasts longest; undefined without one. */
function endOf(offline: readonly OfflineWord[], what: OfflineWord['what'], name?: string): number | undefined {
  const ends = offline
    .filter((one) => one.what === what && (what === 'site' || one.name === name))
    .map(({ untilMs }) => untilMs);
  return ends.length === 0 ? undefined : Math.max(...ends);
}
