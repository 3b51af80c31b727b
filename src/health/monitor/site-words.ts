/**
 * What a site says of itself that people are told once, as long as it goes on: a machine for which nothing is left to try, an
 * application whose restarts are used up, one that performs poorly. It decides nothing here: the site has done what it could.
 *
 * Invariant: what begins is remembered before it is told, under the time at which it was first seen, so that a tick that is
 * repeated tells the same notice.
 */
import type { SiteNotes } from '../../documents/site-notes.ts';
import { parseGroup } from '../../kernel/ids.ts';
import type { Notice } from '../../notify/notices.ts';
import type { SiteWord } from '../../protocol/heartbeat.ts';

/** One thing that people are told. */
export interface ToldThing extends Pick<Notice, 'severity' | 'title' | 'text' | 'group'> {
  /** What it is about: one of a kind, and part of a notice's id. */
  readonly about: string;
}

/** All such things that the newest heartbeat has. */
export function thingsToTell({ groups = [], machines = [] }: SiteWord): readonly ToldThing[] {
  return [
    ...machines.flatMap(({ name, trouble }): ToldThing[] =>
      trouble === undefined
        ? []
        : [{ about: `machine-${name}`, severity: 'critical', title: `Machine ${name} needs a person`, text: trouble }],
    ),
    ...groups.flatMap(({ group, applications = [] }) =>
      applications.flatMap(({ name, state, reason = '', poor }): ToldThing[] => {
        const about = `${parseGroup(group).group}-${name}`;
        if (state === 'failed') {
          const text = `${reason}; its restarts are used up, and the site decides about its machine`;
          return [
            { about: `failed-${about}`, severity: 'warning', group, title: `${group}: ${name} has failed`, text },
          ];
        }
        if (poor === undefined) return [];
        return [
          { about: `poor-${about}`, severity: 'info', group, title: `${group}: ${name} performs poorly`, text: poor },
        ];
      }),
    ),
  ];
}

/** What is remembered of what the site says now, first seen at `nowMs` where it is new; what it says no more is forgotten. */
export function rememberedWords(
  before: SiteNotes['words'],
  said: readonly ToldThing[],
  nowMs: number,
): SiteNotes['words'] {
  return said.map(
    ({ about }) => before.find((known) => known.about === about) ?? { about, sinceMs: nowMs, isTold: false },
  );
}
