/**
 * A stored decision told in words, with a timeline of what it was made from.
 *
 * Invariants: what is told comes from the decision's own history, replayed by the function that decided; where this program
 * decides otherwise than the one that stored it, that is said. Lines are plain ASCII of at most {@link LINE_MAX}
 * characters, whatever names they hold, so that a terminal shows just these. Pure.
 */
import type { SiteDecisionDocument, SiteHistory } from '../../documents/site-failure.ts';
import { inSeconds } from '../../kernel/in-words.ts';
import { decideSiteFailure } from './site-failure.ts';
import { domainsOf } from './votes.ts';

/** Characters of a line. */
export const LINE_MAX = 100;

/** What a witness says, as people read it. */
export const VOTE_IN_WORDS = { up: 'up', down: 'down', none: 'no vote' } as const;

interface Moment {
  readonly atMs: number;
  readonly who: string;
  readonly what: string;
}

/** The decision in words, a line each: verdict, reason, every vote, every domain, and whether it is replayed alike. */
export function explain(
  decision: Pick<SiteDecisionDocument, 'decision' | 'group' | 'verdict' | 'reason' | 'history'>,
): readonly string[] {
  const { history } = decision;
  const replayed = decideSiteFailure(history);
  const isSame = replayed.verdict === decision.verdict && replayed.reason === decision.reason;
  return [
    `Decision ${decision.decision} on ${decision.group}, ${utc(history.nowMs)}: ${decision.verdict}`,
    `because ${decision.reason}.`,
    `The plan's mode is ${history.mode}, its window ${inSeconds(history.windowMs)}.`,
    ...replayed.votes.map(
      ({ witness, domain, vote, reason }) => `Witness ${witness} (${domain}): ${VOTE_IN_WORDS[vote]}, for ${reason}.`,
    ),
    ...domainsOf(replayed.votes).map(({ domain, vote }) => `Failure domain ${domain}: ${VOTE_IN_WORDS[vote]}.`),
    isSame
      ? 'Replayed from its history, the decision is the same.'
      : `Replayed by this program it would be: ${replayed.verdict}, because ${replayed.reason}.`,
  ].flatMap(wrapped);
}

/** What the decision was made from, as lines: time, time before the decision, who, what. Oldest first, verdict last. */
export function timeline(history: SiteHistory): readonly string[] {
  const moments = momentsOf(history)
    .filter(({ atMs }) => atMs <= history.nowMs)
    .toSorted((a, b) => a.atMs - b.atMs);
  const verdict = { atMs: history.nowMs, who: 'verdict', what: decideSiteFailure(history).verdict };
  return [...moments, verdict].map(({ atMs, who, what }) => {
    const before = ((atMs - history.nowMs) / 1000).toFixed(1);
    return plain(`${utc(atMs)}  ${before.padStart(11)} s  ${who.padEnd(24)}  ${what}`).slice(0, LINE_MAX);
  });
}

function momentsOf(history: SiteHistory): readonly Moment[] {
  const { nowMs, windowMs, question, siteWord, wish } = history;
  const at = (atMs: number | null | undefined, who: string, what: string): readonly Moment[] =>
    atMs === null || atMs === undefined ? [] : [{ atMs, who, what }];
  const { answer } = question ?? {};
  return [
    ...at(nowMs - windowMs, 'window', `begins: ${inSeconds(windowMs)}`),
    ...at(history.watchedMs, 'monitor', 'last had watched a whole window'),
    ...at(history.awakeSinceMs, 'monitor', 'awake from here on'),
    ...at(history.canarySinceMs, 'canary', 'every one got through from here on'),
    ...at(history.lastHeartbeatMs, 'site', 'last heartbeat'),
    ...at(history.lastRenewalMs, 'site', 'last renewal of the lease'),
    ...at(siteWord?.lastUpMs, 'site', 'last said that it holds the lease'),
    ...at(siteWord?.verdict === 'down' ? siteWord.sinceMs : null, 'site', 'says "stopped, no lease" from here on'),
    ...at(wish?.sinceMs, 'site', `wants the group failed over: ${wish?.decision ?? ''}`),
    ...history.witnesses.flatMap(({ name, spoken }) => [
      ...at(spoken?.lastUpMs, name, 'last saw the site up'),
      ...at(spoken?.sinceMs, name, `says ${spoken?.verdict ?? 'none'} from here on`),
      ...at(spoken?.lastSeenMs, name, 'last heard'),
    ]),
    ...at(question?.askedAtMs, 'question', 'a person is asked'),
    ...at(answer?.atMs, 'question', `${answer?.by ?? ''} says ${answer?.is ?? ''}`),
    ...at(answer ? null : question?.untilMs, 'question', 'the time to answer is over'),
  ];
}

function utc(ms: number): string {
  return new Date(ms)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, 'Z');
}

/** Names come from elsewhere: what is no printable ASCII is shown as a question mark. */
function plain(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, '?');
}

/** A sentence as lines; what goes on in the next is set in. */
function wrapped(sentence: string): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of plain(sentence).split(' ')) {
    if (line !== '' && line.length + 1 + word.length > LINE_MAX) {
      lines.push(line);
      line = ` ${word}`;
    } else line = line === '' ? word : `${line} ${word}`;
    for (; line.length > LINE_MAX; line = line.slice(LINE_MAX)) lines.push(line.slice(0, LINE_MAX));
  }
  return [...lines, line];
}
