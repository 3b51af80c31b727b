/**
 * Receives a heartbeat: records the site's word and answers everything that its senders must be told.
 *
 * Invariants: a heartbeat changes nothing but the record of the newest one, and what its words of a volume ask for; a
 * counter that does not grow changes nothing at all, so that a recorded heartbeat cannot keep a dead site alive; nor does one
 * that is far ahead of the time, which would let no other in for as long. What the site says of a group is folded in with each
 * heartbeat, so that none is lost between two ticks of the monitor. A group
 * whose document this program cannot understand is left out of the answer and told to people. What is said of volumes is
 * the data path's to heed and to answer.
 */
import { groupKind } from '../../documents/group.ts';
import type { GroupDocument } from '../../documents/group.ts';
import { heartbeatKind, witnessesOf } from '../../documents/site.ts';
import type { HeartbeatDocument, SiteDocument } from '../../documents/site.ts';
import { DOCUMENTS_AT_ONCE } from '../../documents/store.ts';
import type { Documents, Reading } from '../../documents/store.ts';
import type { Witness } from '../../documents/witness.ts';
import { understood } from '../../documents/understood.ts';
import type { Found } from '../../documents/understood.ts';
import { LeewardError, describeError, isLeewardError } from '../../kernel/errors.ts';
import { fewAtOnce } from '../../kernel/few-at-once.ts';
import { siteId } from '../../kernel/ids.ts';
import type { SiteRef } from '../../kernel/ids.ts';
import { QUEUES, documents as names, journalContainer } from '../../kernel/names.ts';
import { CURRENT_VERSION } from '../../kernel/versions.ts';
import type { AccessIssuer } from '../../ports/access.ts';
import { heartbeatSchema } from '../../protocol/heartbeat.ts';
import type { GroupWord, Heartbeat, HeartbeatAnswer } from '../../protocol/heartbeat.ts';
import { checkCounter } from './counter.ts';
import { openSiteMessage } from './site-message.ts';
import { withWord } from './word.ts';
import { silenceAllowedMs, spoke } from '../decide/spoken.ts';

export interface HeartbeatPorts {
  readonly documents: Documents;
  readonly access: AccessIssuer;
  /** The secret that keys are derived from. */
  readonly keySecret: Uint8Array;
  /** Lifetime of the URLs in the answer. */
  readonly accessMs: number;
  /** How often the site is asked to send. */
  readonly everyMs: number;
  /** How long journal entries are kept: docs/site-protocol.md, `journalKeptMs`. */
  readonly journalKeptMs: number;
  /** How large a delta may be that is taken; the format's own limits where nothing is said. */
  readonly limits?: HeartbeatAnswer['limits'];
  /** Heeds what the site says of a volume beyond what is only recorded. `nowMs` is the service's time. */
  readonly heed: (word: Heartbeat['volumes'][number], nowMs: number) => Promise<void>;
  /** What the site's senders are told of its volumes, and of the disks that it asks about. */
  readonly answerVolumes: (of: {
    readonly site: SiteDocument;
    readonly groups: Found<GroupDocument>;
    readonly sources: readonly string[] | undefined;
    readonly expiresAtMs: number;
  }) => Promise<Pick<HeartbeatAnswer, 'volumes' | 'sources'>>;
  /** One line for the people who run the cloud's side. */
  readonly tell: (line: string) => void;
}

/**
 * Records one heartbeat and makes its answer. Errors: as {@link openSiteMessage}; REFUSED when it names what is not the
 * site's, or its counter does not grow; CONFLICT when too many arrive at once; UNAVAILABLE. After any error but
 * UNAVAILABLE nothing has changed.
 */
export async function receiveHeartbeat(ports: HeartbeatPorts, data: unknown): Promise<HeartbeatAnswer> {
  const opened = await openSiteMessage(ports, data, { kind: 'heartbeat', schema: heartbeatSchema });
  const { site, key, document, payload: heartbeat } = opened;
  checkOwn(site, heartbeat);
  const heartbeats = witnessesOf(document, ports.everyMs).find(({ kind }) => kind === 'heartbeat');
  const word = { key, heartbeat, witness: heartbeats ?? { everyMs: ports.everyMs } };
  const { serviceNowMs } = await ports.documents.record(heartbeatKind, names.heartbeat(site), (found, reading) =>
    recorded(found?.value, { site, word, reading }),
  );

  await fewAtOnce(DOCUMENTS_AT_ONCE, heartbeat.volumes, async (word) => heedOne(ports, word, serviceNowMs));
  const journal = { account: document.account, container: journalContainer(site) };
  const expiresAtMs = serviceNowMs + ports.accessMs;
  await ports.access.ensureContainer(journal);
  const listed = { prefix: names.groupsOf(site), whereof: `the answer to ${siteId(site)}` };
  const groups = await understood(ports, listed, async (name) => (await ports.documents.need(groupKind, name)).value);
  const { sources } = heartbeat;
  const answered = await ports.answerVolumes({ site: document, groups, sources, expiresAtMs });
  return {
    version: CURRENT_VERSION,
    site: siteId(site),
    ...answered,
    groups: [...groups.values()].flatMap((found) => (found ? groupAnswer(found) : [])),
    access: {
      queues: {
        deltas: await ports.access.queueUrl(QUEUES.deltas, expiresAtMs),
        bulk: await ports.access.queueUrl(QUEUES.bulk, expiresAtMs),
      },
      journal: await ports.access.journalUrl(journal, expiresAtMs),
      expiresAtMs,
    },
    everyMs: ports.everyMs,
    journalKeptMs: ports.journalKeptMs,
    ...(ports.limits && { limits: ports.limits }),
  };
}

/** One volume's word; what cannot be heeded now keeps no other from being answered, and is said again by the site. */
async function heedOne(ports: HeartbeatPorts, word: Heartbeat['volumes'][number], nowMs: number): Promise<void> {
  try {
    await ports.heed(word, nowMs);
  } catch (error) {
    if (!isLeewardError(error)) throw error;
    ports.tell(`what the site says of ${word.volume} could not be heeded: ${describeError(error)}`);
  }
}

function checkOwn(site: SiteRef, heartbeat: Heartbeat): void {
  const named = [
    ...heartbeat.volumes.map(({ volume }) => volume),
    ...(heartbeat.groups ?? []).map(({ group }) => group),
  ];
  const foreign = named.find((id) => !id.startsWith(`${siteId(site)}/`));
  if (foreign !== undefined) {
    throw new LeewardError('REFUSED', `heartbeat of ${siteId(site)}: "${foreign}" is not one of this site's`);
  }
}

/** What is to be recorded. */
interface Word {
  readonly key: string;
  readonly heartbeat: Heartbeat;
  /** The heartbeat as a witness of the site. */
  readonly witness: Pick<Witness, 'everyMs'>;
}

/** What is recorded after one more heartbeat. Errors: REFUSED for a counter that does not grow. Pure. */
function recorded(
  before: HeartbeatDocument | undefined,
  of: { readonly site: SiteRef; readonly word: Word; readonly reading: Reading },
): HeartbeatDocument {
  const { site, word, reading } = of;
  const { key, witness } = word;
  const { counter } = word.heartbeat;
  const { serviceNowMs, isAgain } = reading;
  const lastCounter = before?.heartbeat.counter;
  // A write that storage repeated may have met its own effect: then the one that is recorded is this very heartbeat.
  if (before && isAgain && lastCounter === counter) return before;
  checkCounter(`heartbeat of ${siteId(site)}`, counter, { lastCounter, serviceNowMs });
  const heartbeat = withWord(site, word.heartbeat, before?.heartbeat);
  const said = heartbeat.groups.map((group) => {
    const saidBefore = before?.said?.find((one) => one.group === group.group);
    const at = { atMs: serviceNowMs, witness };
    return word.heartbeat.groups ? saidOf(saidBefore, group, at) : unlookedOf(saidBefore, group, at);
  });
  return { ...(before ?? { version: CURRENT_VERSION, site: siteId(site) }), key, heartbeat, said };
}

type Said = NonNullable<HeartbeatDocument['said']>[number];

/** What a heartbeat's word of a lease is for the site's being up or down. */
const VERDICTS = { held: 'up', none: 'down', unknown: 'none' } as const;

/** What a site has said of one group after one more word of it. Pure. */
export function saidOf(
  before: Said | undefined,
  { group, lease, wants }: GroupWord,
  { atMs, witness }: { readonly atMs: number; readonly witness: Pick<Witness, 'everyMs'> },
): Said {
  const known = before?.wish?.decision === wants?.decision ? before?.wish : undefined;
  const wish = wants ? { decision: wants.decision, sinceMs: known?.sinceMs ?? atMs } : null;
  return { ...before, group, word: spoke(before?.word, { verdict: VERDICTS[lease], atMs }, witness), wish };
}

/**
 * The same after a heartbeat of one who has not looked: nothing that was said of the lease begins anew, for as long as a sender
 * may be silent; then it is nobody's word any more. Pure.
 */
function unlookedOf(
  before: Said | undefined,
  group: GroupWord,
  at: { readonly atMs: number; readonly witness: Pick<Witness, 'everyMs'> },
): Said {
  const isRecent = before !== undefined && Math.abs(at.atMs - before.word.lastSeenMs) <= silenceAllowedMs(at.witness);
  const said = saidOf(before, group, at);
  return isRecent ? { ...said, word: before.word } : said;
}

function groupAnswer({ group, term, phase, holder }: GroupDocument): HeartbeatAnswer['groups'][number] {
  return { group, term, phase, holder };
}
